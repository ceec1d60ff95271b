// The HTTP server of the admin endpoint: a few pages, one short exchange per connection. GET requests a page, POST
// an action; the body of a request is not read. The handlers make the responses.
//
// Example, at namespace scope:
//
//   result<std::unique_ptr<app::admin_server>> serve_hello() {
//     return app::admin_server::start("127.0.0.1", 0, [](std::string_view path) {
//       if (path == "/hello") return app::admin_page{.body = "hello\n"};
//       return app::admin_page{.status = 404, .body = "not found\n"};
//     });
//   }
//
// Threads: start() and port() may be called from any thread. Pages are made on one thread of the server and
// must not block. Actions run on another one, one after the other, and may block: no page waits for them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::app {

// A response.
struct admin_page {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  bool asks_for_token = false;  // with status 401: adds the header WWW-Authenticate
};

// A POST request. The views are valid during the call.
struct admin_request {
  std::string_view path;           // without the query
  std::string_view authorization;  // the header; empty when there is none
};

// The server. Destroying it ends its threads.
class admin_server {
 public:
  // `path` has no query.
  using page_handler = std::function<admin_page(std::string_view path)>;
  using request_handler = std::function<admin_page(const admin_request& order)>;

  // Listens when it returns; port 0 takes a free one. Without `orders`, POST is answered with 405. Returns
  // errc::address_in_use with the address, errc::config_invalid for a malformed address, and errc::io_error when
  // the system refuses descriptors or threads.
  [[nodiscard]] static result<std::unique_ptr<admin_server>> start(const std::string& address,
                                                                   std::uint16_t port, page_handler pages,
                                                                   request_handler orders = {});
  admin_server(const admin_server&) = delete;
  admin_server& operator=(const admin_server&) = delete;
  // Closes every connection and joins the threads. An action that runs is waited for.
  virtual ~admin_server() = default;

  // Returns the port on which the server listens.
  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;

 protected:
  admin_server() = default;
};

}  // namespace millrace::app
