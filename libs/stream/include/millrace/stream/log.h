// Log lines of a processor, and the port to the log that writes them.
//
// Example, at namespace scope:
//
//   #include <millrace/stream/context.h>
//
//   void refuse(stream::context ctx, std::string_view customer, std::int64_t amount) {
//     ctx.log().warn("credit limit exceeded", {{"customer", customer}, {"amount", amount}});
//   }
//
// The application writes the line in the format of its log, as event `app`, with message, processor, topic,
// partition and offset, and then the fields. Numbers and booleans keep their type in JSON. A field whose name is
// taken (`time`, `offset`, ...) gets an underscore at its end.
//
// Rate limit: one line per processor, level and message in ten seconds in each worker; the next one has the
// number left out as `suppressed`, and millrace_log_lines_suppressed_total counts them. A message is therefore a
// constant; what varies is a field. Messages beyond 100 kinds in ten seconds share one line. Texts are cut to
// 1 KiB, fields beyond 32 are left out.
//
// Values: a log holds what a processor writes to it. Payloads and secrets do not belong there.
// Cost: a line below `log.level` costs the call of log() and a comparison. Its fields are views that are made
// before the call: logs() avoids costly ones.
// Threads: the worker's thread.
// Lifetime: a record_log is valid as long as its context. The views are read during the call only.
// Failure: none; a log that cannot be written loses the line.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::stream {

enum class log_level : std::uint8_t { debug, info, warning, error };
// Returns the name of a level: "debug", "info", "warning", "error".
[[nodiscard]] std::string_view to_string(log_level level) noexcept;

// A name and a value: text, a number or a bool. A view, for the duration of a call.
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
// Returns a value as text: six digits of a double, "true" and "false".
[[nodiscard]] std::string text_of(const log_field::any& value);

// A line, with the record to which it belongs. A view, for the duration of a call.
struct log_line {
  log_level level = log_level::info;
  std::string_view message;
  std::span<const log_field> fields;
  std::string_view processor;
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

// The port: a log that lines are written to. Implemented by the application and by the simulation.
class log_sink {
 public:
  explicit log_sink(log_level least_severe) noexcept : least_severe_(least_severe) {}
  log_sink(const log_sink&) = delete;
  log_sink& operator=(const log_sink&) = delete;
  virtual ~log_sink() = default;

  // False: a line of this level would not be written.
  [[nodiscard]] bool admits(log_level level) const noexcept { return level >= least_severe_; }
  // Writes a line, within the rate limit. Must not block.
  virtual void write(const log_line& line) = 0;

 private:
  const log_level least_severe_;
};

// The log of one record in one processor: context::log().
class record_log {
 public:
  // Writes nothing.
  record_log() = default;
  record_log(log_sink* to, std::string_view processor, std::string_view topic, std::int32_t partition,
             std::int64_t offset) noexcept
      : to_(to), processor_(processor), topic_(topic), offset_(offset), partition_(partition) {}

  // True when a line of this level is written, subject to the rate limit.
  [[nodiscard]] bool logs(log_level level) const noexcept { return to_ != nullptr && to_->admits(level); }

  // Write a line of that level.
  void debug(std::string_view message, std::initializer_list<log_field> fields = {}) const {
    if (logs(log_level::debug)) write(log_level::debug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<log_field> fields = {}) const {
    if (logs(log_level::info)) write(log_level::info, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<log_field> fields = {}) const {
    if (logs(log_level::warning)) write(log_level::warning, message, fields);
  }
  void error(std::string_view message, std::initializer_list<log_field> fields = {}) const {
    if (logs(log_level::error)) write(log_level::error, message, fields);
  }

 private:
  void write(log_level level, std::string_view message, std::initializer_list<log_field> fields) const;

  log_sink* to_ = nullptr;
  std::string_view processor_;
  std::string_view topic_;
  std::int64_t offset_ = 0;
  std::int32_t partition_ = 0;
};

}  // namespace millrace::stream
