#include <algorithm>
#include <cctype>

#include <millrace/http/exchange.h>

namespace millrace::http {

const std::string* response::header(std::string_view name) const noexcept {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  for (const auto& [known, value] : headers) {
    if (std::equal(known.begin(), known.end(), name.begin(), name.end(), same)) return &value;
  }
  return nullptr;
}

}  // namespace millrace::http
