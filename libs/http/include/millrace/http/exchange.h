// One HTTP/1.1 exchange over a connection of its own: TCP or TLS, direct or through a proxy, with deadlines
// and a bounded answer. Blocking; for threads that may wait.
//
// Files are read anew for every exchange, so that certificates may be replaced while the process runs.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/http/url.h>

namespace millrace::http {

struct tls_files {
  std::string ca_file = {};  // "": the system's authorities
  std::string certificate_file = {};
  std::string key_file = {};
  std::string key_password = {};
};
// errc::tls_error naming the file that cannot be used.
[[nodiscard]] result<void> check(const tls_files& files);

struct proxy_server {
  endpoint at;
  std::string authorization;
};

struct request {
  std::string method;  // GET or POST
  std::string target;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct response {
  unsigned status = 0;
  std::string body;
  std::string retry_after;
};

struct limits {
  milliseconds connect_timeout{};  // name, connection, proxy and TLS handshake
  milliseconds timeout{};          // from the first byte sent to the last one received
  std::size_t body_bytes_max = 0;
  const std::atomic<bool>* abandoned = nullptr;  // true: give up at once
  errc no_answer = errc::io_error;               // the code of no answer, or none in time
  std::string_view body_setting = {};            // what people call body_bytes_max
};

struct route {
  endpoint server;
  const tls_files* files = nullptr;  // for https
  const proxy_server* proxy = nullptr;
};

// limits::no_answer: no answer, not all of it, or not in time. errc::tls_error: one side refused the other's
// certificate or protocol. errc::cancelled: abandoned. Messages hold neither headers nor bodies.
[[nodiscard]] result<response> exchange(const route& way, const request& question, const limits& within);

// The body of a 200. Any other status is an error too: limits::no_answer, with the status and the first line
// of the body.
[[nodiscard]] result<std::string> body_of(const route& way, const request& question, const limits& within);

}  // namespace millrace::http
