// One HTTP/1.1 exchange over a connection of its own: TCP or TLS, direct or through a proxy, with deadlines
// and a bounded response body. Connections that are kept, for the thread of an event loop: connection_pool.h.
//
// Example:
//
//   const auto at = http::parse_url("http://127.0.0.1:8081");
//   if (!at) return at.error();
//   const http::limits within{.connect_timeout = seconds(3), .timeout = seconds(5), .body_bytes_max = 1 << 20};
//   const auto answer = http::exchange({.server = *at}, {.method = "GET", .target = "/subjects"}, within);
//   if (!answer) return answer.error();
//   if (answer->status != 200) return error(errc::io_error, http::printable(answer->body));
//
// Threads: any, but never a worker's: every function here blocks. Files: certificates and keys are read again
// for every exchange, so that they may be replaced while the process runs.
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

// Paths of PEM files. An empty path of a certificate or key means that none is used.
struct tls_files {
  std::string ca_file = {};  // empty: the system's authorities
  std::string certificate_file = {};
  std::string key_file = {};
  std::string key_password = {};
};
// Checks that the files can be read and parsed. Returns errc::tls_error with the name of the file that cannot
// be used.
[[nodiscard]] result<void> check(const tls_files& files);

// A proxy. `authorization` is the value of the header Proxy-Authorization; empty: none is sent.
struct proxy_server {
  endpoint at;
  std::string authorization;
};

struct request {
  std::string method;  // exchange() takes GET and POST
  std::string target;  // after the path of the server: "/subjects?deleted=true"
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct response {
  unsigned status = 0;
  std::string body;
  std::string retry_after;
  // In the order of the answer. exchange() leaves them out.
  std::vector<std::pair<std::string, std::string>> headers = {};

  // The first header of this name, whatever its case; nullptr without one.
  [[nodiscard]] const std::string* header(std::string_view name) const noexcept;
};

// Deadlines and limits of one exchange, and how its failures are reported.
struct limits {
  milliseconds connect_timeout{};  // name, connection, proxy and TLS handshake
  milliseconds timeout{};          // from the first byte sent to the last one received
  std::size_t body_bytes_max = 0;
  const std::atomic<bool>* abandoned = nullptr;  // true: the exchange ends at once with errc::cancelled
  errc no_answer = errc::io_error;               // the code when no complete answer arrives in time
  std::string_view body_setting = {};            // name of the setting behind body_bytes_max, for messages
};

// The server, and how to reach it. The pointers must stay valid during the exchange.
struct route {
  endpoint server;
  const tls_files* files = nullptr;  // for https
  const proxy_server* proxy = nullptr;
};

// Sends one request and returns the response, whatever its status. The connection is closed afterwards.
// Errors: `limits::no_answer` when no complete response arrives in time; errc::tls_error when one side
// refuses the other's certificate or protocol; errc::cancelled when `limits::abandoned` became true. Messages
// hold neither headers nor bodies.
[[nodiscard]] result<response> exchange(const route& way, const request& question, const limits& within);

// Sends one request and returns the body of a response with status 200. Errors: those of exchange(), and
// `limits::no_answer` for any other status, with the status and the first line of the body.
[[nodiscard]] result<std::string> body_of(const route& way, const request& question, const limits& within);

}  // namespace millrace::http
