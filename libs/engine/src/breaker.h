// A circuit breaker: stops asking a dependency that does not answer, and tries again with a few requests.
//
//   closed → open: of the tries within the window at least failures_min, and more than `ratio`, failed; or
//   failures_in_row_min tries in a row failed, and none has succeeded for the length of the window
//   open → probing: after a pause, which doubles with every probe that fails
//   probing → closed: probes_min tries in a row succeeded; → open: one failed
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/engine/options.h>
#include <millrace/engine/status.h>

#include "rate_window.h"

namespace millrace::engine {

// What records wait on, each with a breaker of its own. The registry has none: it holds up only the
// partitions that need it. The services that processors declare follow, in the order of their numbers.
enum class dependency : std::uint8_t { database, broker, first_service };
[[nodiscard]] constexpr dependency service_dependency(std::uint8_t number) noexcept {
  return static_cast<dependency>(static_cast<std::uint8_t>(dependency::first_service) + number);
}
// The dependency whose failure an error shows, unless it is a service; nullopt: it shows nothing about other
// requests.
[[nodiscard]] std::optional<dependency> dependency_of(errc code) noexcept;
// The error shows the failure of a service, which the call names.
[[nodiscard]] bool is_service_failure(errc code) noexcept;
// The dependency would have failed for every record.
[[nodiscard]] bool blames_no_record(errc code) noexcept;

class circuit_breaker {
 public:
  explicit circuit_breaker(const breaker_policy& policy) noexcept
      : policy_(policy), window_(policy.window), pause_(policy.open_first) {}

  void succeeded(instant now) noexcept;
  // True: it has opened.
  bool failed(instant now) noexcept;

  // The number is the value of millrace_breaker_state.
  [[nodiscard]] breaker_state state() const noexcept { return state_; }
  // Whether a request may be sent now. While probing one is let through per probe_interval: a probe whose
  // answer never comes holds up nothing.
  [[nodiscard]] bool lets_through(instant now) const noexcept {
    return state_ == breaker_state::closed || now >= next_try_;
  }
  // A request is on its way: a probe, if it was let through.
  void tried(instant now) noexcept;
  // When it will let something through, if not now.
  [[nodiscard]] instant next_try() const noexcept { return next_try_; }
  // Closes when nothing has failed for twice the longest pause. For a dependency that is no longer used.
  bool forgive(instant now) noexcept;

 private:
  [[nodiscard]] bool must_open(instant now) const noexcept;
  void open(instant now) noexcept;
  void close() noexcept;

  breaker_policy policy_;
  rate_window window_;
  breaker_state state_ = breaker_state::closed;
  nanoseconds pause_;
  instant next_try_;
  instant last_failed_;
  instant row_began_;  // the first of the failures in a row
  std::uint32_t row_ = 0;
  bool probe_sent_ = false;
  std::uint32_t probes_succeeded_ = 0;
};

}  // namespace millrace::engine
