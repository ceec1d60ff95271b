// The cells a line counts in, resolved once.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/engine/status.h>
#include <millrace/metrics/registry.h>

namespace millrace::engine {

// Where work happens and fails: the `stage` label, the dead-letter header.
enum class work_stage : std::uint8_t { source, intake, schema, decode, process, emit, dead_letter, commit };
[[nodiscard]] std::string_view to_string(work_stage s) noexcept;
inline constexpr std::size_t work_stage_count = 8;

// What a record waits for, besides its decoding, its processors and their statements.
enum class wait : std::uint8_t { fetch, schema, key, retry, produce_ack, dead_letter_ack, commit };
inline constexpr std::size_t wait_count = 7;
[[nodiscard]] std::string_view to_string(wait w) noexcept;

struct metric_families {
  explicit metric_families(metrics::catalogue& declared);

  metrics::counter_family received, received_bytes, done, skipped, dead_lettered, abandoned, uncommitted,
      unassigned_records, passed_over, gap_records, foreign_positions, decoded;
  metrics::counter_family errors, exceptions, retries, emitted;
  metrics::counter_family commits, commit_failures, rebalances, breaker_openings, retries_delayed;
  metrics::histogram_family decode, decode_failed, consume_delay, end_to_end, failed_end_to_end;
  metrics::histogram_family stage, process, process_failed;
  metrics::histogram_family commit_time, commit_failed_time, rebalance_time;
  metrics::gauge_family in_flight_records, in_flight_bytes, retrying, assigned, paused, state, last_commit;
  metrics::counter_family coroutine_allocations;
  metrics::gauge_family coroutine_frames;
  metrics::gauge_family oldest_age, time_lag, lag, high_watermark, window, breaker_state, retry_budget_left;
};

class engine_metrics {
 public:
  explicit engine_metrics(metrics::shard& cells);

  // The first use of a label value takes a lock.
  void error(work_stage where, errc what) { errors(where, what).add(); }
  void skipped(std::string_view reason) { skipped_.of(reason).add(); }
  void dead_lettered(std::string_view reason) { dead_lettered_.of(reason).add(); }
  void commit_failed(errc what) {
    cells_.counter(families_.commit_failures, {millrace::to_string(what)}).add();
  }
  void emitted(std::string_view topic) { emitted_.of(topic).add(); }
  void retried(std::string_view processor) { retries_.of(processor).add(); }
  void threw(std::string_view processor) { exceptions_.of(processor).add(); }
  // Shown as 0 from the start: a counter that appears with its first event hides that event from rate().
  void may_throw(std::string_view processor) { static_cast<void>(exceptions_.of(processor)); }
  void breaker_opened(std::string_view dependency) {
    cells_.counter(families_.breaker_openings, {dependency}).add();
  }
  // Of a reason, not of none.
  [[nodiscard]] metrics::gauge& paused(pause_reason reason) {
    return cells_.gauge(families_.paused, {to_string(reason)});
  }
  [[nodiscard]] metrics::gauge& breaker(std::string_view dependency) {
    return cells_.gauge(families_.breaker_state, {dependency});
  }
  void rebalanced(std::string_view type) { cells_.counter(families_.rebalances, {type}).add(); }
  void waited(wait what, nanoseconds time) noexcept { waits_[static_cast<std::size_t>(what)]->observe(time); }
  // Of records with this schema. Resolve once per schema.
  [[nodiscard]] metrics::counter& decoded(std::int32_t schema_id) {
    return cells_.counter(families_.decoded, {std::to_string(schema_id)});
  }
  [[nodiscard]] metrics::histogram& process(std::string_view processor) {
    return cells_.histogram(families_.process, {processor});
  }
  [[nodiscard]] metrics::histogram& process_failed(std::string_view processor) {
    return cells_.histogram(families_.process_failed, {processor});
  }
  [[nodiscard]] metrics::shard& cells() noexcept { return cells_; }
  [[nodiscard]] const metric_families& families() const noexcept { return families_; }

 private:
  metrics::counter& errors(work_stage where, errc what);

  metrics::shard& cells_;
  metric_families families_;
  metrics::counters_by_value skipped_, dead_lettered_, emitted_, retries_, exceptions_;
  std::array<metrics::histogram*, wait_count> waits_;
  std::array<std::array<metrics::counter*, errc_count>, work_stage_count> errors_{};

 public:
  metrics::counter& received;
  metrics::counter& received_bytes;
  metrics::counter& done;
  metrics::counter& abandoned;
  metrics::counter& uncommitted;
  metrics::counter& unassigned_records;
  metrics::counter& passed_over;
  metrics::counter& gap_records;
  metrics::counter& foreign_positions;
  metrics::counter& commits;
  metrics::counter& retries_delayed;
  metrics::counter& coroutine_allocations;
  metrics::histogram& decode;
  metrics::histogram& decode_failed;
  metrics::histogram& consume_delay;
  metrics::histogram& end_to_end;
  metrics::histogram& failed_end_to_end;
  metrics::histogram& commit_time;
  metrics::histogram& commit_failed_time;
  metrics::histogram& rebalance_time;
  metrics::gauge& in_flight_records;
  metrics::gauge& in_flight_bytes;
  metrics::gauge& retrying;
  metrics::gauge& assigned;
  metrics::gauge& coroutine_frames;
  metrics::gauge& state;
  metrics::gauge& last_commit;
  metrics::gauge& retry_budget_left;
};

}  // namespace millrace::engine
