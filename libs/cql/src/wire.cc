#include "wire.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <millrace/cql/cell.h>

#include "bridge.h"

namespace millrace::cql::wire {
namespace {

constexpr std::uint8_t version_request = 0x04;

// Flags of a frame, section 2.2.
constexpr std::uint8_t flag_tracing = 0x02;
constexpr std::uint8_t flag_payload = 0x04;
constexpr std::uint8_t flag_warning = 0x08;
constexpr std::size_t uuid_bytes = 16;

// Flags of an execution, section 4.1.4.
constexpr std::uint8_t with_values = 0x01;
constexpr std::uint8_t without_metadata = 0x02;
constexpr std::uint8_t with_page_size = 0x04;
constexpr std::uint8_t with_paging_state = 0x08;
constexpr std::uint8_t with_timestamp = 0x20;

// Section 4.2.5.
constexpr std::int32_t result_void = 1;
constexpr std::int32_t result_rows = 2;
constexpr std::int32_t rows_global_table = 0x01;
constexpr std::int32_t rows_more_pages = 0x02;
constexpr std::int32_t rows_no_metadata = 0x04;

class writer {
 public:
  explicit writer(std::byte* to) noexcept : at_(to) {}
  template <typename T>
  void number(T value) noexcept {
    internal::put_number(at_, value);
    at_ += sizeof(T);
  }
  void raw(bytes_view bytes) noexcept {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void string(std::string_view text) noexcept {
    number(static_cast<std::uint16_t>(text.size()));
    raw(as_bytes(text));
  }

 private:
  std::byte* at_;
};

// Room for a whole frame at the end of `to`, its header written.
writer begin(byte_buffer& to, std::int16_t stream, opcode what, std::size_t body_bytes) {
  const std::size_t before = to.size();
  to.resize(before + header_bytes + body_bytes);
  writer out(to.data() + before);
  out.number(version_request);
  out.number(std::uint8_t{0});
  out.number(stream);
  out.number(static_cast<std::uint8_t>(what));
  out.number(static_cast<std::int32_t>(body_bytes));
  return out;
}

// Reads past the end yield zeros and are remembered.
class reader {
 public:
  explicit reader(bytes_view from) noexcept : rest_(from) {}
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bytes_view rest() const noexcept { return rest_; }

