#include "log.h"

#include <array>
#include <charconv>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <millrace/base/text.h>

namespace millrace::app {
namespace {

struct shared_log {
  std::atomic<log_format> format{log_format::logfmt};
  std::atomic<std::uint64_t> lines[4] = {};
  std::atomic<std::uint64_t> suppressed{0};
  std::mutex mutex;  // of the limit
  log_limit limit;
};

shared_log& shared() {
  static shared_log one;
  return one;
}

spdlog::level::level_enum to_spdlog(log_level level) noexcept {
  switch (level) {
    case log_level::debug:
      return spdlog::level::debug;
    case log_level::info:
      return spdlog::level::info;
    case log_level::warning:
      return spdlog::level::warn;
    case log_level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// 2026-01-31T12:34:56.789Z
std::string time_text(timestamp_micros at) {
  const std::int64_t micros = at.time_since_epoch().count();
  const std::time_t whole = micros / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", std::string_view(text.data(), size), micros / 1'000 % 1'000);
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) return true;
  }
  return false;
}

void append_logfmt_text(std::string& to, std::string_view text) {
  if (!needs_quotes(text)) {
    to += text;
    return;
  }
  to += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (c == '\n') {
      to += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) {
      to += "\\x";
      append_hex(to, static_cast<std::uint8_t>(c));
    } else {
      to += c;
    }
  }
  to += '"';
}

void append_logfmt(std::string& to, const log_field::any& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return append_logfmt_text(to, *text);
  to += stream::text_of(value);
}

std::string json_line(log_level level, timestamp_micros at, std::string_view event,
                      std::span<const log_field> fields) {
  nlohmann::ordered_json line = {{"time", time_text(at)}, {"level", to_string(level)}, {"event", event}};
  for (const log_field& field : fields) {
    std::visit([&](const auto& value) { line[std::string(field.name)] = value; }, field.value);
  }
  // What a server says may not be UTF-8.
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string format_line(log_format format, log_level level, timestamp_micros at, std::string_view event,
                        std::span<const log_field> fields) {
  if (format == log_format::json) return json_line(level, at, event, fields);
  std::string line = fmt::format("time={} level={} event={}", time_text(at), to_string(level), event);
  for (const log_field& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    append_logfmt(line, field.value);
  }
  return line;
}

std::optional<std::uint64_t> log_limit::admit(std::string_view site, std::string_view kind, instant now) {
  const std::pair<std::string, std::string> name(site, kind);
  const auto known = kinds_.find(name);
  if (known == kinds_.end()) {
    if (kinds_.size() >= kinds_max) kinds_.clear();  // rather say something twice than remember for ever
    kinds_.emplace(name, seen{now, 0});
    return 0;
  }
  if (now - known->second.said_at < quiet_for) {
    ++known->second.suppressed;
    return std::nullopt;
  }
  known->second.said_at = now;
  return std::exchange(known->second.suppressed, 0);
}

void set_up_log(log_level least_severe, log_format format) {
  auto logger = spdlog::get("millrace");
  if (!logger) {
    logger = spdlog::stderr_logger_mt("millrace");
    spdlog::set_default_logger(logger);
  }
  logger->set_pattern("%v");
  logger->set_level(to_spdlog(least_severe));
  shared().format = format;
}

void write_event(log_level level, std::string_view event, std::span<const log_field> fields) {
  shared().lines[static_cast<std::size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  const auto severity = to_spdlog(level);
  if (!spdlog::should_log(severity)) return;
  spdlog::log(severity, "{}", format_line(shared().format, level, system_clock().wall(), event, fields));
}

void log_event(log_level level, std::string_view event, std::initializer_list<log_field> fields) {
  write_event(level, event, std::span(fields.begin(), fields.size()));
}

void log_limited(log_level level, std::string_view event, std::string_view kind,
                 std::initializer_list<log_field> fields) {
  std::optional<std::uint64_t> left_out;
  {
    const std::lock_guard lock(shared().mutex);
    left_out = shared().limit.admit(event, kind, system_clock().now());
  }
  if (!left_out) return count_suppressed_line();
  std::vector<log_field> all(fields);
  all.emplace_back("suppressed", *left_out);
  write_event(level, event, all);
}

log_counts logged() {
  log_counts counts;
  for (std::size_t i = 0; i < std::size(counts.lines); ++i) counts.lines[i] = shared().lines[i].load();
  counts.suppressed = shared().suppressed.load();
  return counts;
}

void count_suppressed_line() noexcept { shared().suppressed.fetch_add(1, std::memory_order_relaxed); }

}  // namespace millrace::app
