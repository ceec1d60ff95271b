#include <cctype>

#include <boost/beast/core/detail/base64.hpp>

#include <millrace/http/url.h>

namespace millrace::http {
namespace {

constexpr std::size_t shown_bytes_max = 300;

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string endpoint::authority() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}
std::string endpoint::text() const { return (tls ? "https://" : "http://") + authority() + path; }

result<endpoint> parse_url(std::string_view url) {
  const auto invalid = [&](std::string_view why) {
    const auto at = url.rfind('@');
    const std::string shown =
        at == std::string_view::npos ? std::string(url) : "***" + std::string(url.substr(at));
    return error(errc::config_invalid, "the URL '" + printable(shown) + "' " + std::string(why) +
                                           "; expected http://host:port or https://host:port");
  };
  endpoint parsed;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    parsed.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return invalid("has no scheme");
  }
  for (const char c : rest) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') return invalid("has a space in it");
  }
  if (rest.find('@') != std::string_view::npos) return invalid("carries credentials; use user and password");
  if (rest.find_first_of("?#") != std::string_view::npos) return invalid("has a query");
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    parsed.path = rest.substr(slash);
    while (parsed.path.ends_with('/')) parsed.path.pop_back();
    rest = rest.substr(0, slash);
  }
  std::string_view port = parsed.tls ? "443" : "80";
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return invalid("has an unclosed bracket");
    parsed.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':') return invalid("has text after its bracket");
    if (!rest.empty()) port = rest.substr(1);
  } else {
    const auto colon = rest.find(':');
    parsed.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon + 1);
  }
  if (parsed.host.empty()) return invalid("names no host");
  if (!is_number(port)) return invalid("must have a number as port");
  parsed.port = port;
  return parsed;
}

std::string base64(std::string_view text) {
  namespace encoding = boost::beast::detail::base64;
  std::string encoded(encoding::encoded_size(text.size()), '\0');
  encoded.resize(encoding::encode(encoded.data(), text.data(), text.size()));
  return encoded;
}

std::string escaped(std::string_view segment) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string text;
  for (const char c : segment) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      text.push_back(c);
    } else {
      text.push_back('%');
      text.push_back(hex[byte >> 4U]);
      text.push_back(hex[byte & 15U]);
    }
  }
  return text;
}

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, shown_bytes_max));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  if (text.size() > shown_bytes_max) shown += "...";
  return shown;
}

}  // namespace millrace::http