  template <typename T>
  T number() noexcept {
    const bytes_view taken = take(sizeof(T));
    return taken.empty() ? T{0} : internal::number_at<T>(taken.data());
  }
  bytes_view take(std::size_t count) noexcept {
    if (count > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const bytes_view taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  std::string_view string() noexcept { return as_text(take(number<std::uint16_t>())); }
  bytes_view bytes() noexcept {
    const auto size = number<std::int32_t>();
    return size < 0 ? bytes_view{} : take(static_cast<std::size_t>(size));
  }

 private:
  bytes_view rest_;
  bool failed_ = false;
};

// What comes before the message's own body: trace, warnings, payload.
void skip_extras(const header& of, reader& in) noexcept {
  if ((of.flags & flag_tracing) != 0) in.take(uuid_bytes);
  if ((of.flags & flag_warning) != 0) {
    for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) in.string();
  }
  if ((of.flags & flag_payload) != 0) {
    for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
      in.string();
      in.bytes();
    }
  }
}

constexpr int nesting_max = 32;

// [option] of a column's type, section 4.2.5.2.
void skip_type(reader& in, int depth) noexcept {
  if (depth > nesting_max) {
    in.take(SIZE_MAX);
    return;
  }
  switch (in.number<std::uint16_t>()) {
    case 0x0000:
      in.string();
      return;
    case 0x0020:
    case 0x0022:
      skip_type(in, depth + 1);
      return;
    case 0x0021:
      skip_type(in, depth + 1);
      skip_type(in, depth + 1);
      return;
    case 0x0030: {
      in.string();
      in.string();
      for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
        in.string();
        skip_type(in, depth + 1);
      }
      return;
    }
    case 0x0031:
      for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
        skip_type(in, depth + 1);
      }
      return;
    default:  // an open set: a native type has nothing more
      return;
  }
}

void skip_columns(reader& in, std::int32_t flags, std::int32_t count) noexcept {
  if ((flags & rows_global_table) != 0) {
    in.string();
    in.string();
  }
  for (std::int32_t k = 0; k < count && !in.failed(); ++k) {
    if ((flags & rows_global_table) == 0) {
      in.string();
      in.string();
    }
    in.string();
    skip_type(in, 0);
  }
}

// Section 9. What the driver calls unavailable, so do we: native/src/failure.rs.
errc kind_of(std::int32_t code) noexcept {
  switch (code) {
    case 0x0000:  // server error
    case 0x1000:  // unavailable
    case 0x1002:  // is bootstrapping
    case 0x1003:  // truncate error
    case 0x1300:  // read failure
    case 0x1500:  // write failure
      return errc::db_unavailable;
    case 0x1001:
      return errc::db_overloaded;
    case 0x1100:
    case 0x1200:
      return errc::db_timeout;
    case 0x0100:
    case 0x2100:
      return errc::db_unauthorized;
    case 0x1400:  // function failure
    case 0x2000:  // syntax
    case 0x2200:  // invalid
    case 0x2300:  // configuration
    case 0x2400:  // already exists
      return errc::db_invalid;
    default:  // an open set
      return errc::db_protocol;
  }
}

constexpr std::int32_t code_unprepared = 0x2500;

std::string counted(reader& in, std::int32_t code) {
  const std::string consistency(consistency_name(in.number<std::uint16_t>()));
  const auto first = in.number<std::int32_t>();
  const auto second = in.number<std::int32_t>();
  if (in.failed()) return {};
  const bool unavailable = code == 0x1000;
  return " (consistency " + consistency + ", " +
         (unavailable ? std::to_string(first) + " replicas required and " + std::to_string(second) + " alive"
                      : std::to_string(first) + " of " + std::to_string(second) + " replicas answered") +
         ")";
}

bool has_counts(std::int32_t code) noexcept {
  return code == 0x1000 || code == 0x1100 || code == 0x1200 || code == 0x1300 || code == 0x1500;
}

template <typename T>
void parse_into(std::string_view text, T& number) noexcept {
  std::from_chars(text.data(), text.data() + text.size(), number);
}

void read_extension(std::string_view name, std::string_view value, supported& into) noexcept {
  if (name == "SCYLLA_SHARD") parse_into(value, into.shard);
  if (name == "SCYLLA_NR_SHARDS") parse_into(value, into.shards);
  if (name == "SCYLLA_SHARDING_IGNORE_MSB") parse_into(value, into.ignored_msb);
  if (name == "SCYLLA_SHARD_AWARE_PORT") parse_into(value, into.shard_port);
  if (name == "SCYLLA_SHARD_AWARE_PORT_SSL") parse_into(value, into.shard_port_tls);
  constexpr std::string_view code = "ERROR_CODE=";
  if (name == "SCYLLA_RATE_LIMIT_ERROR" && value.starts_with(code)) {
    parse_into(value.substr(code.size()), into.rate_limit_code);
  }
}

}  // namespace

header read_header(bytes_view from) noexcept {
  reader in(from);
  header out;
  out.version = in.number<std::uint8_t>();
  out.flags = in.number<std::uint8_t>();
  out.stream = in.number<std::int16_t>();
  out.opcode = in.number<std::uint8_t>();
  out.body_bytes = in.number<std::int32_t>();
  return out;
}

void append_options(byte_buffer& to, std::int16_t stream) { begin(to, stream, opcode::options, 0); }

void append_startup(byte_buffer& to, std::int16_t stream,
                    const std::vector<std::pair<std::string, std::string>>& options) {
  std::size_t size = sizeof(std::uint16_t);
  for (const auto& [name, value] : options) size += 2 * sizeof(std::uint16_t) + name.size() + value.size();
  writer out = begin(to, stream, opcode::startup, size);
  out.number(static_cast<std::uint16_t>(options.size()));
  for (const auto& [name, value] : options) {
    out.string(name);
    out.string(value);
  }
}

