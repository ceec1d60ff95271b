#include "millrace/emulators/registry_double.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/format.h>

#include "registry_store.h"

namespace millrace::emulators {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr const char* content_type = "application/vnd.schemaregistry.v1+json";
constexpr std::size_t truncated_bytes = 64;
constexpr milliseconds drip_interval{20};
constexpr std::size_t tokens_max = 10'000;
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
  std::optional<asio::ssl::context> tls;
  std::uint16_t port = 0;
  std::thread thread;

  mutable std::mutex mutex;  // guards what follows
  registry::contexts content;
  std::set<std::string> tokens;  // accepted ones
  std::uint64_t tokens_given = 0;
  std::map<std::string, std::string> last_headers;  // lower-case names
  std::vector<registry_fault> faults;
  milliseconds delay{0};
  std::map<std::string, std::uint64_t, std::less<>> requests_by_path;
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;

  void accept();
  std::optional<registry_fault> next_fault(std::string_view path);
  [[nodiscard]] bool authorised(std::string_view credentials) const;
  [[nodiscard]] bool guarded() const {
    return !options.user.empty() || !options.bearer_token.empty() || !options.oauth_client.empty();
  }
  result<void> load_certificates();
  answer_message give_token(std::string_view credentials);
  std::optional<answer_message> serve(const registry::rest_request& to, std::string_view credentials);
};

namespace {

// Marks of faults that are not plain answers.
constexpr unsigned hang_status = 999;
constexpr const char* truncate_field = "X-Millrace-Truncate";
constexpr const char* drip_field = "X-Millrace-Drip";

// What a conversation requests from its server.
struct service {
  std::function<std::optional<answer_message>(const registry::rest_request&,
                                              const http::request<http::string_body>&)>
      answer;
  std::function<milliseconds()> delay;
  std::size_t body_bytes_max = 0;
};

// One connection, one request at a time. Kept alive by its own pending operation; a hanging one by its read.
template <typename Stream>
class conversation : public std::enable_shared_from_this<conversation<Stream>> {
 public:
  conversation(Stream stream, service how)
      : stream_(std::move(stream)), timer_(stream_.get_executor()), service_(std::move(how)) {}

  void start() {
    if constexpr (requires { stream_.async_handshake(asio::ssl::stream_base::server, [](auto) {}); }) {
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](beast::error_code failed) {
                                if (!failed) self->read();
                              });
    } else {
      read();
    }
  }

 private:
  void read() {
    parser_.emplace();
    parser_->body_limit(service_.body_bytes_max);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](beast::error_code failed, std::size_t) { self->on_read(failed); });
  }

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
    std::string target(request.target());
    if (const std::size_t scheme = target.find("://"); scheme != std::string::npos && target[0] != '/') {
      target = target.substr(std::min(target.find('/', scheme + 3), target.size()));
    }
    const std::size_t question = std::min(target.find('?'), target.size());
    rest.path = target.substr(0, question);
    rest.query = question < target.size() ? target.substr(question + 1) : std::string();
    rest.body = request.body();
    answer_ = service_.answer(rest, request);
    if (!answer_) return;
    if (answer_->result_int() == hang_status) {
      wait_for_close();
      return;
    }
    answer_->version(request.version());
    answer_->keep_alive(request.keep_alive());
    const milliseconds delay = service_.delay();
    if (delay.count() <= 0) {
      write();
      return;
    }
    timer_.expires_after(delay);
    timer_.async_wait([self = this->shared_from_this()](beast::error_code cancelled) {
      if (!cancelled) self->write();
    });
  }

  void wait_for_close() {
    stream_.async_read_some(asio::buffer(ignored_),
                            [self = this->shared_from_this()](beast::error_code failed, std::size_t) {
                              if (!failed) self->wait_for_close();
                            });
  }

  void write() {
    const bool truncate = answer_->count(truncate_field) != 0;
    const bool slowly = answer_->count(drip_field) != 0;
    answer_->erase(truncate_field);
    answer_->erase(drip_field);
    answer_->prepare_payload();
    if (slowly) {
      dripping_ = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + answer_->body();
      drip();
      return;
    }
    if (truncate) answer_->content_length(answer_->body().size() + truncated_bytes);
    const bool close = truncate || !answer_->keep_alive();
    http::async_write(stream_, *answer_,
                      [self = this->shared_from_this(), close](beast::error_code failed, std::size_t) {
                        if (failed) return;
                        if (close) {
                          self->close();
                        } else {
                          self->read();
                        }
                      });
  }

  void drip() {
    if (dripping_.empty()) dripping_ = " ";
    asio::async_write(stream_, asio::buffer(dripping_, 1),
                      [self = this->shared_from_this()](beast::error_code failed, std::size_t) {
                        if (failed) return;
                        self->dripping_.erase(0, 1);
                        self->timer_.expires_after(drip_interval);
                        self->timer_.async_wait([self](beast::error_code cancelled) {
                          if (!cancelled) self->drip();
                        });
                      });
  }

  void close() {
    beast::error_code ignored;
    if constexpr (requires { stream_.async_shutdown([](auto) {}); }) {
      stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) {
        beast::error_code gone;
        beast::get_lowest_layer(self->stream_).socket().shutdown(tcp::socket::shutdown_both, gone);
      });
    } else {
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    }
  }

  Stream stream_;
  asio::steady_timer timer_;
  service service_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<answer_message> answer_;
  std::string dripping_;
  std::array<char, 256> ignored_{};
};

