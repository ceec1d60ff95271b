// Answers of the CQL native protocol, except descriptions of columns (columns.cc).
#include <charconv>
#include <cstring>
#include <limits>

#include <millrace/base/text.h>
#include <millrace/cql/server_errors.h>

#include "frame_reader.h"
#include "frames.h"

namespace millrace::cql::frames {
namespace {

// Flags of a frame, section 2.2.
constexpr std::uint8_t flag_tracing = 0x02;
constexpr std::uint8_t flag_payload = 0x04;
constexpr std::uint8_t flag_warning = 0x08;

// Section 4.2.5.
constexpr std::int32_t result_void = 1;
constexpr std::int32_t result_rows = 2;
constexpr std::int32_t result_keyspace = 3;
constexpr std::int32_t result_prepared = 4;
constexpr std::int32_t result_schema = 5;
constexpr std::uint32_t rows_one_table = 0x01;
constexpr std::uint32_t rows_more_pages = 0x02;
constexpr std::uint32_t rows_no_columns = 0x04;
constexpr std::uint32_t rows_changed = 0x08;

constexpr std::string_view tablet_payload = "tablets-routing-v1";

// Names of ScyllaDB's extensions; the same in SUPPORTED and in STARTUP.
constexpr std::string_view extension_rate_limit = "SCYLLA_RATE_LIMIT_ERROR";
constexpr std::string_view extension_lwt = "SCYLLA_LWT_ADD_METADATA_MARK";
constexpr std::string_view extension_tablets = "TABLETS_ROUTING_V1";
constexpr std::string_view extension_metadata_id = "SCYLLA_USE_METADATA_ID";
constexpr std::string_view rate_limit_argument = "ERROR_CODE=";
constexpr std::string_view lwt_argument = "LWT_OPTIMIZATION_META_BIT_MASK=";
constexpr std::string_view sharding_algorithm = "biased-token-round-robin";
constexpr std::uint32_t ignored_msb_max = 63;

bytes_view read_strings(frame_reader& in) noexcept {
  const bytes_view from = in.rest();
  for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) in.string();
  return in.failed() ? bytes_view{} : from.first(from.size() - in.rest().size());
}

bool read_rows(frame_reader& in, answer& into) noexcept {
  const auto flags = in.number<std::uint32_t>();
  const std::uint32_t columns = in.count();
  if ((flags & rows_more_pages) != 0) into.paging_state = in.bytes();
  if ((flags & rows_changed) != 0) into.metadata_id = in.short_bytes();
  if (columns == 0 || columns > columns_max) return false;
  if ((flags & rows_no_columns) == 0) {
    const bytes_view from = in.rest();
    into.one_table = (flags & rows_one_table) != 0;
    skip_columns(in, into.one_table, columns);
    if (in.failed()) return false;
    into.columns = from.first(from.size() - in.rest().size());
  }
  const std::uint32_t rows = in.count();
  // A row has at least the length of each of its cells, which bounds what a hostile count can claim.
  const std::uint64_t least = std::uint64_t{rows} * columns * sizeof(std::int32_t);
  if (in.failed() || least > in.rest().size()) return false;
  into.is = answer::kind::rows;
  into.row_count = rows;
  into.column_count = columns;
  into.cells = in.rest();
  return true;
}

// The whole text is a number in decimal digits.
template <typename T>
bool parse_number(std::string_view text, T& to) noexcept {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), to);
  return fault == std::errc() && end == text.data() + text.size() && !text.empty();
}
template <typename T>
T number_or(std::string_view text, T otherwise) noexcept {
  T value = 0;
  return parse_number(text, value) ? value : otherwise;
}

// Numbers that are no numbers become ones that make no sense, which read_supported() removes.
struct sharding {
  std::uint32_t shard = 0;
  std::uint32_t shards = 0;
  std::uint32_t ignored_msb = 0;
  std::uint16_t port = 0;
  std::uint16_t port_tls = 0;
  bool known_algorithm = true;

  [[nodiscard]] bool sensible() const noexcept {
    return known_algorithm && shards > 0 && shards <= shards_max && shard < shards &&
           ignored_msb <= ignored_msb_max;
  }
};

