#include "http.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/detail/base64.hpp>
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

constexpr std::string_view media_type = "application/vnd.schemaregistry.v1+json";

error failed(const endpoint& server, std::string_view doing, const error_code& why) {
  return {errc::registry_unavailable,
          "schema registry " + server.text() + ": " + std::string(doing) + ": " +
              (why == beast::error::timeout ? "no answer in time" : why.message())};
}

// Runs one asynchronous operation to its end; the stream's own deadline bounds it.
template <typename Start>
error_code finish(net::io_context& context, Start start) {
  error_code outcome = net::error::would_block;
  start([&outcome](error_code code, auto&&...) { outcome = code; });
  context.restart();
  context.run();
  return outcome;
}

template <typename Stream>
result<http_response> talk(net::io_context& context, Stream& stream, const endpoint& server,
                           const http_request& request, http_limits limits) {
  http::request<http::string_body> message(request.method == "POST" ? http::verb::post : http::verb::get,
                                           server.path + request.target, 11);
  message.set(http::field::host, server.host + ":" + server.port);
  message.set(http::field::user_agent, "millrace");
  message.set(http::field::accept, std::string(media_type) + ", application/json");
  message.set(http::field::connection, "close");
  if (!request.authorization.empty()) message.set(http::field::authorization, request.authorization);
  if (!request.body.empty()) message.set(http::field::content_type, media_type);
  message.body() = request.body;
  message.prepare_payload();
  if (const auto code = finish(context, [&](auto done) { http::async_write(stream, message, done); })) {
    return failed(server, "sending", code);
  }
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(limits.body_bytes_max);
  if (const auto code = finish(context, [&](auto done) { http::async_read(stream, buffer, parser, done); })) {
    return failed(server, "reading the answer", code);
  }
  return http_response{parser.get().result_int(), std::move(parser.get().body())};
}

result<void> connect(net::io_context& context, beast::tcp_stream& stream, const endpoint& server,
                     milliseconds timeout) {
  net::ip::tcp::resolver resolver(context);
  net::ip::tcp::resolver::results_type found;
  error_code outcome = net::error::timed_out;
  resolver.async_resolve(server.host, server.port, [&](error_code code, const auto& results) {
    outcome = code;
    found = results;
  });
  context.restart();
  context.run_for(timeout);
  if (outcome) {
    resolver.cancel();
    context.restart();
    context.run();
    return failed(server, "resolving the name", outcome);
  }
  if (const auto code = finish(context, [&](auto done) { stream.async_connect(found, done); })) {
    return failed(server, "connecting", code);
  }
  return {};
}

result<http_response> exchange_tls(net::io_context& context, const endpoint& server,
                                   const std::string& ca_file, const http_request& request,
                                   http_limits limits) {
  net::ssl::context tls(net::ssl::context::tls_client);
  error_code code;
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  if (ca_file.empty()) {
    tls.set_default_verify_paths(code);
  } else {
    tls.load_verify_file(ca_file, code);
  }
  if (code)
    return error(errc::tls_error,
                 "schema registry: cannot read the CA file '" + ca_file + "': " + code.message());
  tls.set_verify_mode(net::ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(context, tls);
  stream.set_verify_callback(net::ssl::host_name_verification(server.host));
  SSL_set_tlsext_host_name(stream.native_handle(), server.host.c_str());
  auto& transport = beast::get_lowest_layer(stream);
  transport.expires_after(limits.timeout);
  if (auto connected = connect(context, transport, server, limits.timeout); !connected)
    return connected.error();
  if (finish(context, [&](auto done) { stream.async_handshake(net::ssl::stream_base::client, done); })) {
    const long verdict = SSL_get_verify_result(stream.native_handle());
    const std::string why =
        verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "the TLS handshake failed";
    return error(errc::tls_error, "schema registry " + server.text() + ": " + why);
  }
  return talk(context, stream, server, request, limits);
}

}  // namespace

std::string endpoint::text() const { return (tls ? "https://" : "http://") + host + ":" + port + path; }

result<endpoint> parse_url(std::string_view url) {
  endpoint parsed;
  const auto invalid = [&](std::string_view why) {
    return error(errc::config_invalid, "registry URL '" + std::string(url) + "' " + std::string(why) +
                                           "; expected http://host:port or https://host:port");
  };
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    parsed.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return invalid("has no scheme");
  }
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos) {
    parsed.path = rest.substr(slash);
    while (parsed.path.ends_with('/')) parsed.path.pop_back();
    rest = rest.substr(0, slash);
  }
  if (rest.find('@') != std::string_view::npos) return invalid("carries credentials; use user and password");
  const auto colon = rest.rfind(':');
  parsed.host = rest.substr(0, colon);
  parsed.port =
      colon == std::string_view::npos ? (parsed.tls ? "443" : "80") : std::string(rest.substr(colon + 1));
  if (parsed.host.empty() || parsed.port.empty()) return invalid("names no host");
  if (parsed.port.find_first_not_of("0123456789") != std::string::npos)
    return invalid("has a port that is no number");
  return parsed;
}

std::string base64(std::string_view text) {
  std::string encoded(beast::detail::base64::encoded_size(text.size()), '\0');
  encoded.resize(beast::detail::base64::encode(encoded.data(), text.data(), text.size()));
  return encoded;
}

result<http_response> exchange(const endpoint& server, const std::string& ca_file,
                               const http_request& request, http_limits limits) {
  net::io_context context;
  if (server.tls) return exchange_tls(context, server, ca_file, request, limits);
  beast::tcp_stream stream(context);
  stream.expires_after(limits.timeout);
  if (auto connected = connect(context, stream, server, limits.timeout); !connected) return connected.error();
  return talk(context, stream, server, request, limits);
}

}  // namespace millrace::registry
