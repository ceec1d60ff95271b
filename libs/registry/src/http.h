// One HTTP/1.1 exchange over a connection of its own: TCP or TLS, direct or through a proxy, with deadlines
// and a bounded answer. Blocking; for the client's own threads.
//
// Files are read anew for every exchange, so that certificates may be replaced while the process runs.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>

#include "url.h"

namespace millrace::registry {

struct tls_files {
  std::string ca_file;  // "": the system's authorities
  std::string certificate_file;
  std::string key_file;
  std::string key_password;
};
// errc::tls_error naming the file that cannot be used.
[[nodiscard]] result<void> check(const tls_files& files);

struct http_proxy {
  endpoint at;
  std::string authorization;
};

struct http_request {
  std::string method;  // GET or POST
  std::string target;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct http_response {
  unsigned status = 0;
  std::string body;
  std::string retry_after;
};

struct http_limits {
  milliseconds connect_timeout{};  // name, connection, proxy and TLS handshake
  milliseconds timeout{};          // from the first byte sent to the last one received
  std::size_t body_bytes_max = 0;
  const std::atomic<bool>* abandoned = nullptr;  // true: give up at once
};

struct http_route {
  endpoint server;
  const tls_files* files = nullptr;  // for https
  const http_proxy* proxy = nullptr;
};

// errc::registry_unavailable: no answer, not all of it, or not in time. errc::tls_error: one side refused the
// other's certificate or protocol. errc::cancelled: abandoned. Messages hold neither headers nor bodies.
[[nodiscard]] result<http_response> exchange(const http_route& route, const http_request& request,
                                             const http_limits& limits);

}  // namespace millrace::registry