void read_sharding(std::string_view name, std::string_view value, sharding& into) noexcept {
  constexpr std::uint32_t no_number = std::numeric_limits<std::uint32_t>::max();
  if (name == "SCYLLA_SHARD") into.shard = number_or(value, no_number);
  if (name == "SCYLLA_NR_SHARDS") into.shards = number_or(value, no_number);
  if (name == "SCYLLA_SHARDING_IGNORE_MSB") into.ignored_msb = number_or(value, no_number);
  if (name == "SCYLLA_SHARD_AWARE_PORT") into.port = number_or(value, std::uint16_t{0});
  if (name == "SCYLLA_SHARD_AWARE_PORT_SSL") into.port_tls = number_or(value, std::uint16_t{0});
  if (name == "SCYLLA_SHARDING_ALGORITHM") into.known_algorithm = value == sharding_algorithm;
}

void read_argument(std::string_view name, std::string_view value, supported& into) noexcept {
  extensions& offered = into.offered;
  if (name == extension_rate_limit && value.starts_with(rate_limit_argument)) {
    offered.rate_limit_code = number_or(value.substr(rate_limit_argument.size()), std::int32_t{0});
  }
  if (name == extension_lwt && value.starts_with(lwt_argument)) {
    offered.lwt_mask = number_or(value.substr(lwt_argument.size()), std::uint32_t{0});
  }
  if (name == "COMPRESSION") {
    into.lz4 = into.lz4 || value == to_string(compression::lz4);
    into.snappy = into.snappy || value == to_string(compression::snappy);
  }
}

// What the errors with a number of replicas say, section 9.
std::string counted(frame_reader& in, std::int32_t code) {
  constexpr std::int32_t code_unavailable = 0x1000;
  const std::string consistency(consistency_name(in.number<std::uint16_t>()));
  const std::string first = std::to_string(in.number<std::int32_t>());
  const std::string second = std::to_string(in.number<std::int32_t>());
  if (in.failed()) return {};
  return " (consistency " + consistency + ", " +
         (code == code_unavailable ? first + " replicas required and " + second + " alive"
                                   : first + " of " + second + " replicas answered") +
         ")";
}

bool has_counts(std::int32_t code) noexcept {
  return code == 0x1000 || code == 0x1100 || code == 0x1200 || code == 0x1300 || code == 0x1500 ||
         code == 0x1700;
}

// Parts of a tuple or elements of a list: each with its length.
bool read_replica(frame_reader& list, tablet::replica& into) noexcept {
  frame_reader in(list.bytes());
  const bytes_view host = in.bytes();
  frame_reader shard(in.bytes());
  const auto number = shard.number<std::int32_t>();
  if (in.failed() || shard.failed() || host.size() != into.host_id.size() || number < 0) return false;
  std::memcpy(into.host_id.data(), host.data(), host.size());
  into.shard = static_cast<std::uint32_t>(number);
  return true;
}

}  // namespace

void read_extras(const header& of, frame_reader& in, extras& into) noexcept {
  if ((of.flags & (flag_tracing | flag_warning | flag_payload)) == 0) return;
  if ((of.flags & flag_tracing) != 0) {
    uuid& trace = into.trace.emplace();
    const bytes_view id = in.take(trace.bytes.size());
    if (!id.empty()) std::memcpy(trace.bytes.data(), id.data(), id.size());
  }
  if ((of.flags & flag_warning) != 0) into.warnings = read_strings(in);
  if ((of.flags & flag_payload) != 0) {
    for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
      const std::string_view name = in.string();
      const bytes_view value = in.bytes();
      if (name == tablet_payload) into.tablet = value;
    }
  }
}

bool read_result(const header& of, bytes_view body, answer& into) noexcept {
  into = answer();
  frame_reader in(body);
  read_extras(of, in, into.with);
  const auto kind = in.number<std::int32_t>();
  if (in.failed()) return false;
  switch (kind) {
    case result_rows:
      return read_rows(in, into);
    case result_void:
      return true;
    case result_keyspace:
      into.is = answer::kind::keyspace;
      return true;
    case result_prepared:
      into.is = answer::kind::prepared;
      into.prepared = in.rest();
      return true;
    case result_schema:
      into.is = answer::kind::schema;
      return true;
    default:  // an open set: other versions of the protocol have more
      return false;
  }
}

