// The log of the process: one line per event, as logfmt or JSON, on standard error. A line names an event and
// its fields; payloads and secrets are no fields.
//
//   log_event(log_level::info, "running", {{"workers", count}, {"group", settings.kafka.group}});
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <millrace/app/app_config.h>
#include <millrace/base/clock.h>
#include <millrace/stream/log.h>

namespace millrace::app {

using log_field = stream::log_field;

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
// The same with fields that were collected.
void write_event(log_level level, std::string_view event, std::span<const log_field> fields);
// At most one line per event and kind in ten seconds; the next one has the number suppressed as `suppressed`.
void log_limited(log_level level, std::string_view event, std::string_view kind,
                 std::initializer_list<log_field> fields);

struct log_counts {
  std::uint64_t lines[4] = {};  // by log_level, those below the configured level included
  std::uint64_t suppressed = 0;
};
[[nodiscard]] log_counts logged();
void count_suppressed_line() noexcept;

using stream::to_string;

}  // namespace millrace::app
