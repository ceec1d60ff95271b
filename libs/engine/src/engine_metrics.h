// The metrics of the record engine: one member each (metrics/table.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/status.h>
#include <millrace/metrics/table.h>

namespace millrace::engine {

// Where work happens and fails: the `stage` label, the dead-letter header.
enum class work_stage : std::uint8_t { source, intake, schema, decode, process, emit, dead_letter, commit };
[[nodiscard]] std::string_view to_string(work_stage s) noexcept;
inline constexpr std::size_t work_stage_count = 8;

// The waits of a record, besides its decoding, its processors and their statements.
enum class wait : std::uint8_t { fetch, schema, key, retry, produce_ack, dead_letter_ack, commit };
inline constexpr std::size_t wait_count = 7;
[[nodiscard]] std::string_view to_string(wait w) noexcept;

// Values of labels.
inline constexpr std::array<std::string_view, work_stage_count> stage_names = {
    "source", "intake", "schema", "decode", "process", "emit", "dead_letter", "commit"};
inline constexpr std::array<std::string_view, wait_count> wait_names = {
    "fetch_wait", "schema_wait", "key_wait", "retry_wait", "produce_ack", "dead_letter_ack", "commit_wait"};
inline constexpr std::array<std::string_view, 2> dependency_names = {"database", "broker"};
inline constexpr std::array<std::string_view, 3> rebalance_types = {"assigned", "revoked", "lost"};
// By tombstone_policy, as it is in effect.
inline constexpr std::array<std::string_view, 4> tombstone_names = {"skipped", "processed", "skipped",
                                                                    "dead_lettered"};
inline constexpr std::array<std::string_view, 3> tombstone_actions = {"processed", "skipped",
                                                                      "dead_lettered"};
inline constexpr std::array<std::string_view, 4> pause_names = {"schema", "window", "share", "stall"};
// By record_filter; wants() of a processor last.
inline constexpr std::array<std::string_view, 5> filter_reasons = {"header", "key_prefix", "schema_id",
                                                                   "sample", "wants"};
// Reasons come from processors; one that makes them up must not create a series for each record.
inline constexpr metrics::label_declaration by_reason = metrics::open("reason", 64);
inline constexpr metrics::label_declaration by_topic = metrics::open("topic", 256);
inline constexpr metrics::label_declaration by_partition = metrics::open("partition", 4'096);
inline constexpr metrics::label_declaration by_processor = metrics::open("processor", processors_max);
// Those, and the services that processors declare.
inline constexpr metrics::label_declaration by_dependency =
    metrics::open("dependency", dependency_names.size() + services_max);

class engine_metrics : public metrics::table {
  using merge = metrics::merge;
  using scale = metrics::scale;
  using unit = metrics::unit;

 public:
  explicit engine_metrics(metrics::shard& cells);
  explicit engine_metrics(metrics::catalogue& into) : table(into) {}

  void error(work_stage where, errc what) { errors(where, what).add(); }
  // Shows the counters of a processor as 0 from the start: a counter that appears with its first event hides
  // that event from rate().
  void shows(std::string_view processor) {
    static_cast<void>(threw.of(processor));
    static_cast<void>(attempt_timed_out.of(processor));
  }
  void waited(wait what, nanoseconds time) noexcept { waits_[static_cast<std::size_t>(what)]->observe(time); }
  // Records decoded with this schema: its id, fingerprint or GUID. Resolve once per schema.
  [[nodiscard]] metrics::counter& decoded(std::string_view schema) { return decoded_.of(schema); }
  [[nodiscard]] metrics::shard& cells() noexcept { return *table::cells(); }

  // Records: received = done + skipped + dead-lettered + abandoned + in flight.
  metrics::counter& received = counter({"millrace_records_received_total", "Records received from Kafka."});
  metrics::counter& received_bytes = counter(
      {"millrace_received_bytes_total", "Bytes of record keys and values received from Kafka.", unit::bytes});
  metrics::counter& done = counter({"millrace_records_done_total", "Records completed by all processors."});
  metrics::counters_by_value skipped =
      counters({"millrace_records_skipped_total",
                "Records skipped by a processor or by the configuration, by reason.",
                unit::none,
                {by_reason}});
  metrics::counters_by_value dead_lettered =
      counters({"millrace_records_dead_lettered_total",
                "Records acknowledged by the broker in the dead-letter topic, by reason.",
                unit::none,
                {by_reason}});
  metrics::counter& abandoned = counter(
      {"millrace_records_abandoned_total",
       "Records in flight that were abandoned when their partition was revoked or lost, or at shutdown. "
       "They are delivered again."});
  metrics::counter& uncommitted = counter(
      {"millrace_records_uncommitted_total",
       "Finished records whose offset was not committed when their partition was revoked or lost, or at "
       "shutdown. They are delivered again."});
  metrics::counter& unassigned_records = counter(
      {"millrace_records_unassigned_total",
       "Records delivered for a partition that was already revoked. They are not counted as received."});
  metrics::counter& passed_over = counter({"millrace_records_passed_over_total",
                                           "Records delivered again and not processed, because a previous "
                                           "owner of the partition had finished them."});
  metrics::counter& gap_records =
      counter({"millrace_offset_gap_records_total",
               "Offsets skipped because the broker had deleted their records before they were read "
               "(kafka.on_offset_out_of_range)."});
  metrics::counter& rewound_positions =
      counter({"millrace_offsets_rewound_total",
               "Partitions read again from an earlier offset, because their log no longer reached the "
               "committed one (kafka.on_offset_out_of_range)."});
  metrics::counter& foreign_positions =
      counter({"millrace_offsets_moved_total",
               "Partitions started at an offset that another client or an operator had committed."});
  metrics::counters_by_value tombstones =
      counters({"millrace_tombstones_total",
                "Records without a value, by what is done with them (engine.tombstones). They are counted as "
                "done, skipped or dead-lettered, too.",
                unit::none,
                {metrics::closed("action", tombstone_actions)}});
  // Resolve once per processor and reason.
  [[nodiscard]] metrics::counter& filtered(std::string_view processor, std::string_view reason) {
    return cells().counter(filtered_, {processor, reason});
  }
  metrics::counters_by_value emitted =
      counters({"millrace_emitted_total",
                "Records produced by processors and acknowledged by the broker, by topic.",
                unit::none,
                {by_topic}});

  // Failures and retries.
  metrics::counters_by_value retried = counters(
      {"millrace_retries_total", "Attempts after the first, by processor.", unit::none, {by_processor}});
  metrics::counter& retries_delayed =
      counter({"millrace_retries_delayed_total", "Retries delayed because the retry budget was exhausted."});
  metrics::gauge& retrying =
      gauge({"millrace_retrying_records", "Processor runs that wait for their next attempt."});
  metrics::gauge& retry_budget_left =
      gauge({.name = "millrace_retry_budget_left",
             .help = "Retries that the retry budget of the process allows now.",
             .merge = merge::min});
  metrics::counters_by_value threw =
      counters({"millrace_processor_exceptions_total",
                "Attempts that ended with an exception thrown by process(), by processor.",
                unit::none,
                {by_processor}});
  metrics::counters_by_value attempt_timed_out =
      counters({"millrace_attempt_timeouts_total",
                "Attempts that took longer than engine.attempt_timeout, by processor.",
                unit::none,
                {by_processor}});
  metrics::gauge& cancelled_attempts = gauge(
      {"millrace_cancelled_attempts",
       "Attempts that still run although nobody waits for their result: after a timeout, or after their "
       "partition was given up. Each holds a place of the records in flight."});
  metrics::counters_by_value breaker_opened =
      counters({"millrace_breaker_openings_total",
                "Transitions of a circuit breaker to open, by dependency.",
                unit::none,
                {by_dependency}});
  metrics::gauges_by_value breaker =
      gauges({.name = "millrace_breaker_state",
              .help = "State of a circuit breaker: 0 closed, 1 half-open, 2 open. Maximum of all workers.",
              .labels = {by_dependency},
              .merge = merge::max});

  // Limits.
  metrics::gauges_by_value limit_waiting =
      gauges({"millrace_processor_limit_waiting",
              "Attempts that wait for the limit of their processor (engine.processors), by processor.",
              unit::none,
              {by_processor}});
  metrics::histograms_by_value limit_wait = histograms(
      {.name = "millrace_processor_limit_wait_seconds",
       .help = "Time that attempts waited for the limit of their processor, by processor; those that "
               "had to wait.",
       .labels = {by_processor},
       .scale = scale::stage});
  metrics::gauges_by_value dependency_waiting =
      gauges({"millrace_dependency_limit_waiting",
              "Requests that wait for the limit of their dependency (engine.dependencies), by dependency.",
              unit::none,
              {by_dependency}});
  metrics::histograms_by_value dependency_wait = histograms(
      {.name = "millrace_dependency_limit_wait_seconds",
       .help = "Time that requests waited for the limit of their dependency, by dependency; those that "
               "had to wait.",
       .labels = {by_dependency},
       .scale = scale::stage});

  // Time.
  metrics::histogram& decode = histogram({.name = "millrace_decode_seconds",
                                          .help = "CPU time to decode one record; successful decodes only.",
                                          .scale = scale::decode});
  metrics::histogram& decode_failed = histogram({.name = "millrace_decode_failed_seconds",
                                                 .help = "CPU time of decodes that failed.",
                                                 .scale = scale::decode});
  metrics::histogram& consume_delay =
      histogram({.name = "millrace_consume_delay_seconds",
                 .help = "Time from the creation of a record to the start of its processors.",
                 .scale = scale::end_to_end});
  metrics::histogram& end_to_end = histogram({.name = "millrace_record_e2e_seconds",
                                              .help = "Time from the creation of a record to its completion.",
                                              .scale = scale::end_to_end});
  metrics::histogram& failed_end_to_end = histogram(
      {.name = "millrace_record_failed_seconds",
       .help = "Time from the creation of a record to its acknowledgement in the dead-letter topic.",
       .scale = scale::end_to_end});
  metrics::histograms_by_value process = histograms(
      {.name = "millrace_process_seconds",
       .help = "Duration of successful processor attempts, including their statements, by processor.",
       .labels = {by_processor}});
  metrics::histograms_by_value process_failed =
      histograms({.name = "millrace_process_failed_seconds",
                  .help = "Duration of failed processor attempts, by processor.",
                  .labels = {by_processor}});

  // Kafka.
  metrics::counter& commits = counter({"millrace_commits_total", "Partition offsets committed."});
  metrics::counters_by_value commit_failed = counters({"millrace_commit_failures_total",
                                                       "Partition offsets whose commit failed, by error.",
                                                       unit::none,
                                                       {metrics::errors()}});
  metrics::counter& commit_metadata_refused =
      counter({"millrace_commit_metadata_refused_total",
               "Commits refused because of the size of their metadata. They are sent again with half of it: "
               "raise offset.metadata.max.bytes of the broker."});
  metrics::histogram& commit_time =
      histogram({.name = "millrace_commit_seconds",
                 .help = "Time from sending a commit to its response; commits accepted for all partitions."});
  metrics::histogram& commit_failed_time = histogram(
      {.name = "millrace_commit_failed_seconds",
       .help = "Time from sending a commit to a response that rejects a partition, or to its timeout."});
  metrics::gauge& last_commit = gauge({.name = "millrace_last_commit_timestamp_seconds",
                                       .help = "Unix time of the last commit accepted by the broker.",
                                       .unit = unit::seconds,
                                       .merge = merge::max});
  metrics::counters_by_value rebalanced = counters({"millrace_rebalances_total",
                                                    "Changes of the partition assignment, by type.",
                                                    unit::none,
                                                    {metrics::closed("type", rebalance_types)}});
  metrics::histogram& rebalance_time =
      histogram({.name = "millrace_revoke_seconds",
                 .help = "Time from a revocation of partitions to their release.",
                 .scale = scale::end_to_end});
  metrics::gauge& assigned = gauge({"millrace_assigned_partitions", "Partitions assigned."});
  metrics::gauges_by_value paused =
      gauges({"millrace_paused_partitions",
              "Assigned partitions whose fetching is paused, by reason: a schema lookup, a full window of "
              "uncommitted records, an exceeded share of the records in flight, or a stall.",
              unit::none,
              {metrics::closed("reason", pause_names)}});

  // Each partition. Resolved while it is assigned.
  metrics::gauge_family oldest_age =
      gauge_rows({.name = "millrace_partition_oldest_inflight_age_seconds",
                  .help = "Time since the oldest unfinished record of the partition was received.",
                  .unit = unit::seconds,
                  .labels = {by_topic, by_partition},
                  .merge = merge::max});
  metrics::gauge_family time_lag = gauge_rows(
      {.name = "millrace_time_lag_seconds",
       .help =
           "Time since the creation of the oldest unfinished record of the partition; 0 if there is none.",
       .unit = unit::seconds,
       .labels = {by_topic, by_partition},
       .merge = merge::max});
  metrics::gauge_family lag = gauge_rows({"millrace_consumer_lag_records",
                                          "Unfinished offsets of the partition up to its high watermark.",
                                          unit::none,
                                          {by_topic, by_partition}});
  metrics::gauge_family high_watermark =
      gauge_rows({.name = "millrace_partition_high_watermark_offset",
                  .help = "High watermark of the partition: the offset after its last record.",
                  .unit = unit::none,
                  .labels = {by_topic, by_partition},
                  .merge = merge::max});
  metrics::gauge_family window = gauge_rows(
      {"millrace_partition_uncommitted_records",
       "Delivered records from the committed offset on: the upper bound of records repeated after a crash.",
       unit::none,
       {by_topic, by_partition}});

  // The engine.
  metrics::gauge& in_flight_records =
      gauge({"millrace_in_flight_records", "Records received and not finished."});
  metrics::gauge& in_flight_bytes =
      gauge({"millrace_in_flight_bytes", "Memory held by records in flight.", unit::bytes});
  metrics::gauge& state = gauge(
      {.name = "millrace_state",
       .help =
           "State of the worker: 0 idle, 1 running, 2 draining, 3 leaving the group, 4 stopped, 5 failed. "
           "Maximum of all workers.",
       .merge = merge::max});
  metrics::counter& coroutine_allocations =
      counter({"millrace_coroutine_frame_allocations_total",
               "Coroutine frames allocated because the pool was empty; constant in steady state."});
  metrics::gauge& coroutine_frames = gauge({"millrace_coroutine_frames", "Coroutine frames in use."});

 private:
  metrics::counter& errors(work_stage where, errc what);

  metrics::counters_by_value decoded_ = counters({"millrace_decoded_total",
                                                  "Records decoded, by the id of their writer schema.",
                                                  unit::none,
                                                  {metrics::open("schema_id", 64)}});
  metrics::counter_family filtered_ = counter_rows(
      {"millrace_records_filtered_total",
       "Records that a processor did not want, by processor and by the reason: a filter of the "
       "configuration, or the processor's wants(). They are not decoded when no processor wants them.",
       unit::none,
       {by_processor, metrics::closed("reason", filter_reasons)}});
  metrics::counter_family errors_family_ =
      counter_rows({"millrace_errors_total",
                    "Errors by stage and error code, including those that were retried.",
                    unit::none,
                    {metrics::closed("stage", stage_names), metrics::errors()}});
  metrics::histograms_by_value stage_ = histograms(
      {.name = "millrace_stage_seconds",
       .help =
           "Time that records waited, by stage: for their fetch (since their creation), a schema, an earlier "
           "record of their key, the next attempt, the acknowledgement of produced records or of the "
           "dead-letter record, the commit.",
       .labels = {metrics::closed("stage", wait_names)},
       .scale = scale::stage});

  std::array<metrics::histogram*, wait_count> waits_{};
  std::array<std::array<metrics::counter*, errc_count>, work_stage_count> errors_{};
};

}  // namespace millrace::engine
