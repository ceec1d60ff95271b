#include "faults.h"

#include <array>

namespace scenario {

using namespace millrace;
using namespace std::chrono_literals;

fault_plan::fault_plan(seeded_random& random) {
  // Each fault in about half of the runs, so that runs with few faults exist too.
  const auto rate = [&random](double most) {
    return random.chance(0.5) ? most * static_cast<double>(random.between(1, 10)) / 10 : 0.0;
  };
  const auto period = [&random](std::int64_t low, std::int64_t high) {
    return random.chance(0.5) ? random.between(low, high) : std::int64_t{0};
  };
  database_error = rate(0.3);
  database_stuck = rate(0.01);
  database_stop = random.chance(0.15) ? 0.001 : 0;
  slow = static_cast<double>(random.between(2, 16));
  produce_error = rate(0.3);
  produce_refused = rate(0.2);
  produce_rejected = rate(0.02);
  commit_error = rate(0.3);
  commit_silent = rate(0.05);
  commit_lost = rate(0.5);
  commit_echoed = rate(0.1);
  schema_error = rate(0.5);
  eager = random.chance(0.25);
  spike_every_ms = period(1'000, 10'000);
  outages = random.chance(0.3);
  rebalance_every_ms = period(200, 5'000);
  lose_every_ms = period(500, 8'000);
  crash_every_ms = period(1'000, 10'000);
  stop_every_ms = period(1'000, 10'000);
  clock_jump_every_ms = period(1'000, 10'000);
  producer_lost_every_ms = random.chance(0.2) ? random.between(3'000, 15'000) : 0;
  topic_grows_every_ms = random.chance(0.3) ? random.between(5'000, 15'000) : 0;
  dead_letter_too_large = rate(0.1);
  schema_refused = random.chance(0.2);
}

simulation::store_fate fault_injector::of_statement(bool write) {
  simulation::store_fate fate;
  const std::int64_t typical_us = write ? 660 : 250;
  const double factor = spike_ && !recovered_ ? plan_.slow : 1.0;
  const auto part = [&] {
    return microseconds(
        static_cast<std::int64_t>(static_cast<double>(random_.between(typical_us / 8, typical_us)) * factor));
  };
  fate.until_applied = part();
  fate.until_answered = part();
  if (strikes(plan_.database_stuck)) fate.until_answered += 20s;
  if (strikes(plan_.database_stop)) {
    fate.failure = error(errc::db_unauthorized, "permission was withdrawn");
    return fate;
  }
  if (database_is_down()) {
    fate.failure = error(errc::db_unavailable, "no replica answers");
    return fate;
  }
  if (!strikes(plan_.database_error)) return fate;
  constexpr std::array codes{errc::db_timeout,        errc::db_overloaded, errc::db_unavailable,
                             errc::db_client_timeout, errc::internal,      errc::db_unexpected_rows};
  // The last one is not retried; rarer than the others.
  const std::int64_t pick = random_.between(0, 50);
  const errc code = codes[static_cast<std::size_t>(pick == 50 ? 5 : pick % 5)];
  fate.failure = error(code);
  fate.applied_although =
      (code == errc::db_timeout || code == errc::db_client_timeout) && random_.chance(0.5);
  return fate;
}

simulation::produce_fate fault_injector::of_produced(bool dead_letter, bool with_value) {
  simulation::produce_fate fate;
  fate.delay = microseconds(random_.between(100, 8'000));
  if (strikes(plan_.produce_refused)) {
    fate.refused = error(errc::produce_failed, "the queue is full");
  } else if (strikes(plan_.produce_error)) {
    fate.failure = error(random_.chance(0.5) ? errc::produce_failed : errc::broker_unavailable);
    fate.delay = milliseconds(random_.between(1, 2'000));
    fate.written_although = random_.chance(0.3);
  } else if (dead_letter ? with_value && strikes(plan_.dead_letter_too_large)
                         : strikes(plan_.produce_rejected)) {
    fate.failure = error(errc::produce_rejected, "too large");
  }
  return fate;
}

simulation::commit_fate fault_injector::of_commit(instant now, std::optional<instant>& lost_at) {
  simulation::commit_fate fate;
  fate.delay = microseconds(random_.between(200, microseconds(commit_answer_max).count()));
  if ((!lost_at || now - *lost_at >= commits_lost_apart_min) && random_.chance(plan_.commit_lost)) {
    lost_at = now;
    fate.never_answered = true;
    fate.applied_although = random_.chance(0.5);
    return fate;
  }
  fate.answered_twice = strikes(plan_.commit_echoed);
  if (strikes(plan_.commit_silent)) {
    fate.never_answered = true;
  } else if (strikes(plan_.commit_error)) {
    fate.failure = error(random_.chance(0.5) ? errc::broker_unavailable : errc::timed_out);
    fate.applied_although = random_.chance(0.3);
    fate.delay = milliseconds(random_.between(1, 3'000));
  }
  return fate;
}

simulation::simulated_schemas::fate fault_injector::of_schema(std::int32_t id) {
  simulation::simulated_schemas::fate fate;
  fate.delay = milliseconds(random_.between(1, 200));
  if (id == refused_schema && !recovered_) {
    fate.failure = error(errc::registry_unauthorized, "this subject is not yours");
    return fate;
  }
  if (strikes(plan_.schema_error)) fate.failure = error(errc::registry_unavailable);
  return fate;
}

}  // namespace scenario
