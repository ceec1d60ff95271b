// How a process ends: its exit code.
#pragma once

#include <cstdint>
#include <optional>

#include <millrace/base/errors.h>
#include <millrace/pipeline/status.h>

namespace millrace::engine {

constexpr int exit_ok = 0;
constexpr int exit_failure = 1;
constexpr int exit_config = 78;  // EX_CONFIG

[[nodiscard]] inline bool is_config_error(errc code) noexcept {
  return code == errc::config_invalid || code == errc::db_type_mismatch || code == errc::schema_invalid ||
         code == errc::schema_incompatible;
}

// A stop that gave up records failed. What had been given up before it, when partitions were lost, was
// delivered again long ago.
[[nodiscard]] inline int exit_code_of(const std::optional<error>& failure,
                                      std::uint64_t abandoned_by_stop) noexcept {
  if (failure) return is_config_error(failure->code()) ? exit_config : exit_failure;
  return abandoned_by_stop > 0 ? exit_failure : exit_ok;
}

}  // namespace millrace::engine
