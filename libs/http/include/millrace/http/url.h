// Addresses of HTTP servers, and the encodings that requests need.
#pragma once

#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::http {

struct endpoint {
  bool tls = false;
  std::string host;  // an IPv6 address without its brackets
  std::string port;
  std::string path = {};                        // prefix of every target, no trailing slash
  [[nodiscard]] std::string authority() const;  // host:port, as in a Host header
  [[nodiscard]] std::string text() const;
};

// errc::config_invalid. The message never repeats what stands before an '@': it may be a password.
[[nodiscard]] result<endpoint> parse_url(std::string_view url);

[[nodiscard]] std::string base64(std::string_view text);
// Percent-encoded: one segment of a path, or one value of a form.
[[nodiscard]] std::string escaped(std::string_view segment);
// Without control characters, at most 300 bytes: what a server says may go to a log.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace millrace::http
