// The cells a line counts in, resolved once.
#pragma once

#include <cstdint>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/metrics/registry.h>

namespace millrace::pipeline {

// Where work happens and fails: the `stage` label, the dead-letter header.
enum class work_stage : std::uint8_t { source, intake, schema, decode, process, emit, dead_letter, commit };
[[nodiscard]] std::string_view to_string(work_stage s) noexcept;

struct metric_families {
  explicit metric_families(metrics::catalogue& declared);

  metrics::counter_family received, received_bytes, done, skipped, dead_lettered, abandoned, strays,
      passed_over, gap_records, foreign_positions;
  metrics::counter_family errors, retries, emitted;
  metrics::counter_family commits, commit_failures, rebalances, breaker_openings, retries_delayed;
  metrics::histogram_family decode, decode_failed, consume_delay, end_to_end, failed_end_to_end;
  metrics::histogram_family commit_time, commit_failed_time, rebalance_time;
  metrics::gauge_family in_flight_records, in_flight_bytes, retrying, assigned, paused, state, last_commit;
  metrics::gauge_family oldest_age, lag, high_watermark, window, breaker_state, retry_budget_left;
};

class meters {
 public:
  explicit meters(metrics::shard& cells);

  // First use of a label value takes a lock; failures only.
  void error(work_stage where, errc what);
  void skipped(std::string_view reason) { cells_.counter(families_.skipped, {reason}).add(); }
  void dead_lettered(std::string_view reason) { cells_.counter(families_.dead_lettered, {reason}).add(); }
  void commit_failed(errc what) {
    cells_.counter(families_.commit_failures, {millrace::to_string(what)}).add();
  }
  void emitted(std::string_view topic) { cells_.counter(families_.emitted, {topic}).add(); }
  void retried(std::string_view processor) { cells_.counter(families_.retries, {processor}).add(); }
  void breaker_opened(std::string_view dependency) {
    cells_.counter(families_.breaker_openings, {dependency}).add();
  }
  [[nodiscard]] metrics::gauge& breaker(std::string_view dependency) {
    return cells_.gauge(families_.breaker_state, {dependency});
  }
  void rebalanced(std::string_view type) { cells_.counter(families_.rebalances, {type}).add(); }
  [[nodiscard]] metrics::shard& cells() noexcept { return cells_; }
  [[nodiscard]] const metric_families& families() const noexcept { return families_; }

 private:
  metrics::shard& cells_;
  metric_families families_;

 public:
  metrics::counter& received;
  metrics::counter& received_bytes;
  metrics::counter& done;
  metrics::counter& abandoned;
  metrics::counter& strays;
  metrics::counter& passed_over;
  metrics::counter& gap_records;
  metrics::counter& foreign_positions;
  metrics::counter& commits;
  metrics::counter& retries_delayed;
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
  metrics::gauge& paused;
  metrics::gauge& state;
  metrics::gauge& last_commit;
  metrics::gauge& retry_budget_left;
};

}  // namespace millrace::pipeline
