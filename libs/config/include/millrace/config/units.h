// How durations and sizes are written in configuration files.
//
// Example:
//
//   const auto period = config::parse_duration("1m30s");
//   if (!period) return period.error();
//   invariant(*period == seconds(90), "the parts of a duration are added");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <string>
#include <string_view>

#include <millrace/base/byte_size.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::config {

// "250ms", "1.5s", "1m30s", "0": numbers with ns, us (µs), ms, s, m, h or d, not negative, below 292 years,
// whole nanoseconds. errc::config_invalid with what was expected otherwise (a number without its unit is such
// a mistake).
[[nodiscard]] result<nanoseconds> parse_duration(std::string_view text);
// "64MiB", "1.5 GiB", "10MB", "4096": bytes, or a number with B, KiB, MiB, GiB, TiB (powers of 1024), kB, MB,
// GB or TB (powers of 1000); below 2^63, whole bytes. errc::config_invalid otherwise.
[[nodiscard]] result<byte_size> parse_byte_size(std::string_view text);

// The shortest exact form that the parsers above read back: "90s", "64MiB".
[[nodiscard]] std::string to_text(nanoseconds duration);
[[nodiscard]] std::string to_text(byte_size size);

}  // namespace millrace::config
