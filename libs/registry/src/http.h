// One HTTP/1.1 exchange with a deadline and a bounded body. Blocking; for the client's own thread.
#pragma once

#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::registry {

struct endpoint {
  bool tls = false;
  std::string host;
  std::string port;
  std::string path;  // prefix of every target, no trailing slash
  [[nodiscard]] std::string text() const;
};
[[nodiscard]] result<endpoint> parse_url(std::string_view url);

struct http_request {
  std::string method;  // GET or POST
  std::string target;
  std::string body;
  std::string authorization;
};

struct http_response {
  unsigned status = 0;
  std::string body;
};

struct http_limits {
  milliseconds timeout{};
  std::size_t body_bytes_max = 0;
};

// errc::registry_unavailable, or errc::tls_error when the server's certificate is refused.
[[nodiscard]] result<http_response> exchange(const endpoint& server, const std::string& ca_file,
                                             const http_request& request, http_limits limits);
[[nodiscard]] std::string base64(std::string_view text);

}  // namespace millrace::registry
