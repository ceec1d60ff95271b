#include <array>

#include <millrace/base/errors.h>

namespace millrace {
namespace {

struct entry {
  errc code;
  std::string_view name;
  std::string_view sentence;
};

// In the order of the codes.
constexpr std::array<entry, errc_count> entries = {{
    {errc::truncated, "truncated", "the input ends inside a value"},
    {errc::malformed, "malformed", "the bytes are invalid in this format"},
    {errc::invalid_utf8, "invalid_utf8", "a string is not valid UTF-8"},
    {errc::limit_exceeded, "limit_exceeded", "a configured limit was exceeded"},
    {errc::trailing_bytes, "trailing_bytes", "bytes are left over after the value"},
    {errc::bad_frame, "bad_frame", "the value is not in Confluent wire format"},
    {errc::schema_incompatible, "schema_incompatible",
     "the writer's schema cannot be read as the expected type"},
    {errc::unresolvable, "unresolvable", "this value cannot be read as the expected type"},
    {errc::schema_invalid, "schema_invalid", "the text is not a valid Avro schema"},
    {errc::schema_not_found, "schema_not_found", "the registry does not know this schema"},
    {errc::registry_unavailable, "registry_unavailable",
     "the schema registry is unavailable or gave an invalid answer"},
    {errc::registry_unauthorized, "registry_unauthorized", "the schema registry refused the credentials"},
    {errc::db_unavailable, "db_unavailable", "the database cannot be reached, or lacks live replicas"},
    {errc::db_timeout, "db_timeout", "the database reported a timeout"},
    {errc::db_overloaded, "db_overloaded", "the database is overloaded"},
    {errc::db_client_timeout, "db_client_timeout",
     "the database did not answer before the request's deadline"},
    {errc::db_unauthorized, "db_unauthorized", "the database refused the credentials or the permission"},
    {errc::db_invalid, "db_invalid", "the database refused the statement"},
    {errc::db_rejected, "db_rejected",
     "the database refused the record's values; the statement itself is valid"},
    {errc::db_type_mismatch, "db_type_mismatch", "a statement's types do not fit the table's columns"},
    {errc::db_unexpected_rows, "db_unexpected_rows", "a statement for at most one row returned more"},
    {errc::db_protocol, "db_protocol", "the database's answer could not be understood"},
    {errc::broker_unavailable, "broker_unavailable", "no Kafka broker could be reached"},
    {errc::broker_unauthorized, "broker_unauthorized", "Kafka refused the credentials or the permission"},
    {errc::broker_fenced, "broker_fenced", "another group member uses the same identity"},
    {errc::topic_not_found, "topic_not_found", "the topic or partition does not exist"},
    {errc::offset_out_of_range, "offset_out_of_range", "the offset is no longer in the log"},
    {errc::produce_failed, "produce_failed", "a produced record was not acknowledged"},
    {errc::produce_rejected, "produce_rejected", "the broker will never accept this record"},
    {errc::service_unavailable, "service_unavailable", "a service that a processor calls cannot be reached"},
    {errc::service_timeout, "service_timeout",
     "a service that a processor calls did not answer before the deadline"},
    {errc::service_overloaded, "service_overloaded", "a service that a processor calls is overloaded"},
    {errc::service_failed, "service_failed", "a service that a processor calls reported an error of its own"},
    {errc::service_protocol, "service_protocol",
     "the answer of a service that a processor calls could not be understood"},
    {errc::service_unauthorized, "service_unauthorized",
     "a service that a processor calls refused the credentials"},
    {errc::service_rejected, "service_rejected", "a service that a processor calls refused the request"},
    {errc::config_invalid, "config_invalid", "the configuration cannot be used"},
    {errc::address_in_use, "address_in_use", "the address is already in use"},
    {errc::io_error, "io_error", "a file or socket operation failed"},
    {errc::tls_error, "tls_error", "a certificate or the TLS handshake was refused"},
    {errc::timed_out, "timed_out", "the operation did not finish in time"},
    {errc::cancelled, "cancelled", "the operation was abandoned"},
    {errc::rejected, "rejected", "the record was rejected by the processor"},
    {errc::redrive_target_unknown, "redrive_target_unknown",
     "the record was redriven for an unknown processor or group"},
    {errc::processor_threw, "processor_threw", "the processor threw an exception"},
    {errc::answer_ignored, "answer_ignored",
     "the processor did not look at the answer of a statement or a service"},
    {errc::unsupported, "unsupported", "this is valid but not supported"},
    {errc::internal, "internal", "an internal error was contained; please report it"},
}};

constexpr bool in_order() {
  for (std::size_t k = 0; k < entries.size(); ++k) {
    if (entries[k].code != static_cast<errc>(k) || entries[k].name.empty()) return false;
  }
  return true;
}
static_assert(in_order(), "every code has its sentence");

constexpr const entry& lookup(errc code) noexcept {
  const auto at = static_cast<std::size_t>(code);
  return entries[at < entries.size() ? at : static_cast<std::size_t>(errc::internal)];
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
