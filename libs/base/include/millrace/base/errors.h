// The one error vocabulary of the product.
//
// An expected failure (bad bytes, a server that refuses, a bad option) is a value: `millrace::error`, carried
// by `millrace::result<T>`. The code says what happened in a closed enum, so that the engine's classification
// (retry, dead letter, stop) is a table over codes and never a match on text. The message is for people:
// what, where, why, what to do. It never holds a record's payload or a secret.
//
// A broken invariant is not an error value: see assert.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// Closed: adding a code means giving it a sentence (errors.cc), and a row in the engine's classification
// table. Names are also the values of the `error` metric label, so they are stable.
enum class errc : std::uint8_t {
  // bytes of a record
  truncated,            // input ended inside a value
  malformed,            // a byte sequence the format does not allow
  invalid_utf8,         // a string is not UTF-8
  limit_exceeded,       // a configured limit (depth, items, bytes) was exceeded
  trailing_bytes,       // bytes left over after the value
  bad_frame,            // not Confluent wire format
  schema_incompatible,  // writer and reader schema can never resolve
  unresolvable,         // this datum cannot be read as the reader's type (e.g. a union branch)
  // schemas and their registry
  schema_invalid,         // text is not a valid schema
  schema_not_found,       // the registry does not know this id
  registry_unavailable,   // the registry did not answer, or answered 429 or 5xx
  registry_unauthorized,  // the registry refused our credentials
  // the database
  db_unavailable,      // no connection, or not enough replicas alive
  db_timeout,          // the server reported a read or write timeout
  db_overloaded,       // the server sheds load
  db_client_timeout,   // our deadline passed before the server answered
  db_unauthorized,     // bad credentials, or no permission
  db_invalid,          // the server refuses the statement (syntax, unknown table or column, too large)
  db_type_mismatch,    // a statement's C++ types do not fit the prepared metadata
  db_unexpected_rows,  // one row was promised, more came
  db_protocol,         // the server's answer could not be understood
  // Kafka
  broker_unavailable,   // no broker reachable, or a transient broker error
  broker_unauthorized,  // authentication or authorisation failed
  broker_fenced,        // another member owns this identity or generation
  topic_not_found,      // unknown topic or partition
  offset_out_of_range,  // the committed offset no longer exists in the log
  produce_failed,       // a record was not acknowledged; trying again may help
  produce_rejected,     // the broker will never accept this record (too large, invalid)
  // the process
  config_invalid,          // the configuration cannot be used as it is
  address_in_use,          // a port is taken
  io_error,                // a file or socket operation failed
  tls_error,               // certificate or handshake problem
  timed_out,               // an operation of our own passed its deadline
  cancelled,               // the operation was abandoned: shutdown or revoke
  rejected,                // the user's logic rejected the record
  redrive_target_unknown,  // a redriven record names a processor or a group that is not known here
  processor_threw,         // an exception left process()
  unsupported,             // valid, but not supported by this build
  internal,                // a contained defect (e.g. a panic in the driver); please report it
};

inline constexpr std::size_t errc_count = static_cast<std::size_t>(errc::internal) + 1;

// The stable name, as in metric labels: "db_timeout".
[[nodiscard]] std::string_view to_string(errc code) noexcept;
// One sentence for people.
[[nodiscard]] std::string_view describe(errc code) noexcept;

// Value type; cheap to move. Default-constructed errors do not exist.
class [[nodiscard]] error {
 public:
  error(errc code, std::string message) : message_(std::move(message)), code_(code) {}
  explicit error(errc code) : error(code, std::string(describe(code))) {}

  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  // Puts where the failure was seen in front of the message: error("db_invalid", "no table").in("statement
  // 'x'") reads "statement 'x': no table".
  [[nodiscard]] error in(std::string_view where) const&;
  // "db_timeout: the message"
  [[nodiscard]] std::string to_string() const;

 private:
  std::string message_;
  errc code_;
};

}  // namespace millrace
