// The results of processors and of the producer for the circuit breakers and the retry budget, and what
// these hold back.
#include <algorithm>
#include <utility>

#include "engine_core.h"

namespace millrace::engine {
namespace {
// A deferred retry is tried again after this delay, plus up to the same again.
constexpr milliseconds asks_again_after{250};
}  // namespace

void engine_core::try_began(dependency on) noexcept { breaker(on).tried(ports_.loop.time().now()); }

void engine_core::try_succeeded(dependency on) {
  const breaker_state before = breaker(on).state();
  breaker(on).succeeded(ports_.loop.time().now());
  if (breaker(on).state() != before) breaker_changed(on);
}

void engine_core::try_failed(dependency on) {
  if (!breaker(on).failed(ports_.loop.time().now())) return;
  metrics_.breaker_opened(to_string(on));
  breaker_changed(on);
}

void engine_core::breaker_changed(dependency d) {
  metrics_.breaker(to_string(d)).set(static_cast<double>(breaker(d).state()));
  ports_.loop.wake();
}

void engine_core::forgive_the_unasked() {
  for (const dependency d : {dependency::database, dependency::broker}) {
    if (!will_be_probed(d) && breaker(d).forgive(ports_.loop.time().now())) breaker_changed(d);
  }
}

nanoseconds engine_core::retry_waits(dependency on) {
  const instant now = ports_.loop.time().now();
  if (breaker(on).lets_through(now)) return nanoseconds(0);
  return std::max<nanoseconds>(breaker(on).next_try() - now - asks_again_after, nanoseconds(0)) +
         asks_again();
}

nanoseconds engine_core::asks_again() noexcept {
  const nanoseconds spread(static_cast<std::int64_t>(
      random_.fraction() * static_cast<double>(nanoseconds(asks_again_after).count())));
  return asks_again_after + spread;
}

void engine_core::report_first_tries() noexcept {
  if (first_tries_ > 0) ports_.retries.first_tries(std::exchange(first_tries_, 0), ports_.loop.time().now());
}

bool engine_core::take_retry() noexcept {
  report_first_tries();
  return ports_.retries.try_take(ports_.loop.time().now());
}

std::size_t engine_core::let_in() const noexcept {
  std::size_t most = options_.take_records_max;
  for (const dependency d : {dependency::database, dependency::broker}) {
    if (is_healthy(d)) continue;
    most = std::min<std::size_t>(
        most, !will_be_probed(d) && breaker(d).lets_through(ports_.loop.time().now()) ? 1 : 0);
  }
  return most;
}

bool engine_core::will_be_probed(dependency d) const noexcept {
  switch (d) {
    case dependency::database:
      return waiting_for_database_ > 0;
    case dependency::broker:
      return working_ > 0;  // what emits, or will
  }
  return false;
}

}  // namespace millrace::engine
