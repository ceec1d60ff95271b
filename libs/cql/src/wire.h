// Frames of the CQL native protocol, version 4 (native_protocol_v4.spec of Apache Cassandra; section numbers
// below are its), as far as a data connection needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/errors.h>

namespace millrace::cql::wire {

inline constexpr std::size_t header_bytes = 9;
inline constexpr std::int32_t body_bytes_max = 256 << 20;  // section 2.6

enum class opcode : std::uint8_t {
  error = 0x00,
  startup = 0x01,
  ready = 0x02,
  authenticate = 0x03,
  options = 0x05,
  supported = 0x06,
  result = 0x08,
  execute = 0x0A,
  auth_challenge = 0x0E,
  auth_response = 0x0F,
  auth_success = 0x10,
};

struct header {
  std::uint8_t version = 0;
  std::uint8_t flags = 0;
  std::int16_t stream = 0;
  std::uint8_t opcode = 0;
  std::int32_t body_bytes = 0;
};
// `from` has at least header_bytes.
[[nodiscard]] header read_header(bytes_view from) noexcept;

// Whole frames, appended to `to`.
void append_options(byte_buffer& to, std::int16_t stream);
void append_startup(byte_buffer& to, std::int16_t stream,
                    const std::vector<std::pair<std::string, std::string>>& options);
// SASL PLAIN.
void append_credentials(byte_buffer& to, std::int16_t stream, std::string_view user,
                        std::string_view password);

struct execution {
  bytes_view id = {};
  std::uint16_t consistency = 0;
  std::uint16_t value_count = 0;
  bytes_view values = {};  // each with its length
  std::int32_t page_rows = 0;
  bytes_view paging_state = {};
  std::optional<std::int64_t> timestamp_us = {};
};
// Asks for rows without their metadata.
void append_execute(byte_buffer& to, std::int16_t stream, const execution& what);

// The answer to an execution. Views point into the frame's body.
struct answer {
  bool is_rows = false;
  std::uint32_t row_count = 0;
  std::uint32_t column_count = 0;
  bytes_view cells;         // of all rows
  bytes_view paging_state;  // empty: this was the last page
};
// False when it is malformed, or a kind of result that no execution of ours has.
[[nodiscard]] bool read_result(const header& of, bytes_view body, answer& into) noexcept;

struct failure {
  std::int32_t code = 0;
  errc kind = errc::db_protocol;
  std::string message;
  bool unprepared = false;
};
// `rate_limit_code`: what the connection negotiated (0: nothing).
[[nodiscard]] failure read_error(const header& of, bytes_view body, std::int32_t rate_limit_code);

// What a server says of itself before anything else (section 4.2.4, and ScyllaDB's protocol extensions).
struct supported {
  std::uint32_t shard = 0;
  std::uint32_t shards = 0;  // 0: not sharded
  std::uint32_t ignored_msb = 0;
  std::uint16_t shard_port = 0;  // where the source port chooses the shard; 0: nowhere
  std::uint16_t shard_port_tls = 0;
  std::int32_t rate_limit_code = 0;
};
[[nodiscard]] std::optional<supported> read_supported(const header& of, bytes_view body);

}  // namespace millrace::cql::wire
