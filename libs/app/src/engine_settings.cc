#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::section;
using config::spec;
using std::chrono::hours;

namespace {

const spec<engine::retry_policy>& retry_spec() {
  using engine::retry_policy;
  static const spec<retry_policy> declared{
      field(&retry_policy::attempts_max, "attempts_max")
          .range(0U, 1'000'000U)
          .doc("Limit of attempts on one record, including the first; then it is dead-lettered. Errors of "
               "the database cost no attempt. 0: no limit."),
      field(&retry_policy::age_max, "age_max")
          .range(milliseconds(0), hours(24))
          .doc("Period for which a record is retried after its first failure; then it is dead-lettered. For "
               "errors of the database, only time in which the same statement succeeds for other records "
               "counts. 0: no limit. With `attempts_max: 0` a record is retried until it succeeds."),
      field(&retry_policy::backoff_first, "backoff_first")
          .range(milliseconds(1), seconds(60))
          .doc("Wait before the second attempt. It doubles with every further attempt."),
      field(&retry_policy::backoff_max, "backoff_max")
          .range(milliseconds(1), seconds(600))
          .doc("Upper bound of the wait between two attempts."),
      field(&retry_policy::jitter, "jitter")
          .range(0.0, 1.0)
          .doc("Share of the wait that is subtracted at random, so that retries spread."),
  };
  return declared;
}

const spec<engine::retry_budget_policy>& retry_budget_spec() {
  using engine::retry_budget_policy;
  static const spec<retry_budget_policy> declared{
      field(&retry_budget_policy::ratio, "ratio")
          .range(0.0, 1.0)
          .doc("Limit of failed retries within the window, as a share of the first attempts. 1: no limit."),
      field(&retry_budget_policy::reserve, "reserve")
          .range(1U, 1'000'000U)
          .doc("Failed retries allowed within the window in addition, so that single failures are retried "
               "at once."),
      field(&retry_budget_policy::window, "window")
          .range(seconds(1), seconds(600))
          .doc("Length of the sliding window."),
  };
  return declared;
}

const spec<engine::dead_letter_limit_policy>& dead_letter_limit_spec() {
  using engine::dead_letter_limit_policy;
  static const spec<dead_letter_limit_policy> declared{
      field(&dead_letter_limit_policy::ratio, "ratio")
          .range(0.0, 1.0)
          .doc("Share of the records within the window that may be dead-lettered. 1: no limit."),
      field(&dead_letter_limit_policy::dead_letters_min, "dead_letters_min")
          .range(1U, 1'000'000'000U)
          .doc("Minimum of dead-letter records within the window before the limit applies."),
      field(&dead_letter_limit_policy::window, "window")
          .range(seconds(1), seconds(3'600))
          .doc("Length of the sliding window."),
  };
  return declared;
}

const spec<engine::breaker_policy>& breaker_spec() {
  using engine::breaker_policy;
  static const spec<breaker_policy> declared{
      field(&breaker_policy::ratio, "ratio")
          .range(0.01, 1.0)
          .doc("Share of requests within the window that must fail because the server is unhealthy before "
               "the breaker opens. 1: never."),
      field(&breaker_policy::failures_min, "failures_min")
          .range(1U, 1'000'000U)
          .doc("Minimum of failures within the window before the breaker opens."),
      field(&breaker_policy::failures_in_row_min, "failures_in_row_min")
          .range(1U, 1'000'000U)
          .doc("Number of consecutive failures, without a success for the length of the window, that open "
               "the breaker, too: at low rates."),
      field(&breaker_policy::window, "window")
          .range(seconds(1), seconds(600))
          .doc("Length of the sliding window."),
      field(&breaker_policy::open_first, "open_first")
          .range(milliseconds(10), seconds(60))
          .doc("Pause without requests after the breaker opened. It doubles with every probe that fails."),
      field(&breaker_policy::open_max, "open_max")
          .range(milliseconds(10), seconds(600))
          .doc("Upper bound of that pause, and thus of the delay after a recovery."),
      field(&breaker_policy::probe_interval, "probe_interval")
          .range(milliseconds(1), seconds(60))
          .doc("Interval between two probes in flight."),
      field(&breaker_policy::probes_min, "probes_min")
          .range(1U, 1'000U)
          .doc("Consecutive probes that must succeed before the breaker closes."),
  };
  return declared;
}

void check_engine(const engine_settings& value, findings& found) {
  if (value.retry.backoff_first > value.retry.backoff_max) {
    found.error("retry.backoff_first", "`backoff_first` is longer than `backoff_max`",
                "lower it, or raise `engine.retry.backoff_max`");
  }
  if (value.breaker.open_first > value.breaker.open_max) {
    found.error("breaker.open_first", "`open_first` is longer than `open_max`",
                "lower it, or raise `engine.breaker.open_max`");
  }
  if (value.schema_backoff_first > value.schema_backoff_max) {
    found.error("schema_backoff_first", "`schema_backoff_first` is longer than `schema_backoff_max`",
                "lower it, or raise `engine.schema_backoff_max`");
  }
}

// Taking and ordering records.
void add_intake(spec<engine_settings>& to) {
  using engine::order_mode;
  to.add({
      field(&engine_settings::workers, "workers")
          .range(0U, 256U)
          .doc("Worker threads, each a member of the consumer group. 0: one for each CPU of the process "
               "(affinity mask, and quota of the cgroup rounded up), and at most one for each partition "
               "that is read."),
      field(&engine_settings::in_flight_records_max, "in_flight_records_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("Limit of records in flight, per worker. The number rises when the database slows down."),
      field(&engine_settings::take_records_max, "take_records_max")
          .range(std::size_t{1}, std::size_t{100'000})
          .doc("Limit of records taken in one turn of the event loop, per worker."),
      field(&engine_settings::partition_window_max, "partition_window_max")
          .range(std::size_t{1}, std::size_t{100'000'000})
          .doc("Limit of records of one partition from its committed offset on. A partition that reaches "
               "it waits for its oldest record. A crash processes them again."),
      field(&engine_settings::memory_max, "memory_max")
          .range(mib(8), gib(1'024))
          .doc("Memory limit of records in flight, for the whole process."),
      field(&engine_settings::record_size_max, "record_bytes_max")
          .range(kib(1), gib(1))
          .doc("Size limit of one record. A larger one is dead-lettered without being decoded."),
      field(&engine_settings::emits_per_record_max, "emits_per_record_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("Limit of records that one processor emits for one record. A record that exceeds it is "
               "dead-lettered."),
      field(&engine_settings::emit_size_max, "emit_bytes_per_record_max")
          .range(kib(1), gib(2))
          .doc("Memory limit of the records that one processor emits for one record. A record that exceeds "
               "it is dead-lettered."),
      field(&engine_settings::emit_timestamp, "emit_timestamp")
          .choices({{"record", engine::emit_timestamp_policy::record},
                    {"now", engine::emit_timestamp_policy::now}})
          .doc("Timestamp of an emitted record, unless the processor chooses another: that of the record "
               "which is processed, or the time at which it is produced."),
      field(&engine_settings::decoded_size_max, "decoded_bytes_max")
          .range(kib(64), gib(2))
          .doc("Memory limit of one decoded value. A record that exceeds it is dead-lettered."),
      field(&engine_settings::attempt_timeout, "attempt_timeout")
          .range(milliseconds(0), hours(24))
          .doc("Limit of the time of one attempt of a processor, waits included. Then the attempt is "
               "cancelled and retried; its emits are dropped. 0: no limit."),
      field(&engine_settings::order, "order")
          .choices({{"unordered", order_mode::unordered},
                    {"key", order_mode::key},
                    {"partition", order_mode::partition}})
          .doc("Records that wait for one another: none, those of one key, those of one partition."),
  });
}

// Failures of single records and of dependencies.
void add_failures(spec<engine_settings>& to) {
  using engine::dead_letter_header_names;
  to.add({
      field(&engine_settings::dead_letter_topic, "dead_letter_topic")
          .required()
          .doc("Topic of records that cannot be processed, unchanged, with the reason in headers.")
          .example("navigation-dlq"),
      field(&engine_settings::dead_letter_headers, "dead_letter_headers")
          .choices({{"millrace", dead_letter_header_names::millrace},
                    {"streams", dead_letter_header_names::streams},
                    {"both", dead_letter_header_names::both}})
          .doc("Header names of a dead-letter record: millrace.dlq.*, those of Kafka Streams "
               "(KIP-1034: __streams.errors.*), or both."),
      section(&engine_settings::dead_letter_limit, "dead_letter_limit", dead_letter_limit_spec())
          .doc("Dead-letter rate limit, per worker. The process stops when it is exceeded, because the "
               "cause is then hardly a single record. `ratio: 1` disables it."),
      field(&engine_settings::tombstones, "tombstones")
          .choices({{"auto", engine::tombstone_policy::automatic},
                    {"process", engine::tombstone_policy::process},
                    {"skip", engine::tombstone_policy::skip},
                    {"dead_letter", engine::tombstone_policy::dead_letter}})
          .doc("Action for a record without a value. process: the processors that override `deleted()` work "
               "on "
               "it. auto: process when a processor of the application overrides it, otherwise skip."),
      section(&engine_settings::retry, "retry", retry_spec())
          .doc("Retries of a record whose processing failed with a temporary error."),
      section(&engine_settings::retry_budget, "retry_budget", retry_budget_spec())
          .doc("Limit of failed retries of the whole process, which protects an overloaded database. "
               "A retry over the limit waits longer; it counts as no attempt, and `age_max` does not "
               "run meanwhile."),
      section(&engine_settings::breaker, "breaker", breaker_spec())
          .doc(
              "Circuit breakers of database, broker and services, per worker. While one is open no record is "
              "taken from Kafka, and a failure counts as no attempt."),
  });
}

// Commits, schemas, start and stop.
void add_times(spec<engine_settings>& to) {
  to.add({
      field(&engine_settings::commit_interval, "commit_interval")
          .range(milliseconds(10), seconds(600))
          .doc("Interval of offset commits."),
      field(&engine_settings::commit_timeout, "commit_timeout")
          .range(milliseconds(100), seconds(300))
          .doc("Timeout for the response to one commit, and SIGTERM: for the last commits."),
      field(&engine_settings::schema_wait_records_max, "schema_wait_records_max")
          .range(std::size_t{1}, std::size_t{100'000})
          .doc("Limit of records of one partition that wait for a schema; the partition is then paused."),
      field(&engine_settings::schema_backoff_first, "schema_backoff_first")
          .range(milliseconds(1), seconds(60))
          .doc("Pause before a schema is requested again. It doubles with every failure."),
      field(&engine_settings::schema_backoff_max, "schema_backoff_max")
          .range(milliseconds(1), seconds(600))
          .doc("Upper bound of that pause."),
      field(&engine_settings::start_timeout, "start_timeout")
          .range(milliseconds(0), hours(24))
          .doc("Start-up: period for which connections to Kafka, the database and the schema registry "
               "are retried while they do not respond; the process is not ready meanwhile. A refusal "
               "(a password, a missing topic) ends the start at once."),
      field(&engine_settings::drain_timeout, "drain_timeout")
          .range(milliseconds(0), hours(1))
          .doc("SIGTERM: timeout for records in flight. Records that are unfinished then are "
               "abandoned."),
      field(&engine_settings::leave_timeout, "leave_timeout")
          .range(milliseconds(100), seconds(300))
          .doc("SIGTERM, after the last commits (`commit_timeout` at most): timeout for the coordinator "
               "to let the workers leave the group. The process then ends without it."),
      field(&engine_settings::revoke_drain_timeout, "revoke_drain_timeout")
          .range(milliseconds(0), seconds(300))
          .doc("Rebalance: timeout for records in flight of a revoked partition."),
      field(&engine_settings::stall_timeout, "stall_timeout")
          .formerly("stuck_after")
          .range(milliseconds(1'000), hours(1))
          .doc("Period after which a worker whose event loop is blocked is reported and fails "
               "/healthz."),
      field(&engine_settings::ignore_trailing_bytes, "ignore_trailing_bytes")
          .doc("Accept records with bytes after the decoded value. false: they are dead-lettered."),
      field(&engine_settings::outputs, "outputs")
          .doc("Topics of outputs by the output's name, where they differ from it."),
  });
}

}  // namespace

const spec<engine_settings>& engine_spec() {
  static const spec<engine_settings> declared = [] {
    spec<engine_settings> all{};
    add_intake(all);
    add_failures(all);
    add_times(all);
    add_policies(all);
    all.check(check_engine);
    all.check(check_policies);
    return all;
  }();
  return declared;
}

}  // namespace millrace::app
