// The demo for people: what it says first, every second, and at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "report.h"

namespace millrace::demo {

// What the terminal can show: colours unless NO_COLOR is set, signs beyond ASCII in a UTF-8 locale.
struct terminal {
  bool colours = false;
  bool unicode = false;

  [[nodiscard]] static terminal of_standard_output();
  [[nodiscard]] std::string bold(std::string_view text) const { return painted("1", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return painted("1;32", text); }
  [[nodiscard]] std::string red(std::string_view text) const { return painted("1;31", text); }
  [[nodiscard]] std::string yellow(std::string_view text) const { return painted("33", text); }
  [[nodiscard]] std::string faint(std::string_view text) const { return painted("2", text); }
  [[nodiscard]] std::string_view micros() const noexcept { return unicode ? "µs" : "us"; }
  [[nodiscard]] std::string_view times() const noexcept { return unicode ? "×" : "x"; }

 private:
  [[nodiscard]] std::string painted(std::string_view code, std::string_view text) const;
};

struct plan_of_run {
  std::uint64_t rate = 0;
  int duration_seconds = 0;
  double slowdown = 1;
  int partitions = 0;
  std::uint16_t port = 0;
  std::uint16_t control_port = 0;
};

[[nodiscard]] std::string opening(const plan_of_run& plan, const terminal& on);
[[nodiscard]] std::string live_heading(const terminal& on);
[[nodiscard]] std::string live_line(const window& second, double slowdown, const terminal& on);
[[nodiscard]] std::string summary(const report& all, const terminal& on);

}  // namespace millrace::demo
