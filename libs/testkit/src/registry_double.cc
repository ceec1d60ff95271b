#include "millrace/testkit/registry_double.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "registry_store.h"

namespace millrace::testkit {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr const char* content_type = "application/vnd.schemaregistry.v1+json";
constexpr std::size_t truncated_bytes = 64;
constexpr std::size_t faults_max = 1024;
constexpr std::size_t counted_paths_max = 65'536;

std::string base64(std::string_view text) {
  std::string out(beast::detail::base64::encoded_size(text.size()), '\0');
  out.resize(beast::detail::base64::encode(out.data(), text.data(), text.size()));
  return out;
}

using answer_message = http::response<http::string_body>;

answer_message message_of(registry::rest_answer from) {
  answer_message out;
  out.result(static_cast<unsigned>(from.status));
  out.set(http::field::content_type, content_type);
  out.body() = from.body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return out;
}

}  // namespace

struct registry_double::state {
  explicit state(registry_double_options with) : options(std::move(with)), acceptor(context) {}

  registry_double_options options;
  asio::io_context context{1};
  tcp::acceptor acceptor;
  std::uint16_t port = 0;
  std::thread thread;

  mutable std::mutex mutex;  // guards what follows
  registry::store content;
  std::vector<registry_fault> faults;
  milliseconds delay{0};
  std::map<std::string, std::uint64_t, std::less<>> requests_by_path;
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;

  void accept();
  std::optional<registry_fault> next_fault(std::string_view path);
  [[nodiscard]] bool authorised(std::string_view credentials) const;
  [[nodiscard]] bool guarded() const { return !options.user.empty() || !options.bearer_token.empty(); }
};

namespace {

// One connection, one request at a time. Kept alive by its own pending operation; a hanging one by its read.
class conversation : public std::enable_shared_from_this<conversation> {
 public:
  using serve = std::function<std::optional<answer_message>(const registry::rest_request&,
                                                            std::string_view credentials)>;

  conversation(tcp::socket socket, std::size_t body_bytes_max, serve how, std::function<milliseconds()> delay)
      : stream_(std::move(socket)),
        timer_(stream_.get_executor()),
        body_bytes_max_(body_bytes_max),
        serve_(std::move(how)),
        delay_(std::move(delay)) {}

