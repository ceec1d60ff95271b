#include "engine_metrics.h"

#include <millrace/engine/record_engine.h>

namespace millrace::engine {
namespace {

using metrics::label;
using metrics::scale;

// Reasons come from processors; a careless one must not make a series per record.
constexpr std::size_t reasons_max = 64;
constexpr std::size_t topics_max = 256;
constexpr std::size_t partitions_max = 4'096;
constexpr std::size_t schemas_max = 64;

label stages() {
  return label::closed("stage",
                       {"source", "intake", "schema", "decode", "process", "emit", "dead_letter", "commit"});
}
label waits() {
  return label::closed("stage", {"fetch_wait", "schema_wait", "key_wait", "retry_wait", "produce_ack",
                                 "dead_letter_ack", "commit_wait"});
}
label dependencies() { return label::closed("dependency", {"database", "broker"}); }
std::vector<label> by_partition() {
  return {label::open("topic", topics_max), label::open("partition", partitions_max)};
}

}  // namespace

std::string_view to_string(work_stage s) noexcept {
  switch (s) {
    case work_stage::source:
      return "source";
    case work_stage::intake:
      return "intake";
    case work_stage::schema:
      return "schema";
    case work_stage::decode:
      return "decode";
    case work_stage::process:
      return "process";
    case work_stage::emit:
      return "emit";
    case work_stage::dead_letter:
      return "dead_letter";
    case work_stage::commit:
      return "commit";
  }
  return "process";
}

std::string_view to_string(wait w) noexcept {
  switch (w) {
    case wait::fetch:
      return "fetch_wait";
    case wait::schema:
      return "schema_wait";
    case wait::key:
      return "key_wait";
    case wait::retry:
      return "retry_wait";
    case wait::produce_ack:
      return "produce_ack";
    case wait::dead_letter_ack:
      return "dead_letter_ack";
    case wait::commit:
      return "commit_wait";
  }
  return "fetch_wait";
}

metric_families::metric_families(metrics::catalogue& d)
    : received(d.counter({"millrace_records_received_total", "Records taken from Kafka."})),
      received_bytes(d.counter({"millrace_received_bytes_total", "Bytes of keys and values taken from Kafka.",
                                metrics::unit::bytes})),
      done(d.counter({"millrace_records_done_total", "Records that every processor finished."})),
      skipped(d.counter({"millrace_records_skipped_total",
                         "Records deliberately not processed, by reason.",
                         metrics::unit::none,
                         {label::open("reason", reasons_max)}})),
      dead_lettered(d.counter({"millrace_records_dead_lettered_total",
                               "Records that ended in the dead-letter topic, by reason.",
                               metrics::unit::none,
                               {label::open("reason", reasons_max)}})),
      abandoned(
          d.counter({"millrace_records_abandoned_total",
                     "Records given up unfinished on revoke, loss or stop; they are delivered again."})),
      uncommitted(
          d.counter({"millrace_records_uncommitted_total",
                     "Records that had ended and were not committed when their partition was given up "
                     "on revoke, loss or stop; they are delivered again."})),
      unassigned_records(d.counter(
          {"millrace_records_unassigned_total",
           "Records that arrived for a partition that was being given up; not counted as received."})),
      passed_over(
          d.counter({"millrace_records_passed_over_total",
                     "Records delivered again that an earlier owner of the partition had finished."})),
      gap_records(d.counter({"millrace_offset_gap_records_total",
                             "Offsets that were skipped because the log no longer had them, as "
                             "on_offset_out_of_range allows."})),
      foreign_positions(d.counter({"millrace_offsets_moved_total",
                                   "Partitions begun at a committed offset that Millrace had not committed: "
                                   "moved by an operator or by "
                                   "another client."})),
      decoded(d.counter({"millrace_decoded_total",
                         "Records decoded, by the id of their writer's schema.",
                         metrics::unit::none,
                         {label::open("schema_id", schemas_max)}})),
      errors(d.counter({"millrace_errors_total",
                        "Failures, retried ones included, by stage and error.",
                        metrics::unit::none,
                        {stages(), label::errors()}})),
      exceptions(d.counter({"millrace_processor_exceptions_total",
                            "Attempts that ended with an exception that left process(), by processor.",
                            metrics::unit::none,
                            {label::open("processor", processors_max)}})),
      retries(d.counter({"millrace_retries_total",
                         "Attempts after the first, by processor.",
                         metrics::unit::none,
                         {label::open("processor", processors_max)}})),
      emitted(d.counter({"millrace_emitted_total",
                         "Records produced by processors and acknowledged, by topic.",
                         metrics::unit::none,
                         {label::open("topic", topics_max)}})),
      commits(d.counter({"millrace_commits_total", "Partition offsets committed."})),
      commit_failures(d.counter({"millrace_commit_failures_total",
                                 "Partition offsets whose commit failed, by error.",
                                 metrics::unit::none,
                                 {label::errors()}})),
      rebalances(d.counter({"millrace_rebalances_total",
                            "Changes of the assigned partitions, by type.",
                            metrics::unit::none,
                            {label::closed("type", {"assigned", "revoked", "lost"})}})),
      breaker_openings(d.counter({"millrace_breaker_openings_total",
                                  "How often a circuit breaker opened, by dependency.",
                                  metrics::unit::none,
                                  {dependencies()}})),
      retries_delayed(d.counter({"millrace_retries_delayed_total",
                                 "Retries that waited longer because the retry budget was spent."})),
      decode(d.histogram({"millrace_decode_seconds",
                          "CPU time to decode one record, successful ones only.",
                          {},
                          d.bounds(scale::decode)})),
      decode_failed(d.histogram({"millrace_decode_failed_seconds",
                                 "CPU time spent on records that could not be decoded.",
                                 {},
                                 d.bounds(scale::decode)})),
      consume_delay(d.histogram({"millrace_consume_delay_seconds",
                                 "From a record's creation to the start of its processors.",
                                 {},
                                 d.bounds(scale::end_to_end)})),
      end_to_end(d.histogram({"millrace_record_e2e_seconds",
                              "From a record's creation until it was done.",
                              {},
                              d.bounds(scale::end_to_end)})),
      failed_end_to_end(d.histogram({"millrace_record_failed_seconds",
                                     "From a record's creation until it was in the dead-letter topic.",
                                     {},
                                     d.bounds(scale::end_to_end)})),
      stage(d.histogram({"millrace_stage_seconds",
                         "What records waited for: to be fetched (since their creation), for a schema, for "
                         "an earlier record of their key, for the next attempt, for the broker to "
                         "acknowledge what they produced or their dead letter, for their commit.",
                         {waits()},
                         d.bounds(scale::stage)})),
      process(d.histogram({"millrace_process_seconds",
                           "One attempt of a processor that did not fail, its statements included.",
                           {label::open("processor", processors_max)},
                           d.bounds(scale::request)})),
      process_failed(d.histogram({"millrace_process_failed_seconds",
                                  "One attempt of a processor that failed.",
                                  {label::open("processor", processors_max)},
                                  d.bounds(scale::request)})),
      commit_time(d.histogram({"millrace_commit_seconds",
                               "From a commit to the broker's answer, when every partition was accepted.",
                               {},
                               d.bounds(scale::request)})),
      commit_failed_time(
          d.histogram({"millrace_commit_failed_seconds",
                       "From a commit to the answer that refused a partition, or to giving up.",
                       {},
                       d.bounds(scale::request)})),
      rebalance_time(d.histogram({"millrace_revoke_seconds",
                                  "From the revocation of partitions until they were given up.",
                                  {},
                                  d.bounds(scale::end_to_end)})),
      in_flight_records(d.gauge({"millrace_in_flight_records", "Records taken and not finished."})),
      in_flight_bytes(
          d.gauge({"millrace_in_flight_bytes", "Memory held by records in flight.", metrics::unit::bytes})),
      retrying(
          d.gauge({"millrace_retrying_records", "Runs of processors that wait for their next attempt."})),
      assigned(d.gauge({"millrace_assigned_partitions", "Partitions assigned."})),
      paused(
          d.gauge({"millrace_paused_partitions",
                   "Assigned partitions that are not fetched now: records wait for a schema, the window of "
                   "uncommitted records is full, the share of the records in flight is held, or it stands "
                   "still.",
                   metrics::unit::none,
                   {label::closed("reason", {"schema", "window", "share", "stall"})}})),
      state(d.gauge({"millrace_state",
                     "0 idle, 1 running, 2 draining, 3 leaving the group, 4 stopped, 5 failed: the worst of "
                     "all workers.",
                     metrics::unit::none,
                     {},
                     metrics::merge::max})),
      last_commit(d.gauge({"millrace_last_commit_timestamp_seconds",
                           "When the broker last accepted a commit, seconds since 1970.",
                           metrics::unit::seconds,
                           {},
                           metrics::merge::max})),
      coroutine_allocations(
          d.counter({"millrace_coroutine_frame_allocations_total",
                     "Frames of coroutines that no recycled one was there for: flat when warm."})),
      coroutine_frames(d.gauge({"millrace_coroutine_frames", "Frames of coroutines that are in use."})),
      oldest_age(d.gauge({"millrace_partition_oldest_inflight_age_seconds",
                          "Age of the oldest unfinished record of the partition, since it was taken.",
                          metrics::unit::seconds, by_partition(), metrics::merge::max})),
      time_lag(d.gauge({"millrace_time_lag_seconds",
                        "Age of the oldest record of the partition that is not finished, since its "
                        "creation; 0 when there is none.",
                        metrics::unit::seconds, by_partition(), metrics::merge::max})),
      lag(d.gauge({"millrace_consumer_lag_records", "Offsets up to the high watermark that are not finished.",
                   metrics::unit::none, by_partition()})),
      high_watermark(
          d.gauge({"millrace_partition_high_watermark_offset", "One past the last record of the partition.",
                   metrics::unit::none, by_partition(), metrics::merge::max})),
      window(d.gauge({"millrace_partition_uncommitted_records",
                      "Delivered records from the committed offset on: what a crash would repeat, at most.",
                      metrics::unit::none, by_partition()})),
      breaker_state(d.gauge({"millrace_breaker_state",
                             "Circuit breaker: 0 closed, 1 probing, 2 open: the worst of all workers.",
                             metrics::unit::none,
                             {dependencies()},
                             metrics::merge::max})),
      retry_budget_left(d.gauge({"millrace_retry_budget_left",
                                 "Retries that the budget of the process would let start now.",
                                 metrics::unit::none,
                                 {},
                                 metrics::merge::min})) {}

void declare_metrics(metrics::catalogue& into) { const metric_families declared(into); }

engine_metrics::engine_metrics(metrics::shard& cells)
    : cells_(cells),
      families_(cells.declared()),
      skipped_(cells, families_.skipped),
      dead_lettered_(cells, families_.dead_lettered),
      emitted_(cells, families_.emitted),
      retries_(cells, families_.retries),
      exceptions_(cells, families_.exceptions),
      waits_{},
      received(cells.counter(families_.received)),
      received_bytes(cells.counter(families_.received_bytes)),
      done(cells.counter(families_.done)),
      abandoned(cells.counter(families_.abandoned)),
      uncommitted(cells.counter(families_.uncommitted)),
      unassigned_records(cells.counter(families_.unassigned_records)),
      passed_over(cells.counter(families_.passed_over)),
      gap_records(cells.counter(families_.gap_records)),
      foreign_positions(cells.counter(families_.foreign_positions)),
      commits(cells.counter(families_.commits)),
      retries_delayed(cells.counter(families_.retries_delayed)),
      coroutine_allocations(cells.counter(families_.coroutine_allocations)),
      decode(cells.histogram(families_.decode)),
      decode_failed(cells.histogram(families_.decode_failed)),
      consume_delay(cells.histogram(families_.consume_delay)),
      end_to_end(cells.histogram(families_.end_to_end)),
      failed_end_to_end(cells.histogram(families_.failed_end_to_end)),
      commit_time(cells.histogram(families_.commit_time)),
      commit_failed_time(cells.histogram(families_.commit_failed_time)),
      rebalance_time(cells.histogram(families_.rebalance_time)),
      in_flight_records(cells.gauge(families_.in_flight_records)),
      in_flight_bytes(cells.gauge(families_.in_flight_bytes)),
      retrying(cells.gauge(families_.retrying)),
      assigned(cells.gauge(families_.assigned)),
      coroutine_frames(cells.gauge(families_.coroutine_frames)),
      state(cells.gauge(families_.state)),
      last_commit(cells.gauge(families_.last_commit)),
      retry_budget_left(cells.gauge(families_.retry_budget_left)) {
  for (std::size_t i = 0; i < wait_count; ++i) {
    waits_[i] = &cells.histogram(families_.stage, {to_string(static_cast<wait>(i))});
  }
  // A counter that appears with its first event hides that event from rate(): what alerts count is there
  // from the start.
  for (const work_stage stage : {work_stage::schema, work_stage::dead_letter}) {
    for (const errc what : {errc::schema_not_found, errc::produce_failed, errc::produce_rejected}) {
      if ((what == errc::schema_not_found) == (stage == work_stage::schema)) errors(stage, what);
    }
  }
  for (const char* type : {"assigned", "revoked", "lost"}) {
    static_cast<void>(cells.counter(families_.rebalances, {type}));
  }
  for (const char* dependency : {"database", "broker"}) {
    static_cast<void>(cells.counter(families_.breaker_openings, {dependency}));
  }
}

metrics::counter& engine_metrics::errors(work_stage where, errc what) {
  metrics::counter*& known = errors_[static_cast<std::size_t>(where)][static_cast<std::size_t>(what)];
  if (known == nullptr) {
    known = &cells_.counter(families_.errors, {to_string(where), millrace::to_string(what)});
  }
  return *known;
}

}  // namespace millrace::engine
