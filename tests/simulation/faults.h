// What goes wrong in a run, drawn from its seed.
#pragma once

#include <cstdint>
#include <optional>

#include <millrace/engine/options.h>
#include <millrace/simulation/simulated_log.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_source.h>
#include <millrace/simulation/simulated_store.h>

namespace scenario {

using millrace::simulation::seeded_random;

// Rates are probabilities per request; periods are mean times between events, 0: never.
struct fault_plan {
  explicit fault_plan(seeded_random& random);

  double database_error = 0;
  double database_stuck = 0;  // answers after 20 s
  double database_stop = 0;   // an error that stops the engine
  double slow = 1;            // factor during a spike
  bool outages = false;       // a spike is an outage of the database
  double produce_error = 0;
  double produce_refused = 0;
  double produce_rejected = 0;
  double commit_error = 0;
  double commit_silent = 0;
  double commit_lost = 0;    // the answer to one, now and then: also after recovery
  double commit_echoed = 0;  // answered twice
  double schema_error = 0;
  std::int64_t spike_every_ms = 0;
  std::int64_t rebalance_every_ms = 0;
  bool eager = false;  // a rebalance takes everything from everybody
  std::int64_t lose_every_ms = 0;
  std::int64_t crash_every_ms = 0;
  std::int64_t stop_every_ms = 0;
  std::int64_t clock_jump_every_ms = 0;
  std::int64_t producer_lost_every_ms = 0;  // for good: its process ends
  std::int64_t topic_grows_every_ms = 0;
  double dead_letter_too_large = 0;  // with its value
  bool schema_refused = false;       // the registry refuses one id
};

inline constexpr std::int32_t refused_schema = 403;

// Of one that is not answered, and of one that is answered without faults.
inline constexpr millrace::milliseconds commits_lost_apart_min{20'000};
inline constexpr millrace::milliseconds commit_answer_max{20};

// Shared by all members of a run.
class fault_injector {
 public:
  fault_injector(seeded_random& random, fault_plan plan) : random_(random), plan_(plan) {}

  void recover() noexcept { recovered_ = true; }
  void set_spike(bool on) noexcept { spike_ = on; }
  // Every request to the database fails.
  [[nodiscard]] bool database_is_down() const noexcept { return plan_.outages && spike_ && !recovered_; }
  [[nodiscard]] bool recovered() const noexcept { return recovered_; }
  [[nodiscard]] const fault_plan& plan() const noexcept { return plan_; }

  [[nodiscard]] millrace::simulation::store_fate of_statement(bool write);
  [[nodiscard]] millrace::simulation::produce_fate of_produced(bool dead_letter, bool with_value);
  // `lost_at`: when an answer to a commit of that member was last lost.
  [[nodiscard]] millrace::simulation::commit_fate of_commit(millrace::instant now,
                                                            std::optional<millrace::instant>& lost_at);
  [[nodiscard]] millrace::simulation::simulated_schemas::fate of_schema(std::int32_t id);

 private:
  [[nodiscard]] bool strikes(double probability) { return !recovered_ && random_.chance(probability); }

  seeded_random& random_;
  fault_plan plan_;
  bool recovered_ = false;
  bool spike_ = false;
};

}  // namespace scenario
