#include <millrace/base/errors.h>

namespace millrace {
namespace {

struct entry {
  std::string_view name;
  std::string_view sentence;
};

constexpr entry lookup(errc code) noexcept {
  switch (code) {
    case errc::truncated:
      return {"truncated", "the input ends inside a value"};
    case errc::malformed:
      return {"malformed", "the bytes are invalid in this format"};
    case errc::invalid_utf8:
      return {"invalid_utf8", "a string is not valid UTF-8"};
    case errc::limit_exceeded:
      return {"limit_exceeded", "a configured limit was exceeded"};
    case errc::trailing_bytes:
      return {"trailing_bytes", "bytes are left over after the value"};
    case errc::bad_frame:
      return {"bad_frame", "the value is not in Confluent wire format"};
    case errc::schema_incompatible:
      return {"schema_incompatible", "the writer's schema cannot be read as the expected type"};
    case errc::unresolvable:
      return {"unresolvable", "this value cannot be read as the expected type"};
    case errc::schema_invalid:
      return {"schema_invalid", "the text is not a valid Avro schema"};
    case errc::schema_not_found:
      return {"schema_not_found", "the registry does not know this schema"};
    case errc::registry_unavailable:
      return {"registry_unavailable", "the schema registry is unavailable or gave an invalid answer"};
    case errc::registry_unauthorized:
      return {"registry_unauthorized", "the schema registry refused the credentials"};
    case errc::db_unavailable:
      return {"db_unavailable", "the database cannot be reached, or lacks live replicas"};
    case errc::db_timeout:
      return {"db_timeout", "the database reported a timeout"};
    case errc::db_overloaded:
      return {"db_overloaded", "the database is overloaded"};
    case errc::db_client_timeout:
      return {"db_client_timeout", "the database did not answer before the request's deadline"};
    case errc::db_unauthorized:
      return {"db_unauthorized", "the database refused the credentials or the permission"};
    case errc::db_invalid:
      return {"db_invalid", "the database refused the statement"};
    case errc::db_type_mismatch:
      return {"db_type_mismatch", "a statement's types do not fit the table's columns"};
    case errc::db_unexpected_rows:
      return {"db_unexpected_rows", "a statement for at most one row returned more"};
    case errc::db_protocol:
      return {"db_protocol", "the database's answer could not be understood"};
    case errc::broker_unavailable:
      return {"broker_unavailable", "no Kafka broker could be reached"};
    case errc::broker_unauthorized:
      return {"broker_unauthorized", "Kafka refused the credentials or the permission"};
    case errc::broker_fenced:
      return {"broker_fenced", "another group member uses the same identity"};
    case errc::topic_not_found:
      return {"topic_not_found", "the topic or partition does not exist"};
    case errc::offset_out_of_range:
      return {"offset_out_of_range", "the offset is no longer in the log"};
    case errc::produce_failed:
      return {"produce_failed", "a produced record was not acknowledged"};
    case errc::produce_rejected:
      return {"produce_rejected", "the broker will never accept this record"};
    case errc::config_invalid:
      return {"config_invalid", "the configuration cannot be used"};
    case errc::address_in_use:
      return {"address_in_use", "the address is already in use"};
    case errc::io_error:
      return {"io_error", "a file or socket operation failed"};
    case errc::tls_error:
      return {"tls_error", "a certificate or the TLS handshake was refused"};
    case errc::timed_out:
      return {"timed_out", "the operation did not finish in time"};
    case errc::cancelled:
      return {"cancelled", "the operation was abandoned"};
    case errc::rejected:
      return {"rejected", "the record was rejected by the processor"};
    case errc::redrive_target_unknown:
      return {"redrive_target_unknown", "the record was redriven for an unknown processor or group"};
    case errc::processor_threw:
      return {"processor_threw", "the processor threw an exception"};
    case errc::unsupported:
      return {"unsupported", "this is valid but not supported"};
    case errc::internal:
      return {"internal", "an internal error was contained; please report it"};
  }
  return {"internal", "an unknown error code"};
}

}  // namespace

std::string_view to_string(errc code) noexcept { return lookup(code).name; }
std::string_view describe(errc code) noexcept { return lookup(code).sentence; }

error error::in(std::string_view where) const& {
  std::string text;
  text.reserve(where.size() + 2 + message_.size());
  text.append(where).append(": ").append(message_);
  return {code_, std::move(text)};
}

std::string error::to_string() const {
  return std::string(millrace::to_string(code_)).append(": ").append(message_);
}

}  // namespace millrace
