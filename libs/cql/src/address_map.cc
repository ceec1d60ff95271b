#include "address_map.h"

#include <charconv>

namespace millrace::cql {
namespace {

// Brackets are for addresses with colons: "[::1]:9042".
std::string bracketed(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

std::pair<std::string, std::uint16_t> split(const std::string& text, std::uint16_t port) {
  std::size_t colon = text.rfind(':');
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) return {text, port};
    colon = end + 1 < text.size() ? end + 1 : std::string::npos;
    if (colon != std::string::npos) std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    return {text.substr(1, end - 1), port};
  }
  if (colon == std::string::npos || text.find(':') != colon) return {text, port};
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  return {text.substr(0, colon), port};
}

}  // namespace

std::string to_text(const address_translations& map) {
  std::string out;
  for (const auto& [from, to] : map) out += (out.empty() ? "" : ",") + from + "=" + to;
  return out;
}

std::pair<std::string, std::uint16_t> translate(const address_translations& map, const std::string& address,
                                                std::uint16_t port) {
  const std::string with_port = bracketed(address) + ":" + std::to_string(port);
  for (const std::string& key : {with_port, bracketed(address), address}) {
    if (const auto found = map.find(key); found != map.end()) return split(found->second, port);
  }
  return {address, port};
}

}  // namespace millrace::cql
