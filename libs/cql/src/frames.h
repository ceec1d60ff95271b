// Frames of the CQL native protocol, version 4 (native_protocol_v4.spec of Apache Cassandra; section numbers
// below are its), with ScyllaDB's extensions (docs/dev/protocol-extensions.md of ScyllaDB), as far as a data
// connection needs them.
//
// Requests are appended to a buffer as whole frames. Answers are read in place: views point into the frame's
// body. Every count and length of an answer is checked against what has arrived, so that no number from the
// wire decides how much memory is taken.
//
// Threads: any; a compressor belongs to one connection.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/errors.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/cql/frame_compression.h>
#include <millrace/statement/declaration.h>

namespace millrace::cql::frames {

inline constexpr std::size_t header_bytes = 9;
inline constexpr std::int32_t body_bytes_max = 256 << 20;  // section 2.6

enum class opcode : std::uint8_t {
  error = 0x00,
  startup = 0x01,
  ready = 0x02,
  authenticate = 0x03,
  options = 0x05,
  supported = 0x06,
  query = 0x07,
  result = 0x08,
  prepare = 0x09,
  execute = 0x0A,
  register_events = 0x0B,
  event = 0x0C,
  batch = 0x0D,
  auth_challenge = 0x0E,
  auth_response = 0x0F,
  auth_success = 0x10,
};

inline constexpr std::uint8_t flag_compressed = 0x01;

struct header {
  std::uint8_t version = 0;
  std::uint8_t flags = 0;
  std::int16_t stream = 0;
  std::uint8_t opcode = 0;
  std::int32_t body_bytes = 0;
};
// `from` has at least header_bytes.
[[nodiscard]] header read_header(bytes_view from) noexcept;

// By number: the names of a [consistency] (section 3).
inline constexpr std::array<std::string_view, 11> consistencies = {
    "ANY",          "ONE",         "TWO",    "THREE",        "QUORUM",   "ALL",
    "LOCAL_QUORUM", "EACH_QUORUM", "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE"};
// The name of a [consistency]: "LOCAL_QUORUM"; "unknown" for other numbers.
[[nodiscard]] std::string_view consistency_name(std::uint16_t number) noexcept;

// ---- requests: whole frames, appended to `to`. A frame's body has at most body_bytes_max: the caller refuses
// what size_of() finds larger.

void append_options(byte_buffer& to, std::int16_t stream);
void append_startup(byte_buffer& to, std::int16_t stream,
                    const std::vector<std::pair<std::string, std::string>>& options);
// SASL PLAIN.
void append_credentials(byte_buffer& to, std::int16_t stream, std::string_view user,
                        std::string_view password);
// A statement without values, at consistency ONE; for USE.
void append_query(byte_buffer& to, std::int16_t stream, std::string_view text);
void append_prepare(byte_buffer& to, std::int16_t stream, std::string_view text);

// Asks for SCHEMA_CHANGE events.
void append_register(byte_buffer& to, std::int16_t stream);

struct execution {
  bytes_view id = {};
  // Present when the connection has negotiated metadata ids: the id of the result's description that the
  // client knows. An unknown one makes the server describe its rows.
  std::optional<bytes_view> metadata_id = {};
  std::uint16_t consistency = 0;
  std::uint16_t serial_consistency = 0;  // 0: none
  std::uint16_t value_count = 0;
  bytes_view values = {};  // each with its length
  std::int32_t page_rows = 0;
  bytes_view paging_state = {};
  std::optional<std::int64_t> timestamp_us = {};
  bool with_columns = false;  // asks for the columns of the rows, which are left out otherwise
  bool traced = false;
};
void append_execute(byte_buffer& to, std::int16_t stream, const execution& what);
// Bytes of the whole frame.
[[nodiscard]] std::size_t size_of(const execution& what) noexcept;

// A batch of prepared statements, unlogged unless it says otherwise.
struct batch_part {
  bytes_view id = {};
  std::uint16_t value_count = 0;
  bytes_view values = {};
};
struct batch {
  std::span<const batch_part> parts;
  std::uint16_t consistency = 0;
  std::uint16_t serial_consistency = 0;  // 0: none
  std::optional<std::int64_t> timestamp_us = {};
  bool traced = false;
  bool logged = false;
};
void append_batch(byte_buffer& to, std::int16_t stream, const batch& what);
[[nodiscard]] std::size_t size_of(const batch& what) noexcept;

// ---- answers

// What precedes the message of an answer. Views point into the body.
struct extras {
  std::optional<uuid> trace = {};
  bytes_view tablet = {};    // the payload `tablets-routing-v1`, for read_tablet()
  bytes_view warnings = {};  // for read_warnings()
};

struct answer {
  enum class kind : std::uint8_t { nothing, rows, keyspace, prepared, schema };
  kind is = kind::nothing;
  extras with = {};
  // Of rows.
  std::uint32_t row_count = 0;
  std::uint32_t column_count = 0;
  bytes_view cells = {};         // of all rows
  bytes_view paging_state = {};  // empty: this was the last page
  // The description of the columns, when the server sent it: for read_columns().
  bytes_view columns = {};
  bool one_table = false;       // how the description is written
  bytes_view metadata_id = {};  // of a description that has changed; otherwise empty
  // Of prepared: for read_prepared().
  bytes_view prepared = {};
};
// False when the answer is malformed. `has_metadata_id`: negotiated on the connection.
[[nodiscard]] bool read_result(const header& of, bytes_view body, answer& into) noexcept;

// The columns of `of`, whose columns are not empty. errc::db_protocol when they cannot be read.
[[nodiscard]] result<std::vector<statements::column>> read_columns(const answer& of);

// The answer to PREPARE.
struct prepared {
  bytes_view id = {};
  bytes_view metadata_id = {};  // empty without the extension
  std::string keyspace = {};    // of the first parameter, or column; "": none has one
  std::string table = {};
  std::vector<statements::column> parameters = {};
  std::vector<std::uint16_t> partition_key = {};  // indexes into the parameters, in the key's order
  std::vector<statements::column> columns = {};
  bool conditional = false;  // the server's mark (SCYLLA_LWT_ADD_METADATA_MARK)
};
struct extensions;
[[nodiscard]] result<prepared> read_prepared(const answer& of, const extensions& negotiated);

[[nodiscard]] std::vector<std::string_view> read_warnings(bytes_view warnings);

// A tablet of ScyllaDB: the tokens behind `after` up to `last`, and where its replicas are.
struct tablet {
  struct replica {
    std::array<std::uint8_t, 16> host_id{};
    std::uint32_t shard = 0;
  };
  std::int64_t after = 0;
  std::int64_t last = 0;
  std::vector<replica> replicas = {};
};
// nullopt when it cannot be read, or has no replica.
[[nodiscard]] std::optional<tablet> read_tablet(bytes_view payload);

// A change of the schema that the server reports by itself (section 4.2.6).
struct schema_event {
  std::string_view target;  // "KEYSPACE", "TABLE", "TYPE", "FUNCTION", "AGGREGATE"
  std::string_view keyspace;
  std::string_view name;  // of a table or type
};
// nullopt for other events, and for those that cannot be read.
[[nodiscard]] std::optional<schema_event> read_schema_event(const header& of, bytes_view body);

struct failure {
  std::int32_t code = 0;
  errc kind = errc::db_unavailable;
  std::string message;         // the server's text, with consistency and counts where the error has them
  bytes_view unprepared = {};  // of UNPREPARED: the id that the server does not know
  // Nothing was executed: another node may be tried with any statement.
  bool not_executed = false;
  // Says something of the node, and not only of this statement: counts against its health. Health is compared
  // between nodes, so that what all nodes report alike changes nothing.
  bool of_node = false;
  // The node has too much to do: its limit of requests in flight shrinks.
  bool overloaded = false;
};
[[nodiscard]] failure read_error(const header& of, bytes_view body, const extensions& negotiated);

// ---- what a server says of itself before anything else (section 4.2.4, and ScyllaDB's extensions)

inline constexpr std::uint32_t shards_max = 1'024;

struct extensions {
  std::int32_t rate_limit_code = 0;  // 0: not negotiated
  std::uint32_t lwt_mask = 0;        // of the flags of PREPARED; 0: not negotiated
  bool tablets = false;
  bool metadata_id = false;
};
struct supported {
  std::uint32_t shard = 0;
  std::uint32_t shards = 0;  // 0: not sharded, or numbers that make no sense (more than shards_max)
  std::uint32_t ignored_msb = 0;
  std::uint16_t shard_port = 0;  // where the source port chooses the shard; 0: nowhere
  std::uint16_t shard_port_tls = 0;
  extensions offered;
  bool lz4 = false;
  bool snappy = false;
};
[[nodiscard]] std::optional<supported> read_supported(const header& of, bytes_view body);
// What STARTUP says to accept them.
void append_startup_options(const extensions& accepted, std::vector<std::pair<std::string, std::string>>& to);

// ---- compression of bodies (section 5)

using compression = frame_compression;
[[nodiscard]] std::string_view to_string(compression by) noexcept;

// Small bodies are not worth it.
inline constexpr std::size_t compressed_body_min = 512;

class compressor {
 public:
  explicit compressor(compression by) noexcept : by_(by) {}
  [[nodiscard]] compression by() const noexcept { return by_; }
  // Compresses the body of the frame that begins at `frame` and ends with the buffer, when that makes it
  // smaller.
  void compress(byte_buffer& frames, std::size_t frame);
  // The body of an answer with flag_compressed; valid until the next call. errc::db_protocol when it is
  // malformed, or longer than body_bytes_max.
  [[nodiscard]] result<bytes_view> decompress(bytes_view body);
  // Bytes held for the next call.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return scratch_.capacity(); }

 private:
  // Room for `bytes`. What a large body needed is given back when the bodies after it are small.
  [[nodiscard]] std::span<std::byte> room(std::size_t bytes);

  compression by_;
  byte_buffer scratch_;
  std::uint32_t small_since_ = 0;  // calls since a body needed more than scratch_kept
};

}  // namespace millrace::cql::frames