  void read() {
    parser_.emplace();
    parser_->body_limit(body_bytes_max_);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code failed, std::size_t) { self->on_read(failed); });
  }

 private:
  void on_read(beast::error_code failed) {
    if (failed == http::error::body_limit) {
      answer_ = message_of(registry::rest_error(413, 413, "Request Entity Too Large"));
      answer_->keep_alive(false);
      write();
      return;
    }
    if (failed) return;
    const auto& request = parser_->get();
    registry::rest_request rest;
    rest.method = std::string(request.method_string());
    const std::string target(request.target());
    const std::size_t question = std::min(target.find('?'), target.size());
    rest.path = target.substr(0, question);
    rest.query = question < target.size() ? target.substr(question + 1) : std::string();
    rest.body = request.body();
    const std::string credentials(request[http::field::authorization]);
    answer_ = serve_(rest, credentials);
    if (!answer_) return;
    if (answer_->result_int() == hang_status) {
      wait_for_close();
      return;
    }
    answer_->version(request.version());
    answer_->keep_alive(request.keep_alive());
    const milliseconds delay = delay_();
    if (delay.count() <= 0) {
      write();
      return;
    }
    timer_.expires_after(delay);
    timer_.async_wait([self = shared_from_this()](beast::error_code cancelled) {
      if (!cancelled) self->write();
    });
  }

  void wait_for_close() {
    stream_.async_read_some(asio::buffer(ignored_),
                            [self = shared_from_this()](beast::error_code failed, std::size_t) {
                              if (!failed) self->wait_for_close();
                            });
  }

  void write() {
    const bool truncate = answer_->count(truncate_field) != 0;
    answer_->erase(truncate_field);
    answer_->prepare_payload();
    if (truncate) answer_->content_length(answer_->body().size() + truncated_bytes);
    const bool close = truncate || !answer_->keep_alive();
    http::async_write(stream_, *answer_,
                      [self = shared_from_this(), close](beast::error_code failed, std::size_t) {
                        if (failed) return;
                        if (!close) {
                          self->read();
                          return;
                        }
                        beast::error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

 public:
  // Marks of faults that are not plain answers.
  static constexpr unsigned hang_status = 999;
  static constexpr const char* truncate_field = "X-Millrace-Truncate";

 private:
  beast::tcp_stream stream_;
  asio::steady_timer timer_;
  std::size_t body_bytes_max_;
  serve serve_;
  std::function<milliseconds()> delay_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<answer_message> answer_;
  std::array<char, 256> ignored_{};
};

std::optional<answer_message> faulty_answer(const registry_fault& what) {
  answer_message out;
  switch (what.kind) {
    case registry_fault_kind::drop:
      return std::nullopt;
    case registry_fault_kind::hang:
      out.result(conversation::hang_status);
      return out;
    case registry_fault_kind::status:
      out = message_of(registry::rest_error(what.status, what.code, what.message));
      break;
    case registry_fault_kind::garbage:
      out.body() = "<html>\x01 not what you asked for";
      break;
    case registry_fault_kind::huge:
      out.body().assign(std::max<std::size_t>(what.body_bytes, 2), 'x');
      out.body().front() = out.body().back() = '"';
      break;
    case registry_fault_kind::truncated:
      out.body() = R"({"schema":"\"str)";
      out.set(conversation::truncate_field, "1");
      break;
  }
  out.set(http::field::content_type, content_type);
  if (what.retry_after_s != 0) out.set(http::field::retry_after, std::to_string(what.retry_after_s));
  return out;
}

}  // namespace

bool registry_double::state::authorised(std::string_view credentials) const {
  if (!options.bearer_token.empty() && credentials == "Bearer " + options.bearer_token) return true;
  return !options.user.empty() && credentials == "Basic " + base64(options.user + ":" + options.password);
}

std::optional<registry_fault> registry_double::state::next_fault(std::string_view path) {
  for (auto each = faults.begin(); each != faults.end(); ++each) {
    if (!path.starts_with(each->path_prefix)) continue;
    registry_fault hit = *each;
    if (each->times != UINT64_MAX && --each->times == 0) faults.erase(each);
    return hit;
  }
  return std::nullopt;
}

void registry_double::state::accept() {
  acceptor.async_accept([this](beast::error_code failed, tcp::socket socket) {
    if (failed == asio::error::operation_aborted) return;
    if (!failed) {
      {
        const std::lock_guard guard(mutex);
        ++connections;
      }
      auto serve = [this](const registry::rest_request& to,
                          std::string_view credentials) -> std::optional<answer_message> {
        const std::lock_guard guard(mutex);
        ++requests;
        const std::string name = to.method + " " + to.path;
        if (requests_by_path.size() < counted_paths_max || requests_by_path.contains(name))
          ++requests_by_path[name];
        if (const std::optional<registry_fault> hit = next_fault(to.path)) return faulty_answer(*hit);
        if (guarded() && !authorised(credentials))
          return message_of(registry::rest_error(401, 401, "Unauthorized"));
        return message_of(content.answer(to));
      };
      auto pause = [this] {
        const std::lock_guard guard(mutex);
        return delay;
      };
      std::make_shared<conversation>(std::move(socket), options.body_bytes_max, std::move(serve),
                                     std::move(pause))
          ->read();
    }
    accept();
  });
}

result<std::unique_ptr<registry_double>> registry_double::start(registry_double_options options) {
  auto made = std::make_unique<state>(std::move(options));
  beast::error_code failed;
  const tcp::endpoint at(asio::ip::address_v4::loopback(), made->options.port);
  made->acceptor.open(at.protocol(), failed);
  if (!failed) made->acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (!failed) made->acceptor.bind(at, failed);
  if (!failed) made->acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) {
    return error(failed == asio::error::address_in_use ? errc::address_in_use : errc::io_error,
                 fmt::format("cannot listen on 127.0.0.1:{}: {}", made->options.port, failed.message()));
  }
  made->port = made->acceptor.local_endpoint().port();
  made->accept();
  state* const running = made.get();
  made->thread = std::thread([running] {
    sigset_t signals{};  // the process's, not this thread's
    for (const int each : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2})
      ::sigaddset(&signals, each);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    running->context.run();
  });
  return std::unique_ptr<registry_double>(new registry_double(std::move(made)));
}

registry_double::registry_double(std::unique_ptr<state> state) : state_(std::move(state)) {}

registry_double::~registry_double() {
  state_->context.stop();
  state_->thread.join();
}

std::uint16_t registry_double::port() const noexcept { return state_->port; }
std::string registry_double::url() const { return fmt::format("http://127.0.0.1:{}", state_->port); }

result<registered_schema> registry_double::add(std::string_view subject, std::string_view schema) {
  const std::lock_guard guard(state_->mutex);
  const auto added = state_->content.add(std::string(subject), {{"schema", std::string(schema)}});
  if (!added) return error(errc::schema_invalid, "the schema is not JSON");
  return *added;
}

void registry_double::put(std::int32_t id, std::string_view schema, std::string_view type) {
  nlohmann::ordered_json what{{"schema", std::string(schema)}};
  if (type != "AVRO") what["schemaType"] = std::string(type);
  const std::lock_guard guard(state_->mutex);
  state_->content.put(id, std::move(what));
}

void registry_double::inject(registry_fault what) {
  const std::lock_guard guard(state_->mutex);
  if (what.times != 0 && state_->faults.size() < faults_max) state_->faults.push_back(std::move(what));
}
void registry_double::clear_faults() {
  const std::lock_guard guard(state_->mutex);
  state_->faults.clear();
}
void registry_double::set_delay(milliseconds delay) {
  const std::lock_guard guard(state_->mutex);
  state_->delay = delay;
}

std::uint64_t registry_double::requests() const {
  const std::lock_guard guard(state_->mutex);
  return state_->requests;
}
std::uint64_t registry_double::requests(std::string_view method_and_path) const {
  const std::lock_guard guard(state_->mutex);
  const auto found = state_->requests_by_path.find(method_and_path);
  return found == state_->requests_by_path.end() ? 0 : found->second;
}
std::uint64_t registry_double::connections_accepted() const {
  const std::lock_guard guard(state_->mutex);
  return state_->connections;
}

}  // namespace millrace::testkit
