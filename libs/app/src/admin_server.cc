#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <millrace/app/admin_server.h>

#include "log.h"

namespace millrace::app {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::size_t request_bytes_max = 16U << 10U;
constexpr auto exchange_timeout = std::chrono::seconds(10);
constexpr auto accept_pause = std::chrono::milliseconds(100);

// One connection: read a request, answer it, close.
class exchange final : public std::enable_shared_from_this<exchange> {
 public:
  exchange(net::ip::tcp::socket socket, const admin_server::page_handler& pages,
           const admin_server::request_handler& orders, net::io_context& order_context)
      : stream_(std::move(socket)), pages_(pages), orders_(orders), order_context_(order_context) {
    parser_.body_limit(0);
    parser_.header_limit(request_bytes_max);
  }

  void begin() {
    stream_.expires_after(exchange_timeout);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](error_code code, std::size_t) {
      if (!code) self->answer();
    });
  }

 private:
  void answer() {
    const http::verb method = parser_.get().method();
    if (method == http::verb::get || method == http::verb::head) return send(pages_(path()));
    if (method == http::verb::post && orders_) return carry_out();
    send({405, "text/plain; charset=utf-8", "only GET is supported for this path\n"});
  }

  [[nodiscard]] std::string_view path() const {
    const auto target = parser_.get().target();
    const std::string_view whole(target.data(), target.size());
    return whole.substr(0, whole.find('?'));
  }

  // On the thread of orders, which may wait; the response is sent by the thread of pages.
  void carry_out() {
    net::post(order_context_, [self = shared_from_this()] {
      const auto given = self->parser_.get()[http::field::authorization];
      admin_page page = self->orders_({self->path(), {given.data(), given.size()}});
      net::post(self->stream_.get_executor(),
                [self, page = std::move(page)]() mutable { self->send(std::move(page)); });
    });
  }

  void send(admin_page page) {
    const auto& request = parser_.get();
    stream_.expires_after(exchange_timeout);
    response_.version(request.version());
    response_.result(page.status);
    response_.set(http::field::content_type, page.content_type);
    response_.set(http::field::cache_control, "no-store");
    if (page.asks_for_token) response_.set(http::field::www_authenticate, "Bearer");
    response_.set(http::field::connection, "close");
    response_.body() = std::move(page.body);
    response_.prepare_payload();
    const auto close = [self = shared_from_this()](error_code, std::size_t) {
      error_code ignored;
      self->stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
    };
    if (request.method() == http::verb::head) {
      http::async_write_header(stream_, serializer_.emplace(response_), close);
    } else {
      http::async_write(stream_, response_, close);
    }
  }

  beast::tcp_stream stream_;
  const admin_server::page_handler& pages_;
  const admin_server::request_handler& orders_;
  net::io_context& order_context_;
  beast::flat_buffer buffer_{request_bytes_max};
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
};

// A response for which memory or descriptors run out ends its own connection only.
void run_to_end(net::io_context& context) {
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::exception& refused) {
      log_limited(log_level::warning, "admin_request_failed", "run",
                  {{"error", std::string(refused.what())}});
    }
  }
}

class beast_server final : public admin_server {
 public:
  beast_server(page_handler pages, request_handler orders)
      : pages_(std::move(pages)), orders_(std::move(orders)), acceptor_(context_) {}
  beast_server(const beast_server&) = delete;
  beast_server& operator=(const beast_server&) = delete;
  ~beast_server() override {
    context_.stop();
    order_context_.stop();
    if (thread_.joinable()) thread_.join();
    if (order_thread_.joinable()) order_thread_.join();
  }

  result<void> listen(const std::string& address, std::uint16_t port) {
    error_code code;
    const auto ip = net::ip::make_address(address, code);
    if (code) return error(errc::config_invalid, "admin address '" + address + "' is not an IP address");
    const net::ip::tcp::endpoint at(ip, port);
    const std::string text = address + ":" + std::to_string(port);
    acceptor_.open(at.protocol(), code);
    if (!code) acceptor_.set_option(net::socket_base::reuse_address(true), code);
    if (!code) acceptor_.bind(at, code);
    if (!code) acceptor_.listen(net::socket_base::max_listen_connections, code);
    if (code == net::error::address_in_use) {
      return error(errc::address_in_use,
                   "the admin endpoint cannot listen on " + text +
                       ": the address is in use; choose another admin.port, or 0 for a free one");
    }
    if (code)
      return error(errc::io_error, "the admin endpoint cannot listen on " + text + ": " + code.message());
    port_ = acceptor_.local_endpoint().port();
    accept();
    thread_ = std::thread([this] { run_to_end(context_); });
    order_thread_ = std::thread([this] { run_to_end(order_context_); });
    return {};
  }

  std::uint16_t port() const noexcept override { return port_; }

 private:
  void accept() {
    acceptor_.async_accept([this](error_code code, net::ip::tcp::socket socket) {
      if (code) return accept_later();
      accept();
      std::make_shared<exchange>(std::move(socket), pages_, orders_, order_context_)->begin();
    });
  }

  // Out of descriptors, mostly: at once it would fail again.
  void accept_later() {
    pause_.expires_after(accept_pause);
    pause_.async_wait([this](error_code code) {
      if (!code) accept();
    });
  }

  const page_handler pages_;
  const request_handler orders_;
  net::io_context context_{1};
  net::ip::tcp::acceptor acceptor_;
  net::steady_timer pause_{context_};
  std::uint16_t port_ = 0;
  net::io_context order_context_{1};
  const net::executor_work_guard<net::io_context::executor_type> orders_may_come_{
      order_context_.get_executor()};
  std::thread thread_;
  std::thread order_thread_;
};

}  // namespace

result<std::unique_ptr<admin_server>> admin_server::start(const std::string& address, std::uint16_t port,
                                                          page_handler pages, request_handler orders) {
  // Descriptors and threads that the system refuses are exceptions of the library.
  try {
    auto server = std::make_unique<beast_server>(std::move(pages), std::move(orders));
    if (auto listening = server->listen(address, port); !listening) return listening.error();
    return std::unique_ptr<admin_server>(std::move(server));
  } catch (const std::exception& refused) {
    return error(errc::io_error, std::string("the admin endpoint cannot start: ") + refused.what() +
                                     "; raise the limits of open files and threads of the process");
  }
}

}  // namespace millrace::app
