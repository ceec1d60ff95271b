#include <exception>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <millrace/http/exchange.h>

#include "tls_context.h"

namespace millrace::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace wire = beast::http;
using boost::system::error_code;

constexpr milliseconds poll_interval{100};  // how soon an abandoned exchange is noticed

// One exchange in progress.
class conversation {
 public:
  conversation(const route& way, const limits& within) : route_(way), limits_(within) {}

  result<response> run(const request& question);

 private:
  // The error of an operation, as text.
  [[nodiscard]] error failed(std::string_view doing, const error_code& why) const;
  [[nodiscard]] error refused(const error_code& why, long verdict) const;
  // Runs one asynchronous operation to its end; the transport's own deadline bounds it.
  template <typename Start>
  error_code finish(beast::tcp_stream& transport, Start start);

  result<void> connect(beast::tcp_stream& transport);
  result<void> tunnel(beast::tcp_stream& transport);
  result<void> shake_hands(beast::ssl_stream<beast::tcp_stream&>& stream);
  template <typename Stream>
  result<response> talk(beast::tcp_stream& transport, Stream& stream, const request& question);

  const route& route_;
  const limits& limits_;
  net::io_context context_{1};
};

error conversation::failed(std::string_view doing, const error_code& why) const {
  if (limits_.abandoned != nullptr && limits_.abandoned->load(std::memory_order_relaxed))
    return {errc::cancelled, route_.server.text() + ": the request was cancelled"};
  std::string reason = why.message();
  if (why == beast::error::timeout || why == net::error::timed_out) reason = "no answer in time";
  if (why == wire::error::body_limit) {
    reason = "more than " + std::to_string(limits_.body_bytes_max) + " bytes";
    if (!limits_.body_setting.empty()) reason += " (" + std::string(limits_.body_setting) + ")";
  }
  const std::string via = route_.proxy != nullptr ? " through the proxy " + route_.proxy->at.text() : "";
  return {limits_.no_answer, route_.server.text() + via + ": " + std::string(doing) + ": " + reason};
}

error conversation::refused(const error_code& why, long verdict) const {
  if (verdict != X509_V_OK) {
    return {errc::tls_error,
            route_.server.text() + ": its certificate is refused: " + X509_verify_cert_error_string(verdict)};
  }
  // Only what TLS itself said is a refusal; a connection that broke is not.
  if (why.category() == net::error::get_ssl_category()) {
    return {errc::tls_error, route_.server.text() + ": the TLS handshake failed: " + why.message()};
  }
  return failed("TLS handshake", why);
}

template <typename Start>
error_code conversation::finish(beast::tcp_stream& transport, Start start) {
  error_code outcome = net::error::would_block;
  start([&outcome](error_code code, auto&&...) { outcome = code; });
  context_.restart();
  bool cancelled = false;
  while (!context_.stopped()) {
    context_.run_for(poll_interval);
    if (!cancelled && limits_.abandoned != nullptr && limits_.abandoned->load(std::memory_order_relaxed)) {
      transport.cancel();
      cancelled = true;
    }
  }
  return outcome;
}

result<void> conversation::connect(beast::tcp_stream& transport) {
  const endpoint& to = route_.proxy != nullptr ? route_.proxy->at : route_.server;
  net::ip::tcp::resolver resolver(context_);
  net::ip::tcp::resolver::results_type found;
  error_code outcome = net::error::timed_out;
  resolver.async_resolve(to.host, to.port, [&](error_code code, const auto& results) {
    outcome = code;
    found = results;
  });
  context_.restart();
  context_.run_for(limits_.connect_timeout);
  if (outcome) {
    resolver.cancel();
    context_.restart();
    context_.run();
    return failed("resolving the name",
                  outcome == net::error::operation_aborted ? net::error::timed_out : outcome);
  }
  if (const auto code =
          finish(transport, [&](auto done) { transport.async_connect(found, std::move(done)); })) {
    return failed("connecting", code);
  }
  return {};
}

