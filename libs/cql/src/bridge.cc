#include "bridge.h"

#include <cctype>
#include <utility>

#include <millrace/base/text.h>
#include <millrace/cql/session.h>

#include "frames.h"

namespace millrace::cql {
namespace {

std::string normal(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c != '_') text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

std::string hexadecimal(std::int32_t code) { return "0x" + hex_number(static_cast<std::uint32_t>(code), 4); }

}  // namespace

errc code_of(std::int32_t status) noexcept {
  switch (status) {
    case MILLRACE_CQL_UNAVAILABLE:
      return errc::db_unavailable;
    case MILLRACE_CQL_SERVER_TIMEOUT:
      return errc::db_timeout;
    case MILLRACE_CQL_OVERLOADED:
      return errc::db_overloaded;
    case MILLRACE_CQL_CLIENT_TIMEOUT:
      return errc::db_client_timeout;
    case MILLRACE_CQL_UNAUTHORIZED:
      return errc::db_unauthorized;
    case MILLRACE_CQL_INVALID:
      return errc::db_invalid;
    case MILLRACE_CQL_PROTOCOL:
      return errc::db_protocol;
    case MILLRACE_CQL_TLS:
      return errc::tls_error;
    case MILLRACE_CQL_CONFIG:
      return errc::config_invalid;
    case MILLRACE_CQL_CANCELLED:
      return errc::cancelled;
    case MILLRACE_CQL_INTERNAL:
      return errc::internal;
    default:  // an open set: a number from the other side of the interface
      return errc::internal;
  }
}

error to_error(std::int32_t status, std::int32_t code, std::string_view message) {
  std::string text(message);
  if (code > 0) text += " (CQL error " + hexadecimal(code) + ")";
  return {code_of(status), std::move(text)};
}

std::optional<std::uint16_t> consistency_number(std::string_view name) {
  const std::string wanted = normal(name);
  for (std::size_t number = 0; number < frames::consistencies.size(); ++number) {
    if (normal(frames::consistencies[number]) == wanted) return static_cast<std::uint16_t>(number);
  }
  return std::nullopt;
}

std::optional<std::string> expected_consistency(std::string_view name) {
  if (consistency_number(name)) return std::nullopt;
  return "one of " + consistency_names();
}

std::string consistency_names() {
  std::string text;
  for (const auto name : frames::consistencies) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

}  // namespace millrace::cql
