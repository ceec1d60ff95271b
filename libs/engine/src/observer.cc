#include <algorithm>

#include <millrace/engine/observer.h>

namespace millrace::engine {
namespace {

// Lower case, as the recommendation demands, and not all zeros.
bool is_id(std::string_view text) noexcept {
  const bool hex =
      std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hex && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::optional<trace_parent> parse_trace_parent(std::string_view text) noexcept {
  constexpr std::size_t version_00_size = 55;
  if (text.size() < version_00_size || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  // A later version may have more behind the parts of this one.
  if (version == "ff" || (version == "00" && text.size() != version_00_size)) return std::nullopt;
  if (text.size() > version_00_size && text[version_00_size] != '-') return std::nullopt;
  trace_parent out{text.substr(3, 32), text.substr(36, 16), false};
  const std::string_view flags = text.substr(53, 2);
  const auto digit = [](char c) {
    return (c >= '0' && c <= '9') ? c - '0' : (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
  };
  const bool odd =
      digit(version[0]) < 0 || digit(version[1]) < 0 || digit(flags[0]) < 0 || digit(flags[1]) < 0;
  if (odd || !is_id(out.trace_id) || !is_id(out.parent_id)) return std::nullopt;
  out.sampled = (digit(flags[1]) & 1) != 0;
  return out;
}

std::string format_trace_parent(std::string_view trace_id, std::string_view span_id) {
  return "00-" + std::string(trace_id) + "-" + std::string(span_id) + "-01";
}

}  // namespace millrace::engine
