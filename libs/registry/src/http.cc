#include "http.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace millrace::registry {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr milliseconds glance{100};  // how soon an abandoned exchange is noticed

// One exchange in progress.
class conversation {
 public:
  conversation(const http_route& route, const http_limits& limits) : route_(route), limits_(limits) {}

  result<http_response> run(const http_request& request);

 private:
  // What went wrong while doing something, for people.
  [[nodiscard]] error failed(std::string_view doing, const error_code& why) const;
  [[nodiscard]] error refused(const error_code& why, long verdict) const;
  // Runs one asynchronous operation to its end; the transport's own deadline bounds it.
  template <typename Start>
  error_code finish(beast::tcp_stream& transport, Start start);

  result<void> connect(beast::tcp_stream& transport);
  result<void> tunnel(beast::tcp_stream& transport);
  result<void> shake_hands(beast::ssl_stream<beast::tcp_stream&>& stream);
  template <typename Stream>
  result<http_response> talk(beast::tcp_stream& transport, Stream& stream, const http_request& request);

  const http_route& route_;
  const http_limits& limits_;
  net::io_context context_{1};
};

error conversation::failed(std::string_view doing, const error_code& why) const {
  if (limits_.abandoned != nullptr && limits_.abandoned->load(std::memory_order_relaxed))
    return {errc::cancelled, "the registry client was shut down"};
  std::string reason = why.message();
  if (why == beast::error::timeout || why == net::error::timed_out) reason = "no answer in time";
  if (why == http::error::body_limit) {
    reason = "more than " + std::to_string(limits_.body_bytes_max) + " bytes (response_bytes_max)";
  }
  const std::string via = route_.proxy != nullptr ? " through the proxy " + route_.proxy->at.text() : "";
  return {errc::registry_unavailable, route_.server.text() + via + ": " + std::string(doing) + ": " + reason};
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
    context_.run_for(glance);
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
  http::request<http::empty_body> message(http::verb::connect, route_.server.authority(), 11);
  message.set(http::field::host, route_.server.authority());
  if (!route_.proxy->authorization.empty())
    message.set(http::field::proxy_authorization, route_.proxy->authorization);
  if (const auto code =
          finish(transport, [&](auto done) { http::async_write(transport, message, std::move(done)); })) {
    return failed("asking the proxy", code);
  }
  beast::flat_buffer buffer;
  http::response_parser<http::empty_body> parser;
  parser.skip(true);
  if (const auto code = finish(transport, [&](auto done) {
        http::async_read_header(transport, buffer, parser, std::move(done));
      })) {
    return failed("asking the proxy", code);
  }
  if (parser.get().result_int() / 100 != 2) {
    return error(errc::registry_unavailable, route_.server.text() + ": the proxy " + route_.proxy->at.text() +
                                                 " answered HTTP " +
                                                 std::to_string(parser.get().result_int()));
  }
  return {};
}

// errc::tls_error naming the file.
result<void> load(net::ssl::context& tls, const tls_files& files) {
  error_code code;
  const auto unusable = [&](std::string_view what, const std::string& file) {
    return error(errc::tls_error,
                 "cannot use the " + std::string(what) + " '" + file + "': " + code.message());
  };
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(net::ssl::verify_peer);
  if (files.ca_file.empty() ? tls.set_default_verify_paths(code) : tls.load_verify_file(files.ca_file, code))
    return unusable("CA file", files.ca_file);
  if (files.certificate_file.empty()) return {};
  if (tls.use_certificate_chain_file(files.certificate_file, code))
    return unusable("client certificate", files.certificate_file);
  // Always set: OpenSSL would ask a terminal for the password otherwise.
  tls.set_password_callback(
      [&files](std::size_t, net::ssl::context::password_purpose) { return files.key_password; });
  if (tls.use_private_key_file(files.key_file, net::ssl::context::pem, code))
    return unusable("client certificate's key", files.key_file);
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
result<http_response> conversation::talk(beast::tcp_stream& transport, Stream& stream,
                                         const http_request& request) {
  const bool absolute = route_.proxy != nullptr && !route_.server.tls;
  const std::string target = route_.server.path + request.target;
  http::request<http::string_body> message(request.method == "POST" ? http::verb::post : http::verb::get,
                                           absolute ? "http://" + route_.server.authority() + target : target,
                                           11);
  message.set(http::field::host, route_.server.authority());
  message.set(http::field::user_agent, "millrace");
  message.set(http::field::connection, "close");
  if (absolute && !route_.proxy->authorization.empty())
    message.set(http::field::proxy_authorization, route_.proxy->authorization);
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  transport.expires_after(limits_.timeout);
  if (const auto code =
          finish(transport, [&](auto done) { http::async_write(stream, message, std::move(done)); })) {
    return failed("sending", code);
  }
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(limits_.body_bytes_max);
  if (const auto code =
          finish(transport, [&](auto done) { http::async_read(stream, buffer, parser, std::move(done)); })) {
    // With TLS 1.3 the server refuses our certificate only now.
    if (code.category() == net::error::get_ssl_category()) return refused(code, X509_V_OK);
    return failed("reading the answer", code);
  }
  return http_response{parser.get().result_int(), std::move(parser.get().body()),
                       std::string(parser.get()[http::field::retry_after])};
}

result<http_response> conversation::run(const http_request& request) {
  beast::tcp_stream transport(context_);
  transport.expires_after(limits_.connect_timeout);
  if (auto connected = connect(transport); !connected) return connected.error();
  if (!route_.server.tls) return talk(transport, transport, request);
  if (route_.proxy != nullptr) {
    if (auto opened = tunnel(transport); !opened) return opened.error();
  }
  net::ssl::context tls(net::ssl::context::tls_client);
  if (auto loaded = load(tls, *route_.files); !loaded) {
    // It could be read at start-up: somebody is replacing it.
    return error(errc::registry_unavailable, route_.server.text() + ": " + loaded.error().message());
  }
  beast::ssl_stream<beast::tcp_stream&> stream(transport, tls);
  if (auto agreed = shake_hands(stream); !agreed) return agreed.error();
  return talk(transport, stream, request);
}

}  // namespace

result<void> check(const tls_files& files) {
  net::ssl::context tls(net::ssl::context::tls_client);
  return load(tls, files);
}

result<http_response> exchange(const http_route& route, const http_request& request,
                               const http_limits& limits) {
  return conversation(route, limits).run(request);
}

}  // namespace millrace::registry