// Asks the proxy for a tunnel, through which TLS runs from end to end.
result<void> conversation::tunnel(beast::tcp_stream& transport) {
  wire::request<wire::empty_body> message(wire::verb::connect, route_.server.authority(), 11);
  message.set(wire::field::host, route_.server.authority());
  if (!route_.proxy->authorization.empty())
    message.set(wire::field::proxy_authorization, route_.proxy->authorization);
  if (const auto code =
          finish(transport, [&](auto done) { wire::async_write(transport, message, std::move(done)); })) {
    return failed("requesting a tunnel from the proxy", code);
  }
  beast::flat_buffer buffer;
  wire::response_parser<wire::empty_body> parser;
  parser.skip(true);
  if (const auto code = finish(transport, [&](auto done) {
        wire::async_read_header(transport, buffer, parser, std::move(done));
      })) {
    return failed("requesting a tunnel from the proxy", code);
  }
  if (parser.get().result_int() / 100 != 2) {
    return error(limits_.no_answer, route_.server.text() + ": the proxy " + route_.proxy->at.text() +
                                        " answered HTTP " + std::to_string(parser.get().result_int()));
  }
  return {};
}

result<void> conversation::shake_hands(beast::ssl_stream<beast::tcp_stream&>& stream) {
  const std::string& host = route_.server.host;
  stream.set_verify_callback(net::ssl::host_name_verification(host));
  error_code not_an_address;
  net::ip::make_address(host, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
  if (const auto code = finish(stream.next_layer(), [&](auto done) {
        stream.async_handshake(net::ssl::stream_base::client, std::move(done));
      })) {
    return refused(code, SSL_get_verify_result(stream.native_handle()));
  }
  return {};
}

template <typename Stream>
result<response> conversation::talk(beast::tcp_stream& transport, Stream& stream, const request& question) {
  const bool absolute = route_.proxy != nullptr && !route_.server.tls;
  const std::string target = route_.server.path + question.target;
  wire::request<wire::string_body> message(question.method == "POST" ? wire::verb::post : wire::verb::get,
                                           absolute ? "http://" + route_.server.authority() + target : target,
                                           11);
  message.set(wire::field::host, route_.server.authority());
  message.set(wire::field::user_agent, "millrace");
  message.set(wire::field::connection, "close");
  if (absolute && !route_.proxy->authorization.empty())
    message.set(wire::field::proxy_authorization, route_.proxy->authorization);
  for (const auto& [name, value] : question.headers) message.set(name, value);
  message.body() = question.body;
  message.prepare_payload();
  transport.expires_after(limits_.timeout);
  if (const auto code =
          finish(transport, [&](auto done) { wire::async_write(stream, message, std::move(done)); })) {
    return failed("sending", code);
  }
  beast::flat_buffer buffer;
  wire::response_parser<wire::string_body> parser;
  parser.body_limit(limits_.body_bytes_max);
  if (const auto code =
          finish(transport, [&](auto done) { wire::async_read(stream, buffer, parser, std::move(done)); })) {
    // With TLS 1.3 the server refuses our certificate only now.
    if (code.category() == net::error::get_ssl_category()) return refused(code, X509_V_OK);
    return failed("reading the answer", code);
  }
  return response{parser.get().result_int(), std::move(parser.get().body()),
                  std::string(parser.get()[wire::field::retry_after])};
}

result<response> conversation::run(const request& question) {
  beast::tcp_stream transport(context_);
  transport.expires_after(limits_.connect_timeout);
  if (auto connected = connect(transport); !connected) return connected.error();
  if (!route_.server.tls) return talk(transport, transport, question);
  if (route_.proxy != nullptr) {
    if (auto opened = tunnel(transport); !opened) return opened.error();
  }
  net::ssl::context tls(net::ssl::context::tls_client);
  if (auto loaded = load(tls, *route_.files); !loaded) {
    // It could be read at start-up: it is being replaced.
    return error(limits_.no_answer, route_.server.text() + ": " + loaded.error().message());
  }
  beast::ssl_stream<beast::tcp_stream&> stream(transport, tls);
  if (auto agreed = shake_hands(stream); !agreed) return agreed.error();
  return talk(transport, stream, question);
}

}  // namespace

result<response> exchange(const route& way, const request& question, const limits& within) {
  // Sockets and threads that the system refuses are exceptions of the library.
  try {
    return conversation(way, within).run(question);
  } catch (const std::exception& refused) {
    return error(within.no_answer, way.server.text() + ": the system refused the request: " + refused.what());
  }
}

result<std::string> body_of(const route& way, const request& question, const limits& within) {
  auto answer = exchange(way, question, within);
  if (!answer) return answer.error();
  if (answer->status == 200) return std::move(answer->body);
  const std::string_view said = std::string_view(answer->body).substr(0, answer->body.find('\n'));
  return error(within.no_answer, way.server.text() + ": " + question.method + " " + question.target +
                                     ": HTTP " + std::to_string(answer->status) +
                                     (said.empty() ? "" : ": " + printable(said)));
}

}  // namespace millrace::http
