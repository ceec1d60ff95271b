// The exit codes of the product: of a process, and of every command.
//
// Example:
//
//   invariant(app::exit_code_of(std::nullopt, {.abandoned = 1}) == app::exit_failure, "a record is processed again");
//   invariant(app::exit_code_of(error(errc::config_invalid), {}) == app::exit_config, "the configuration must change");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <cstdint>
#include <optional>

#include <millrace/base/errors.h>
#include <millrace/engine/status.h>

namespace millrace::app {

inline constexpr int exit_ok = 0;
// A failure, something refused or not found, or records that will be worked on again.
inline constexpr int exit_failure = 1;
// The configuration or the command line cannot be used (EX_CONFIG of sysexits.h).
inline constexpr int exit_config = 78;

[[nodiscard]] inline bool is_config_error(errc code) noexcept {
  return code == errc::config_invalid || code == errc::db_type_mismatch || code == errc::schema_invalid ||
         code == errc::schema_incompatible;
}

// Records that a stop leaves to the next owners of its partitions.
struct left_behind {
  std::uint64_t abandoned = 0;    // given up unfinished
  std::uint64_t uncommitted = 0;  // finished, above the last offset that the broker acknowledged
};

// Returns exit_failure after a stop whose records will be processed again. Records that were given up before the
// stop, when partitions were lost, do not count: they have been delivered again already.
[[nodiscard]] inline int exit_code_of(const std::optional<error>& failure,
                                      const left_behind& by_stop) noexcept {
  if (failure) return is_config_error(failure->code()) ? exit_config : exit_failure;
  return by_stop.abandoned > 0 || by_stop.uncommitted > 0 ? exit_failure : exit_ok;
}

}  // namespace millrace::app
