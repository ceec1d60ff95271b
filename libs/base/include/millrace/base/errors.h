// The errors of all libraries: a closed set of codes and a message.
//
// An expected failure (malformed bytes, a server that refuses a request, an invalid option) is a value:
// `millrace::error`, usually inside `millrace::result<T>`. The code states the kind of failure. The engine
// classifies failures (retry, dead letter, stop) by a table over codes and never by the text. The message is
// for people: the operation, its object, the cause and a remedy. It never holds the payload of a record or a
// secret.
//
// A broken invariant is not an error value; see assert.h.
//
// Example:
//
//   const millrace::error failure(millrace::errc::db_timeout, "no answer after 5 s");
//   const std::string text = failure.in("statement 'select visit'").to_string();
//   // "db_timeout: statement 'select visit': no answer after 5 s"
//
// Threads: an error is a plain value. The functions are pure and callable from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// The closed set of codes. A new code needs a sentence in errors.cc and a row in the engine's classification
// table. Names are also values of the metric label `error` and therefore stable.
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
  registry_unauthorized,  // the registry refused the credentials
  // the database
  db_unavailable,      // no connection, or not enough replicas alive
  db_timeout,          // the server reported a read or write timeout
  db_overloaded,       // the server sheds load
  db_client_timeout,   // the client's deadline passed before the server answered
  db_unauthorized,     // bad credentials, or no permission
  db_invalid,          // the server refuses the statement (syntax, unknown table or column, too large)
  db_rejected,         // the server refuses the record's values; the statement itself is valid
  db_type_mismatch,    // a statement's C++ types do not fit the prepared metadata
  db_unexpected_rows,  // a statement of one row returned several rows
  db_protocol,         // the server's answer could not be understood
  // Kafka
  broker_unavailable,   // no broker reachable, or a transient broker error
  broker_unauthorized,  // authentication or authorisation failed
  broker_fenced,        // another member owns this identity or generation
  topic_not_found,      // unknown topic or partition
  offset_out_of_range,  // the committed offset no longer exists in the log
  produce_failed,       // a record was not acknowledged; trying again may help
  produce_rejected,     // the broker will never accept this record (too large, invalid)
  // services that a processor calls: HTTP and blocking functions
  service_unavailable,   // no connection, or 502, 503 or 504
  service_timeout,       // the call passed its deadline
  service_overloaded,    // 429, 503 with Retry-After, or no place within the limits of the process
  service_failed,        // another 5xx
  service_protocol,      // the answer could not be understood, or ended early
  service_unauthorized,  // 401 or 407
  service_rejected,      // another status, or a request that cannot be sent
  // the process
  config_invalid,          // the configuration cannot be used as it is
  address_in_use,          // a port is taken
  io_error,                // a file or socket operation failed
  tls_error,               // certificate or handshake problem
  timed_out,               // an operation of this process passed its deadline
  cancelled,               // the operation was abandoned: shutdown or revoke
  rejected,                // the processor rejected the record
  redrive_target_unknown,  // a redriven record names a processor or a group that is not known here
  processor_threw,         // an exception left process()
  answer_ignored,          // process() did not look at the answer of a statement or a service
  unsupported,             // valid, but not supported by this build
  internal,                // a contained defect (e.g. a panic in the driver); please report it
};

inline constexpr std::size_t errc_count = static_cast<std::size_t>(errc::internal) + 1;

// Returns the stable name of a code, for example "db_timeout". Metric labels use it.
[[nodiscard]] std::string_view to_string(errc code) noexcept;
// Returns one sentence that explains the code.
[[nodiscard]] std::string_view describe(errc code) noexcept;

// A code and a message. Cheap to move. An error has no default value.
class [[nodiscard]] error {
 public:
  error(errc code, std::string message) : message_(std::move(message)), code_(code) {}
  explicit error(errc code) : error(code, std::string(describe(code))) {}

  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  // Returns a copy with `where` in front of the message: error("db_invalid", "no table").in("statement 'x'")
  // has the message "statement 'x': no table".
  [[nodiscard]] error in(std::string_view where) const&;
  // Returns "CODE: MESSAGE", for example "db_timeout: no answer after 5 s".
  [[nodiscard]] std::string to_string() const;

 private:
  std::string message_;
  errc code_;
};

}  // namespace millrace
