// The admin endpoint's HTTP server: GET only, a few pages, one thread, one short exchange per connection.
// What the pages say is decided by the handler, which runs on the server's thread and must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::engine {

struct admin_page {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class admin_server {
 public:
  // `path` without the query.
  using page_handler = std::function<admin_page(std::string_view path)>;

  // Listens at once; port 0 takes a free one. errc::address_in_use names the address, errc::config_invalid an
  // address that is none.
  [[nodiscard]] static result<std::unique_ptr<admin_server>> start(const std::string& address,
                                                                   std::uint16_t port, page_handler pages);
  admin_server(const admin_server&) = delete;
  admin_server& operator=(const admin_server&) = delete;
  // Closes every connection and joins the thread.
  virtual ~admin_server() = default;

  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;

 protected:
  admin_server() = default;
};

}  // namespace millrace::engine