void append_credentials(byte_buffer& to, std::int16_t stream, std::string_view user,
                        std::string_view password) {
  const std::size_t size = user.size() + password.size() + 2;
  writer out = begin(to, stream, opcode::auth_response, sizeof(std::int32_t) + size);
  out.number(static_cast<std::int32_t>(size));
  out.number(std::uint8_t{0});
  out.raw(as_bytes(user));
  out.number(std::uint8_t{0});
  out.raw(as_bytes(password));
}

void append_execute(byte_buffer& to, std::int16_t stream, const execution& what) {
  std::uint8_t flags = without_metadata;
  std::size_t size = sizeof(std::uint16_t) + what.id.size() + sizeof(what.consistency) + sizeof(flags);
  if (what.value_count > 0) {
    flags |= with_values;
    size += sizeof(what.value_count) + what.values.size();
  }
  if (what.page_rows > 0) {
    flags |= with_page_size;
    size += sizeof(what.page_rows);
  }
  if (!what.paging_state.empty()) {
    flags |= with_paging_state;
    size += sizeof(std::int32_t) + what.paging_state.size();
  }
  if (what.timestamp_us) {
    flags |= with_timestamp;
    size += sizeof(std::int64_t);
  }
  writer out = begin(to, stream, opcode::execute, size);
  out.number(static_cast<std::uint16_t>(what.id.size()));
  out.raw(what.id);
  out.number(what.consistency);
  out.number(flags);
  if (what.value_count > 0) {
    out.number(what.value_count);
    out.raw(what.values);
  }
  if (what.page_rows > 0) out.number(what.page_rows);
  if (!what.paging_state.empty()) {
    out.number(static_cast<std::int32_t>(what.paging_state.size()));
    out.raw(what.paging_state);
  }
  if (what.timestamp_us) out.number(*what.timestamp_us);
}

bool read_result(const header& of, bytes_view body, answer& into) noexcept {
  reader in(body);
  skip_extras(of, in);
  const auto kind = in.number<std::int32_t>();
  if (in.failed() || (kind != result_void && kind != result_rows)) return false;
  if (kind == result_void) return true;
  const auto flags = in.number<std::int32_t>();
  const auto columns = in.number<std::int32_t>();
  if ((flags & rows_more_pages) != 0) into.paging_state = in.bytes();
  if ((flags & rows_no_metadata) == 0) skip_columns(in, flags, columns);
  const auto rows = in.number<std::int32_t>();
  // A row has at least the length of each of its cells, which bounds what a hostile count can claim.
  const std::uint64_t least =
      static_cast<std::uint64_t>(std::max(rows, 0)) * static_cast<std::uint64_t>(std::max(columns, 0)) * 4U;
  if (in.failed() || rows < 0 || columns <= 0 || least > in.rest().size()) return false;
  into.is_rows = true;
  into.row_count = static_cast<std::uint32_t>(rows);
  into.column_count = static_cast<std::uint32_t>(columns);
  into.cells = in.rest();
  return true;
}

failure read_error(const header& of, bytes_view body, std::int32_t rate_limit_code) {
  reader in(body);
  skip_extras(of, in);
  failure out;
  out.code = in.number<std::int32_t>();
  out.message = std::string(in.string());
  if (in.failed()) {
    out.message = "an error that cannot be read";
    return out;
  }
  out.kind = kind_of(out.code);
  out.unprepared = out.code == code_unprepared;
  if (rate_limit_code != 0 && out.code == rate_limit_code) out.kind = errc::db_overloaded;
  if (has_counts(out.code)) out.message += counted(in, out.code);
  return out;
}

std::optional<supported> read_supported(const header& of, bytes_view body) {
  reader in(body);
  skip_extras(of, in);
  supported out;
  for (std::uint16_t left = in.number<std::uint16_t>(); left > 0 && !in.failed(); --left) {
    const std::string_view name = in.string();
    for (std::uint16_t values = in.number<std::uint16_t>(); values > 0 && !in.failed(); --values) {
      read_extension(name, in.string(), out);
    }
  }
  if (in.failed()) return std::nullopt;
  return out;
}

}  // namespace millrace::cql::wire