std::optional<answer_message> faulty_answer(const registry_fault& what) {
  answer_message out;
  switch (what.kind) {
    case registry_fault_kind::drop:
      return std::nullopt;
    case registry_fault_kind::hang:
      out.result(hang_status);
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
    case registry_fault_kind::drip:
      out.body() = R"({"schema":"\"string\"")";
      out.set(drip_field, "1");
      break;
    case registry_fault_kind::truncated:
      out.body() = R"({"schema":"\"str)";
      out.set(truncate_field, "1");
      break;
  }
  out.set(http::field::content_type, content_type);
  if (what.retry_after_s != 0) out.set(http::field::retry_after, std::to_string(what.retry_after_s));
  return out;
}

}  // namespace

bool registry_double::state::authorised(std::string_view credentials) const {
  if (!options.bearer_token.empty() && credentials == "Bearer " + options.bearer_token) return true;
  if (credentials.starts_with("Bearer ") && tokens.contains(std::string(credentials.substr(7)))) return true;
  return !options.user.empty() && credentials == "Basic " + base64(options.user + ":" + options.password);
}

answer_message registry_double::state::give_token(std::string_view credentials) {
  answer_message out;
  out.set(http::field::content_type, "application/json");
  if (credentials != "Basic " + base64(options.oauth_client + ":" + options.oauth_secret)) {
    out.result(http::status::unauthorized);
    out.body() = R"({"error":"invalid_client","error_description":"no such client"})";
    return out;
  }
  const std::string token = fmt::format("token-{}-of-{}", ++tokens_given, port);
  if (tokens.size() < tokens_max) tokens.insert(token);
  out.body() = fmt::format(R"({{"access_token":"{}","token_type":"Bearer","expires_in":{}}})", token,
                           options.token_life_s);
  return out;
}

std::optional<answer_message> registry_double::state::serve(const registry::rest_request& to,
                                                            std::string_view credentials) {
  ++requests;
  const std::string name = to.method + " " + to.path;
  if (requests_by_path.size() < counted_paths_max || requests_by_path.contains(name))
    ++requests_by_path[name];
  if (const std::optional<registry_fault> hit = next_fault(to.path)) return faulty_answer(*hit);
  if (!options.oauth_client.empty() && name == "POST /oauth/token") return give_token(credentials);
  if (guarded() && !authorised(credentials))
    return message_of(registry::rest_error(401, 401, "Unauthorized"));
  return message_of(content.answer(to));
}

