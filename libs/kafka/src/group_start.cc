#include "group_start.h"

#include <charconv>

namespace millrace::kafka {
namespace {
constexpr std::string_view prefix = "mg1.";
}  // namespace

std::string with_group_start(std::optional<std::int32_t> partitions, std::string_view metadata) {
  if (!partitions) return std::string(metadata);
  std::string text = std::string(prefix) + std::to_string(*partitions);
  if (!metadata.empty()) text.append(" ").append(metadata);
  return text;
}

std::optional<std::int32_t> take_group_start(std::string_view& metadata) noexcept {
  if (!metadata.starts_with(prefix)) return std::nullopt;
  const std::size_t end = metadata.find(' ');
  const std::string_view digits = metadata.substr(0, end).substr(prefix.size());
  std::int32_t partitions = 0;
  const auto [rest, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), partitions);
  if (failure != std::errc{} || rest != digits.data() + digits.size() || partitions <= 0) return std::nullopt;
  metadata.remove_prefix(end == std::string_view::npos ? metadata.size() : end + 1);
  return partitions;
}

}  // namespace millrace::kafka
