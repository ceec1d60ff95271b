// The admin endpoint's HTTP server: a few pages, one thread, one short exchange per connection. GET asks for
// a page, POST for an action; a request's body is not read. What they answer is decided by the handlers,
// which run on the server's thread: pages must not block, an action may for about a second.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::app {

struct admin_page {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  bool asks_for_token = false;  // with 401
};

struct admin_request {
  std::string_view path;           // without the query
  std::string_view authorization;  // the header; empty when there is none
};

class admin_server {
 public:
  // `path` without the query.
  using page_handler = std::function<admin_page(std::string_view path)>;
  using request_handler = std::function<admin_page(const admin_request& order)>;

  // Listens at once; port 0 takes a free one. errc::address_in_use names the address, errc::config_invalid an
  // address that is none. Without `orders` POST is answered with 405.
  [[nodiscard]] static result<std::unique_ptr<admin_server>> start(const std::string& address,
                                                                   std::uint16_t port, page_handler pages,
                                                                   request_handler orders = {});
  admin_server(const admin_server&) = delete;
  admin_server& operator=(const admin_server&) = delete;
  // Closes every connection and joins the thread.
  virtual ~admin_server() = default;

  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;

 protected:
  admin_server() = default;
};

}  // namespace millrace::app
