// What records wait on: the circuit breakers of the dependencies (database, broker, services), the retries under
// the retry budget, and the number of runs that work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>

#include "breaker.h"
#include "environment.h"

namespace millrace::engine {

class dependencies {
 public:
  explicit dependencies(engine_environment& env);
  dependencies(const dependencies&) = delete;
  dependencies& operator=(const dependencies&) = delete;

  // A request of a processor, or of the producer, and what its answer says about the dependency.
  void try_began(dependency on) noexcept { breaker(on).tried(env_.now()); }
  void try_succeeded(dependency on);
  void try_failed(dependency on);
  // A statement or a processor succeeded: a record that fails with it then fails alone.
  void note_success(const void* what);
  [[nodiscard]] bool has_succeeded_since(const void* what, instant since) const noexcept;
  [[nodiscard]] breaker_state state(dependency on) const noexcept { return breaker(on).state(); }
  // Every dependency, and its name: "database", "broker", the names of the services.
  [[nodiscard]] std::span<const dependency> all() const noexcept { return all_; }
  [[nodiscard]] std::string_view name_of(dependency d) const noexcept;
  [[nodiscard]] bool is_healthy(dependency on) const noexcept { return state(on) == breaker_state::closed; }
  // How many records may be taken now.
  [[nodiscard]] std::size_t let_in() const noexcept;
  // Zero: a retry may start now.
  [[nodiscard]] nanoseconds retry_waits(dependency on);
  // How long a deferred retry waits until it is tried again.
  [[nodiscard]] nanoseconds asks_again() noexcept;
  // When the next record taken is to be a probe; nullopt when none is.
  [[nodiscard]] std::optional<instant> next_probe() const noexcept;
  // Closes the breaker of a dependency that nothing uses any more.
  void forgive_the_unasked();

  // The retry budget.
  void first_try() noexcept {
    if (++first_tries_ >= first_tries_kept_max) report_first_tries();
  }
  void report_first_tries() noexcept;
  // False: over the budget.
  [[nodiscard]] bool take_retry() noexcept;
  void give_back_retry() noexcept { env_.ports.retries.give_back(env_.now()); }

  // Runs between two attempts, and of those the ones over the retry budget.
  void began_waiting_for_retry(std::optional<dependency> on) noexcept;
  void ended_waiting_for_retry(std::optional<dependency> on) noexcept;
  void began_waiting_for_budget() noexcept;
  void ended_waiting_for_budget() noexcept { --over_budget_; }
  [[nodiscard]] std::size_t retrying() const noexcept { return retrying_; }
  [[nodiscard]] std::size_t over_budget() const noexcept { return over_budget_; }

  // Runs that may still end: a drain waits for them.
  void began_work() noexcept { ++working_; }
  void ended_work() noexcept { --working_; }
  [[nodiscard]] std::size_t working() const noexcept { return working_; }

 private:
  // First tries that the retry budget hears of together: the record path touches nothing that is shared.
  static constexpr std::uint32_t first_tries_kept_max = 64;

  [[nodiscard]] const circuit_breaker& breaker(dependency d) const noexcept {
    return breakers_[static_cast<std::size_t>(d)];
  }
  [[nodiscard]] circuit_breaker& breaker(dependency d) noexcept {
    return breakers_[static_cast<std::size_t>(d)];
  }
  // Work in flight will probe it, sooner or later.
  [[nodiscard]] bool will_be_probed(dependency d) const noexcept;
  void changed(dependency d);

  struct success {
    const void* what;
    instant at;
  };

  engine_environment& env_;
  std::vector<success> successes_;  // few: searched in order
  std::vector<dependency> all_;
  std::vector<circuit_breaker> breakers_;
  std::size_t working_ = 0;
  std::size_t retrying_ = 0;
  std::vector<std::size_t> waiting_for_;  // of those, by dependency
  std::size_t over_budget_ = 0;           // of those, too
  std::uint32_t first_tries_ = 0;         // not reported yet
};

}  // namespace millrace::engine
