#include "admin_client.h"

#include <charconv>

#include <millrace/http/exchange.h>

namespace millrace::app::observe {
namespace {

constexpr std::size_t answer_bytes_max = 64U << 20U;

}  // namespace

result<admin_address> parse_address(std::string_view text) {
  admin_address out{"127.0.0.1"};
  const std::string whole(text);
  if (text.starts_with("http://")) text.remove_prefix(7);
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  if (!host.empty()) out.host = host;
  const bool odd = text.empty() || host.find_first_of("/?#@ ") != std::string_view::npos;
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (failure != std::errc{} || end != port.data() + port.size() || out.port == 0)
      return error(errc::config_invalid, "'" + whole + "' is not an address such as http://127.0.0.1:9464");
  }
  if (odd)
    return error(errc::config_invalid, "'" + whole + "' is not an address such as http://127.0.0.1:9464");
  return out;
}

result<std::string> ask(const admin_address& whom, const admin_request& what, milliseconds timeout) {
  http::request question{.method = what.method, .target = what.path};
  if (!what.token.empty()) question.headers.emplace_back("Authorization", "Bearer " + what.token);
  return http::body_of({.server = {.host = whom.host, .port = std::to_string(whom.port)}}, question,
                       {.connect_timeout = timeout, .timeout = timeout, .body_bytes_max = answer_bytes_max});
}

}  // namespace millrace::app::observe
