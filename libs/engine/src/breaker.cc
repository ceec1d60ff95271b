#include "breaker.h"

#include <algorithm>

#include <millrace/stream/mutations.h>

namespace millrace::engine {

std::string_view to_string(breaker_state s) noexcept {
  switch (s) {
    case breaker_state::closed:
      return "closed";
    case breaker_state::probing:
      return "probing";
    case breaker_state::open:
      return "open";
  }
  return "open";
}

std::optional<dependency> dependency_of(errc code) noexcept {
  if (code == errc::db_unavailable || code == errc::db_timeout || code == errc::db_overloaded ||
      code == errc::db_client_timeout || code == errc::db_protocol) {
    return dependency::database;
  }
  if (code == errc::broker_unavailable || code == errc::produce_failed) return dependency::broker;
  return std::nullopt;
}

bool is_service_failure(errc code) noexcept {
  return code == errc::service_unavailable || code == errc::service_timeout ||
         code == errc::service_overloaded || code == errc::service_failed || code == errc::service_protocol;
}

bool blames_no_record(errc code) noexcept {
  return code == errc::db_unavailable || code == errc::db_overloaded || code == errc::service_unavailable ||
         code == errc::service_overloaded;
}

void circuit_breaker::succeeded(instant now) noexcept {
  switch (state_) {
    case breaker_state::closed:
      row_ = 0;
      window_.good(now);
      return;
    case breaker_state::open:
      // An answer to an earlier request: no reason to wait longer, none to be sure either.
      state_ = breaker_state::probing;
      probe_sent_ = false;
      probes_succeeded_ = 0;
      next_try_ = now;
      [[fallthrough]];
    case breaker_state::probing:
      if (mutated(stream::mutation::breaker_stays_open) || ++probes_succeeded_ < policy_.probes_min) return;
      close();
      return;
  }
}

bool circuit_breaker::failed(instant now) noexcept {
  last_failed_ = now;
  switch (state_) {
    case breaker_state::closed:
      window_.bad(now);
      if (row_++ == 0) row_began_ = now;
      if (!must_open(now)) return false;
      open(now);
      return true;
    case breaker_state::open:
      return false;
    case breaker_state::probing:
      open(now);
      return true;
  }
  return false;
}

bool circuit_breaker::must_open(instant now) const noexcept {
  if (policy_.ratio >= 1.0) return false;
  if (!mutated(stream::mutation::ignore_failures_in_a_row) && row_ >= policy_.failures_in_row_min &&
      now - row_began_ >= policy_.window)
    return true;
  const rate_window::counts seen = window_.in_window(now);
  return seen.bad >= policy_.failures_min && seen.bad_exceeds(policy_.ratio);
}

void circuit_breaker::tried(instant now) noexcept {
  if (state_ == breaker_state::closed || now < next_try_) return;
  if (state_ == breaker_state::open) probes_succeeded_ = 0;
  state_ = breaker_state::probing;
  probe_sent_ = true;
  next_try_ = now + policy_.probe_interval;
}

void circuit_breaker::open(instant now) noexcept {
  // Only a failed probe makes the pause longer, not late answers to earlier requests.
  if (state_ == breaker_state::probing && probe_sent_)
    pause_ = std::min<nanoseconds>(pause_ * 2, policy_.open_max);
  state_ = breaker_state::open;
  next_try_ = now + pause_;
}

void circuit_breaker::close() noexcept {
  state_ = breaker_state::closed;
  pause_ = policy_.open_first;
  row_ = 0;
  window_.clear();
}

bool circuit_breaker::forgive(instant now) noexcept {
  if (state_ == breaker_state::closed || now - last_failed_ < 2 * policy_.open_max) return false;
  close();
  return true;
}

}  // namespace millrace::engine