result<void> registry_double::state::load_certificates() {
  if (options.tls_certificate_file.empty()) return {};
  beast::error_code failed;
  tls.emplace(asio::ssl::context::tls_server);
  tls->use_certificate_chain_file(options.tls_certificate_file, failed);
  if (!failed) tls->use_private_key_file(options.tls_key_file, asio::ssl::context::pem, failed);
  if (!failed && !options.tls_client_ca_file.empty()) {
    tls->load_verify_file(options.tls_client_ca_file, failed);
    tls->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  }
  if (failed) return error(errc::tls_error, "cannot use the certificate files: " + failed.message());
  return {};
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
      service how;
      how.answer = [this](const registry::rest_request& to, const http::request<http::string_body>& as_sent) {
        const std::lock_guard guard(mutex);
        last_headers.clear();
        for (const auto& field : as_sent) {
          std::string lower(field.name_string());
          std::transform(lower.begin(), lower.end(), lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
          last_headers[std::move(lower)] = std::string(field.value());
        }
        return serve(to, as_sent[http::field::authorization]);
      };
      how.delay = [this] {
        const std::lock_guard guard(mutex);
        return delay;
      };
      how.body_bytes_max = options.body_bytes_max;
      if (tls) {
        using secure = beast::ssl_stream<beast::tcp_stream>;
        std::make_shared<conversation<secure>>(secure(beast::tcp_stream(std::move(socket)), *tls),
                                               std::move(how))
            ->start();
      } else {
        std::make_shared<conversation<beast::tcp_stream>>(beast::tcp_stream(std::move(socket)),
                                                          std::move(how))
            ->start();
      }
    }
    accept();
  });
}

result<std::unique_ptr<registry_double>> registry_double::start(registry_double_options options) {
  auto made = std::make_unique<state>(std::move(options));
  if (auto loaded = made->load_certificates(); !loaded) return loaded.error();
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
std::string registry_double::url() const {
  return fmt::format("{}://127.0.0.1:{}", state_->tls ? "https" : "http", state_->port);
}

result<registered_schema> registry_double::add(std::string_view subject, std::string_view schema) {
  const std::lock_guard guard(state_->mutex);
  const auto added = state_->content.at("").add(std::string(subject), {{"schema", std::string(schema)}});
  if (!added) return error(errc::schema_invalid, "the schema is not JSON");
  return *added;
}

void registry_double::put(std::int32_t id, std::string_view schema, std::string_view type) {
  nlohmann::ordered_json what{{"schema", std::string(schema)}};
  if (type != "AVRO") what["schemaType"] = std::string(type);
  const std::lock_guard guard(state_->mutex);
  state_->content.at("").put(id, std::move(what));
}

result<void> registry_double::put_object(std::int32_t id, std::string_view object) {
  nlohmann::ordered_json what = nlohmann::ordered_json::parse(object, nullptr, false);
  if (!what.is_object() || !what.contains("schema") || !what["schema"].is_string())
    return error(errc::schema_invalid, "not an object with a schema");
  const std::lock_guard guard(state_->mutex);
  state_->content.at("").put(id, std::move(what));
  return {};
}

void registry_double::set_incompatible(std::string_view subject, std::string_view why) {
  const std::lock_guard guard(state_->mutex);
  state_->content.at("").set_incompatible(std::string(subject), std::string(why));
}

std::string registry_double::guid(std::int32_t id) const {
  const std::lock_guard guard(state_->mutex);
  return state_->content.at("").guid(id);
}

void registry_double::remove_subject(std::string_view subject) {
  const std::lock_guard guard(state_->mutex);
  state_->content.at("").remove_subject(std::string(subject), false);
}

void registry_double::revoke_tokens() {
  const std::lock_guard guard(state_->mutex);
  state_->tokens.clear();
}

void registry_double::set_password(std::string_view password) {
  const std::lock_guard guard(state_->mutex);
  state_->options.password = password;
}
void registry_double::set_bearer_token(std::string_view token) {
  const std::lock_guard guard(state_->mutex);
  state_->options.bearer_token = token;
}
void registry_double::set_oauth_secret(std::string_view secret) {
  const std::lock_guard guard(state_->mutex);
  state_->options.oauth_secret = secret;
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
std::uint64_t registry_double::tokens_given() const {
  const std::lock_guard guard(state_->mutex);
  return state_->tokens_given;
}
std::string registry_double::last_header(std::string_view name) const {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::lock_guard guard(state_->mutex);
  const auto found = state_->last_headers.find(lower);
  return found == state_->last_headers.end() ? std::string() : found->second;
}
std::uint64_t registry_double::connections_accepted() const {
  const std::lock_guard guard(state_->mutex);
  return state_->connections;
}

}  // namespace millrace::emulators
