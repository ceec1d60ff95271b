#include <array>
#include <cstdio>

#include <millrace/stream/log.h>

namespace millrace::stream {

std::string_view to_string(log_level level) noexcept {
  switch (level) {
    case log_level::debug:
      return "debug";
    case log_level::info:
      return "info";
    case log_level::warning:
      return "warning";
    case log_level::error:
      return "error";
  }
  return "info";
}

std::string text_of(const log_field::any& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return std::to_string(*natural);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.6g", std::get<double>(value));
  return {text.data(), static_cast<std::size_t>(size)};
}

void record_log::write(log_level level, std::string_view message,
                       std::initializer_list<log_field> fields) const {
  to_->write(
      {level, message, std::span(fields.begin(), fields.size()), processor_, topic_, partition_, offset_});
}

}  // namespace millrace::stream
