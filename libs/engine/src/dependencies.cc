#include "dependencies.h"

#include <algorithm>
#include <utility>

namespace millrace::engine {
namespace {

// A deferred retry is tried again after this delay, plus up to the same again.
constexpr milliseconds asks_again_after{250};

}  // namespace

dependencies::dependencies(engine_environment& env)
    : env_(env), all_{dependency::database, dependency::broker} {
  for (std::size_t i = 0; i < env.work.services.size(); ++i)
    all_.push_back(service_dependency(static_cast<std::uint8_t>(i)));
  breakers_.assign(all_.size(), circuit_breaker(env.options.breaker));
  waiting_for_.assign(all_.size(), 0);
  for (const dependency d : all_) static_cast<void>(env.metrics.breaker_opened.of(name_of(d)));
}

std::string_view dependencies::name_of(dependency d) const noexcept {
  const auto index = static_cast<std::size_t>(d);
  if (index < dependency_names.size()) return dependency_names[index];
  return env_.work.services[index - dependency_names.size()];
}

void dependencies::try_succeeded(dependency on) {
  const breaker_state before = state(on);
  breaker(on).succeeded(env_.turn());
  if (state(on) != before) changed(on);
}

void dependencies::note_success(const void* what) {
  const auto known =
      std::find_if(successes_.begin(), successes_.end(), [what](const success& s) { return s.what == what; });
  if (known != successes_.end()) {
    known->at = env_.turn();
  } else {
    successes_.push_back({what, env_.turn()});
  }
}

bool dependencies::has_succeeded_since(const void* what, instant since) const noexcept {
  return std::any_of(successes_.begin(), successes_.end(),
                     [&](const success& s) { return s.what == what && s.at >= since; });
}

void dependencies::try_failed(dependency on) {
  if (!breaker(on).failed(env_.turn())) return;
  env_.metrics.breaker_opened(name_of(on));
  changed(on);
}

void dependencies::changed(dependency d) {
  env_.metrics.breaker(name_of(d)).set(static_cast<double>(state(d)));
  env_.ports.loop.wake();
}

void dependencies::forgive_the_unasked() {
  for (const dependency d : all_) {
    if (!will_be_probed(d) && breaker(d).forgive(env_.now())) changed(d);
  }
}

nanoseconds dependencies::retry_waits(dependency on) {
  const instant now = env_.now();
  if (breaker(on).lets_through(now)) return nanoseconds(0);
  return std::max<nanoseconds>(breaker(on).next_try() - now - asks_again_after, nanoseconds(0)) +
         asks_again();
}

nanoseconds dependencies::asks_again() noexcept {
  const nanoseconds spread(static_cast<std::int64_t>(
      env_.random.fraction() * static_cast<double>(nanoseconds(asks_again_after).count())));
  return asks_again_after + spread;
}

void dependencies::report_first_tries() noexcept {
  if (first_tries_ > 0) env_.ports.retries.first_tries(std::exchange(first_tries_, 0), env_.now());
}

bool dependencies::take_retry() noexcept {
  report_first_tries();
  return env_.ports.retries.try_take(env_.now());
}

void dependencies::began_waiting_for_retry(std::optional<dependency> on) noexcept {
  ++retrying_;
  if (on) ++waiting_for_[static_cast<std::size_t>(*on)];
}

void dependencies::ended_waiting_for_retry(std::optional<dependency> on) noexcept {
  --retrying_;
  if (on) --waiting_for_[static_cast<std::size_t>(*on)];
}

void dependencies::began_waiting_for_budget() noexcept {
  ++over_budget_;
  env_.metrics.retries_delayed.add();
}

std::size_t dependencies::let_in() const noexcept {
  std::size_t most = env_.options.take_records_max;
  for (const dependency d : all_) {
    if (is_healthy(d)) continue;
    most = std::min<std::size_t>(most, !will_be_probed(d) && breaker(d).lets_through(env_.now()) ? 1 : 0);
  }
  return most;
}

bool dependencies::will_be_probed(dependency d) const noexcept {
  if (d == dependency::broker) return working_ > 0;  // what emits, or will
  return waiting_for_[static_cast<std::size_t>(d)] > 0;
}

// When the time of a probe has come already, only new records are missing.
std::optional<instant> dependencies::next_probe() const noexcept {
  std::optional<instant> next;
  for (const dependency d : all_) {
    if (is_healthy(d) || will_be_probed(d)) continue;
    const instant at = breaker(d).next_try();
    if (at > env_.turn() && (!next || at < *next)) next = at;
  }
  return next;
}

}  // namespace millrace::engine