std::vector<std::string_view> read_warnings(bytes_view warnings) {
  std::vector<std::string_view> out;
  if (warnings.empty()) return out;
  frame_reader in(warnings);
  for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
    const std::string_view text = in.string();
    if (!in.failed()) out.push_back(text);
  }
  return out;
}

std::optional<tablet> read_tablet(bytes_view payload) {
  constexpr std::size_t replica_bytes = 3 * sizeof(std::int32_t) + 16 + sizeof(std::int32_t);
  frame_reader in(payload);
  frame_reader after(in.bytes());
  frame_reader last(in.bytes());
  frame_reader list(in.bytes());
  tablet out{.after = after.number<std::int64_t>(), .last = last.number<std::int64_t>()};
  const std::uint32_t replicas = list.count();
  if (in.failed() || after.failed() || last.failed() || list.failed()) return std::nullopt;
  if (out.after >= out.last || replicas == 0 || replicas > list.rest().size() / replica_bytes) {
    return std::nullopt;
  }
  out.replicas.resize(replicas);
  for (tablet::replica& each : out.replicas) {
    if (!read_replica(list, each)) return std::nullopt;
  }
  return out;
}

std::optional<schema_event> read_schema_event(const header& of, bytes_view body) {
  if (static_cast<opcode>(of.opcode) != opcode::event) return std::nullopt;
  frame_reader in(body);
  extras skipped;
  read_extras(of, in, skipped);
  if (in.string() != "SCHEMA_CHANGE") return std::nullopt;
  in.string();  // how it changed
  schema_event out{.target = in.string(), .keyspace = in.string(), .name = {}};
  if (out.target != "KEYSPACE") out.name = in.string();
  if (in.failed()) return std::nullopt;
  return out;
}

failure read_error(const header& of, bytes_view body, const extensions& negotiated) {
  frame_reader in(body);
  extras skipped;
  read_extras(of, in, skipped);
  failure out;
  out.code = in.number<std::int32_t>();
  out.message = std::string(in.string());
  if (in.failed()) {
    out.kind = errc::db_protocol;
    out.message = "an error that cannot be read";
    out.of_node = true;
    return out;
  }
  const bool rate_limited = negotiated.rate_limit_code != 0 && out.code == negotiated.rate_limit_code;
  const server_error& known = rate_limited ? rate_limit_error() : server_error_of(out.code);
  out.kind = known.kind;
  out.not_executed = known.not_executed;
  out.of_node = known.of_node;
  out.overloaded = known.overloaded;
  if (known.code == server_error::other) {
    const auto number = static_cast<std::uint32_t>(out.code);
    out.message += " (CQL error 0x" + hex_number(number, number <= 0xFFFF ? 4 : 8) + ")";
  } else if (has_counts(out.code)) {
    out.message += counted(in, out.code);
  } else if (out.code == server_error::unprepared) {
    out.unprepared = in.short_bytes();
  }
  return out;
}

std::optional<supported> read_supported(const header& of, bytes_view body) {
  frame_reader in(body);
  extras skipped;
  read_extras(of, in, skipped);
  supported out;
  sharding shards;
  for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
    const std::string_view name = in.string();
    if (name == extension_tablets) out.offered.tablets = true;
    if (name == extension_metadata_id) out.offered.metadata_id = true;
    for (std::uint16_t values = in.number<std::uint16_t>(); values > 0 && !in.failed(); --values) {
      const std::string_view value = in.string();
      read_sharding(name, value, shards);
      read_argument(name, value, out);
    }
  }
  if (in.failed()) return std::nullopt;
  if (shards.sensible()) {
    out.shard = shards.shard;
    out.shards = shards.shards;
    out.ignored_msb = shards.ignored_msb;
    out.shard_port = shards.port;
    out.shard_port_tls = shards.port_tls;
  }
  return out;
}

void append_startup_options(const extensions& accepted,
                            std::vector<std::pair<std::string, std::string>>& to) {
  if (accepted.rate_limit_code != 0) to.emplace_back(extension_rate_limit, "");
  if (accepted.lwt_mask != 0) {
    to.emplace_back(extension_lwt, std::string(lwt_argument) + std::to_string(accepted.lwt_mask));
  }
  if (accepted.tablets) to.emplace_back(extension_tablets, "");
  if (accepted.metadata_id) to.emplace_back(extension_metadata_id, "");
}

}  // namespace millrace::cql::frames
