#include <millrace/stream/outcome.h>

namespace millrace::stream {

disposition disposition_of(errc code) noexcept {
  switch (code) {
    // The bytes are what they are.
    case errc::truncated:
    case errc::malformed:
    case errc::invalid_utf8:
    case errc::limit_exceeded:
    case errc::trailing_bytes:
    case errc::bad_frame:
    case errc::schema_incompatible:
    case errc::unresolvable:
    case errc::schema_invalid:
    case errc::schema_not_found:
    case errc::db_unexpected_rows:
    case errc::db_rejected:
    case errc::produce_rejected:
    case errc::service_rejected:
    case errc::rejected:
    case errc::redrive_target_unknown:
    case errc::unsupported:
      return disposition::dead_letter;
    // A dependency is unavailable or overloaded.
    case errc::registry_unavailable:
    case errc::db_unavailable:
    case errc::db_timeout:
    case errc::db_overloaded:
    case errc::db_client_timeout:
    // The next answer may be readable; the breaker bounds what is tried when none is.
    case errc::db_protocol:
    case errc::broker_unavailable:
    case errc::produce_failed:
    case errc::service_unavailable:
    case errc::service_timeout:
    case errc::service_overloaded:
    case errc::service_failed:
    case errc::service_protocol:
    case errc::timed_out:
    case errc::cancelled:
    case errc::io_error:
    case errc::internal:
    // Maybe memory was short; a defect of the processor fails again, up to the bounds of the retries.
    case errc::processor_threw:
    // A defect of the processor, too: an answer that is not looked at may be that of a write that failed.
    case errc::answer_ignored:
      return disposition::retry;
    // A person must act: dead-lettering would pour the whole topic away.
    case errc::registry_unauthorized:
    case errc::db_unauthorized:
    case errc::db_invalid:
    case errc::db_type_mismatch:
    case errc::broker_unauthorized:
    case errc::broker_fenced:
    case errc::topic_not_found:
    case errc::offset_out_of_range:
    case errc::service_unauthorized:
    case errc::config_invalid:
    case errc::address_in_use:
    case errc::tls_error:
      return disposition::stop;
  }
  return disposition::stop;
}

reaction reaction_to(errc code) noexcept {
  switch (disposition_of(code)) {
    case disposition::retry:
      return reaction::retry;
    case disposition::dead_letter:
      return reaction::dead_letter;
    case disposition::stop:
      return reaction::stop;
  }
  return reaction::stop;
}

bool may_be_classified(errc code) noexcept { return disposition_of(code) != disposition::stop; }

std::string_view to_string(disposition d) noexcept {
  switch (d) {
    case disposition::retry:
      return "retry";
    case disposition::dead_letter:
      return "dead_letter";
    case disposition::stop:
      return "stop";
  }
  return "stop";
}

}  // namespace millrace::stream
