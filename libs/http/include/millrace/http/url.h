// Addresses of HTTP servers, and the encodings that requests need.
//
// Example:
//
//   const auto at = http::parse_url("https://registry:8443/base");
//   if (!at) return at.error();
//   const std::string target = at->path + "/subjects/" + http::escaped("visits-value");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::http {

// A parsed URL.
struct endpoint {
  bool tls = false;
  std::string host;  // an IPv6 address has no brackets
  std::string port;
  std::string path = {};                        // prefix of every target, no trailing slash
  [[nodiscard]] std::string authority() const;  // host:port, as in a Host header
  [[nodiscard]] std::string text() const;
};

// Parses an http or https URL. Returns errc::config_invalid for any other text. The message never repeats the
// part before an '@', which may be a password.
[[nodiscard]] result<endpoint> parse_url(std::string_view url);

// Returns the Base64 encoding (RFC 4648) with padding.
[[nodiscard]] std::string base64(std::string_view text);
// Returns `segment` percent-encoded, for one segment of a path or one value of a form.
[[nodiscard]] std::string escaped(std::string_view segment);
// Returns the text without control characters, at most 300 bytes, so that a server's text can be logged.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace millrace::http
