#include "application_log.h"

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/fnv1a.h>

namespace millrace::app {
namespace {

// The names that every line of a processor has.
constexpr std::array<std::string_view, 10> taken = {"time",  "level",     "event",  "message", "processor",
                                                    "topic", "partition", "offset", "worker",  "suppressed"};

std::string_view cut(std::string_view text) {
  if (text.size() <= application_log::text_bytes_max) return text;
  std::size_t size = application_log::text_bytes_max;
  // Not inside a UTF-8 character.
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80) --size;
  return text.substr(0, size);
}

// A key of logfmt, which none of the line's own names is.
std::string name_of(std::string_view given) {
  std::string name(cut(given));
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '-';
    if (!plain) c = '_';
  }
  if (name.empty() || std::ranges::find(taken, name) != taken.end()) name += '_';
  return name;
}

std::uint64_t kind_of(const stream::log_line& line) {
  fnv1a sum;
  sum.add(line.processor);
  sum.add(static_cast<std::uint64_t>(line.level));
  sum.add(line.message);
  return std::max<std::uint64_t>(sum.value(), 1);
}

}  // namespace

application_log::application_log(log_level least_severe, const clock& time, unsigned worker, writer write)
    : log_sink(least_severe), time_(time), worker_(worker), write_(std::move(write)) {}

application_log::seen* application_log::find(std::uint64_t kind, instant now) {
  if (const auto known = kinds_.find(kind); known != kinds_.end()) return &known->second;
  if (kinds_.size() < kinds_max || kind == 0) return nullptr;
  std::erase_if(kinds_,
                [now](const auto& each) { return now - each.second.said_at >= log_limit::quiet_for; });
  return kinds_.size() >= kinds_max ? find(0, now) : nullptr;
}

std::optional<std::uint64_t> application_log::admit(const stream::log_line& line) {
  const instant now = time_.now();
  const std::uint64_t kind = kind_of(line);
  seen* const known = find(kind, now);
  if (known == nullptr) {
    kinds_.emplace(kinds_.size() >= kinds_max ? 0 : kind, seen{now, 0});
    return 0;
  }
  if (now - known->said_at < log_limit::quiet_for) {
    ++known->suppressed;
    return std::nullopt;
  }
  known->said_at = now;
  return std::exchange(known->suppressed, 0);
}

void application_log::write(const stream::log_line& line) {
  const auto suppressed = admit(line);
  if (!suppressed) return count_suppressed_line();
  std::deque<std::string> names;  // their addresses stay
  std::vector<log_field> fields = {{"message", cut(line.message)}, {"processor", line.processor},
                                   {"topic", line.topic},          {"partition", line.partition},
                                   {"offset", line.offset},        {"worker", worker_}};
  for (const log_field& given : line.fields.first(std::min(line.fields.size(), fields_max))) {
    log_field field = given;
    field.name = names.emplace_back(name_of(given.name));
    if (auto* text = std::get_if<std::string_view>(&field.value)) *text = cut(*text);
    fields.push_back(field);
  }
  fields.emplace_back("suppressed", *suppressed);
  write_(line.level, fields);
}

}  // namespace millrace::app
