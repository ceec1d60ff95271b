// The log lines of processors (stream/log.h), in the log of the process: event `app`. Each worker has one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>

#include <millrace/base/clock.h>
#include <millrace/stream/log.h>

#include "log.h"

namespace millrace::app {

// For one thread.
class application_log final : public stream::log_sink {
 public:
  static constexpr std::size_t kinds_max = 100;
  static constexpr std::size_t fields_max = 32;
  static constexpr std::size_t text_bytes_max = 1'024;

  // Writes one line of the log: its level and all of its fields.
  using writer = std::function<void(log_level level, std::span<const log_field> fields)>;

  application_log(log_level least_severe, const clock& time, unsigned worker, writer write);

  void write(const stream::log_line& line) override;

 private:
  struct seen {
    instant said_at;
    std::uint64_t suppressed = 0;
  };
  // How many of its kind were left out since the last one; nullopt: leave this one out too.
  [[nodiscard]] std::optional<std::uint64_t> admit(const stream::log_line& line);
  [[nodiscard]] seen* find(std::uint64_t kind, instant now);

  const clock& time_;
  unsigned worker_;
  writer write_;
  // By a checksum of processor, level and message. The kind 0 is that of everything beyond kinds_max.
  std::unordered_map<std::uint64_t, seen> kinds_;
};

}  // namespace millrace::app
