// The log of the process: one line per event, as logfmt or JSON, on standard error. A line names an event and
// its fields; payloads and secrets are no fields.
//
//   log_event(log_level::info, "running", {{"workers", count}, {"group", settings.kafka.group}});
//
// Threads: any.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <millrace/app/app_config.h>
#include <millrace/base/clock.h>

namespace millrace::app {

// A view, for the duration of a call.
struct log_field {
  using any = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  template <typename T>
  log_field(std::string_view field, const T& of) : name(field), value(as_any(of)) {}

  std::string_view name;
  any value;

 private:
  template <typename T>
  static any as_any(const T& of) {
    if constexpr (std::same_as<T, bool>) {
      return of;
    } else if constexpr (std::floating_point<T>) {
      return static_cast<double>(of);
    } else if constexpr (std::signed_integral<T>) {
      return static_cast<std::int64_t>(of);
    } else if constexpr (std::unsigned_integral<T>) {
      return static_cast<std::uint64_t>(of);
    } else {
      return std::string_view(of);
    }
  }
};

// One line, without its end. Control characters and quotes are escaped, so that it stays one.
[[nodiscard]] std::string format_line(log_format format, log_level level, timestamp_micros at,
                                      std::string_view event, std::span<const log_field> fields);

// Admits one message of a kind per interval, and counts the others.
class log_limit {
 public:
  static constexpr seconds quiet_for{10};
  static constexpr std::size_t kinds_max = 1'000;

  // How many were left out since the last one; nullopt: leave this one out too.
  [[nodiscard]] std::optional<std::uint64_t> admit(std::string_view site, std::string_view kind, instant now);

 private:
  struct seen {
    instant said_at;
    std::uint64_t suppressed = 0;
  };
  std::map<std::pair<std::string, std::string>, seen, std::less<>> kinds_;
};

void set_up_log(log_level least_severe, log_format format);
void log_event(log_level level, std::string_view event, std::initializer_list<log_field> fields);
// At most one line per event and kind in ten seconds; the next one has the number suppressed as `suppressed`.
void log_limited(log_level level, std::string_view event, std::string_view kind,
                 std::initializer_list<log_field> fields);

struct log_counts {
  std::uint64_t lines[4] = {};  // by log_level, those below the configured level included
  std::uint64_t suppressed = 0;
};
[[nodiscard]] log_counts logged();
void count_suppressed_line() noexcept;

[[nodiscard]] std::string_view to_string(log_level level) noexcept;

}  // namespace millrace::app
