// Limits and policies of a record engine. The defaults suit records of about one kilobyte and a database that
// responds within milliseconds.
//
// Example:
//
//   engine::engine_options options;
//   options.order = engine::order_mode::key;
//   options.retry.attempts_max = 3;
//   options.dead_letter_topic = "visits.dead";
//
// Threads: plain values. An engine calls the functions among them on the thread of its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/engine/filter.h>
#include <millrace/engine/input_options.h>
#include <millrace/engine/policy.h>

namespace millrace::engine {

// unordered: no record waits for another. key: records of one key run one after another, in log order, keys
// in parallel; null keys are unordered. partition: records of one partition run one after another. The next
// record runs when the one before is finished: its emitted and dead-letter records are acknowledged, its
// retries are over.
enum class order_mode : std::uint8_t { unordered, key, partition };
// Action for a record without a value. automatic: process when a processor overrides deleted(), otherwise skip.
enum class tombstone_policy : std::uint8_t { automatic, process, skip, dead_letter };
// The reason of a skipped or dead-lettered tombstone.
inline constexpr char tombstone_reason[] = "tombstone";

// Timestamp of an emitted record, unless the processor chooses another: that of the record which is processed,
// as Kafka Streams does, or the time at which it is produced.
enum class emit_timestamp_policy : std::uint8_t { record, now };

// Header names of a dead-letter record: millrace.dlq.*, those of Kafka Streams (KIP-1034:
// __streams.errors.*), or both.
enum class dead_letter_header_names : std::uint8_t { millrace, streams, both };

// Retries of one record. An error of the database (unavailable, overloaded, a timeout, an unreadable answer)
// costs no attempt: an outage dead-letters nothing, however long it is and however few records there are. The
// record is dead-lettered when it has failed with such an error for age_max in which the same statement
// succeeded for other records. Unavailable and overloaded blame no record: they are retried without a limit.
struct retry_policy {
  std::uint32_t attempts_max = 10;  // including the first; then the record is dead-lettered
  milliseconds age_max{300'000};    // since the first failure; then the record is dead-lettered
  milliseconds backoff_first{50};   // doubles with every attempt
  milliseconds backoff_max{10'000};
  double jitter = 0.5;  // share of the backoff that is subtracted at random
};

// The retry budget of the process (retry_budget.h). Within a window at most `reserve` retries plus `ratio` of
// the first attempts may fail. A retry over the budget waits longer; the wait does not count towards age_max.
struct retry_budget_policy {
  double ratio = 0.1;           // 1 or more: no limit
  std::uint32_t reserve = 100;  // allows the immediate retry of single failures; at least 1
  seconds window{10};
};

// The dead-letter rate limit. The engine stops when, within a window, at least `dead_letters_min` records and
// more than `ratio` of all were dead-lettered.
struct dead_letter_limit_policy {
  double ratio = 0.5;  // 1 or more: never
  std::uint32_t dead_letters_min = 100;
  seconds window{60};
};

// A circuit breaker per dependency (database, broker). It opens when, within a window, at least
// `failures_min` requests and more than `ratio` of all failed because the dependency is unhealthy, or when
// `failures_in_row_min` requests failed one after another and none has succeeded for `window`. While it is
// open no record is taken from the source and retries wait.
struct breaker_policy {
  double ratio = 0.5;  // 1 or more: never
  std::uint32_t failures_min = 50;
  seconds window{10};
  std::uint32_t failures_in_row_min = 5;  // without a success for `window`: these open it, too; for low rates
  milliseconds open_first{500};           // before the first probe; doubles with every probe that fails
  milliseconds open_max{10'000};
  milliseconds probe_interval{100};
  std::uint32_t probes_min = 3;  // consecutive successful probes that close it
};

// An exception that left process(). The views are valid during the call.
struct processor_exception {
  std::string_view processor;
  std::string_view type;  // "std::out_of_range"
  const error& failure;   // processor, record, attempt, type and what()
};

// The first tombstone of a topic that was skipped by rule. The view is valid during the call.
struct skipped_tombstone {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

// Options of one worker's engine.
struct engine_options {
  std::size_t in_flight_records_max = 1'024;  // taken and not finished, including queued and retrying records
  std::size_t take_records_max = 256;         // per turn of the event loop
  // Limit of records in flight of one partition. 0: seven eighths of all when more than one partition is
  // assigned.
  std::size_t partition_share_max = 0;
  // Age of the oldest unfinished record from which a partition that holds its share is paused. Before that
  // nothing is taken, because pausing discards what the client has fetched.
  milliseconds partition_pause_after{100};
  // Age of the oldest unfinished record from which a partition is stalled: it may then hold an equal share of
  // half the records only.
  milliseconds partition_stall_after{1'000};
  // Limit of delivered records from the committed offset on, per partition. A crash delivers them again.
  std::size_t partition_window_max = 100'000;
  std::size_t schema_wait_records_max = 64;   // of one partition, waiting for a schema
  std::size_t record_bytes_max = 16U << 20U;  // larger ones are dead-lettered unread
  std::size_t partitions_max = 10'000;        // assigned to one worker
  std::size_t schemas_max = 10'000;           // schema ids in memory; the oldest is removed for a new one
  std::size_t emits_per_record_max = 1'000;   // of one processor; a record that exceeds it is dead-lettered
  // Limits of one record's memory: of its decoded value, and of the emits of one processor. A record that
  // exceeds one is dead-lettered. Both count against the byte budget while the record is in flight.
  std::size_t decoded_bytes_max = 64U << 20U;
  std::size_t emit_bytes_per_record_max = 64U << 20U;

  std::vector<input_options> inputs;  // empty: every topic is of the input `default`

  order_mode order = order_mode::unordered;
  tombstone_policy tombstones = tombstone_policy::automatic;
  emit_timestamp_policy emit_timestamp = emit_timestamp_policy::record;
  bool ignore_trailing_bytes = false;  // false: a record with bytes after the decoded value is dead-lettered
  retry_policy retry;
  dead_letter_limit_policy dead_letter_limit;
  breaker_policy breaker;

  // Of single processors, by name; others have none. A name that no processor has takes no effect here: build() and
  // the application refuse it.
  std::vector<processor_policy> processors;
  std::vector<dependency_policy> dependencies;
  // Of every processor. Each must have passed check().
  std::vector<record_filter> filters;

  // Time of one attempt of a processor, waits included; then the attempt is cancelled, fails with
  // errc::timed_out and is retried. process() goes on until it returns: what it emits is dropped, but not what
  // it writes to the database. 0: no limit.
  milliseconds attempt_timeout{300'000};
  milliseconds commit_interval{1'000};
  milliseconds commit_timeout{10'000};  // for the response to one commit, and for the last commit of a stop
  milliseconds drain_timeout{10'000};   // of a stop; records that are unfinished then are abandoned
  milliseconds leave_timeout{5'000};    // of a stop, after the last commits: for leaving the group
  milliseconds revoke_drain_timeout{5'000};
  milliseconds schema_not_found_grace{10'000};  // for a registry that lags; then the record is dead-lettered
  milliseconds schema_backoff_first{100};
  milliseconds schema_backoff_max{5'000};
  milliseconds status_interval{250};

  std::string dead_letter_topic;
  dead_letter_header_names dead_letter_headers = dead_letter_header_names::millrace;
  std::string group;                       // dead-letter header; records redriven for it are processed
  std::vector<std::string> former_groups;  // records redriven for these are processed, too
  std::vector<std::string> other_groups;   // of other applications: records redriven for these are skipped
  std::string version;                     // dead-letter header: of the application
  std::uint64_t seed = 1;

  // Called on failures that end nothing and that no port reported, on the loop's thread. May be empty.
  std::function<void(std::string_view event, const error& failure)> on_problem;
  // Called on every exception that leaves process(), on the loop's thread. May be empty.
  std::function<void(const processor_exception& thrown)> on_exception;
  // Called on the first tombstone of a topic that is skipped by rule, on the loop's thread. May be empty.
  std::function<void(const skipped_tombstone& first)> on_tombstone_skipped;
};

// The header of a record's creation time in microseconds since 1970: eight bytes big-endian, or decimal text.
// Every emit passes it on, so that the end-to-end time of a later application begins with the first record.
inline constexpr char created_header[] = "millrace-created-us";

// The header of every emit that tells a repetition from another emit: "visits/3/17/enrich/0", the topic,
// partition and offset of the record, the processor, and the number of the emit. A record that is processed
// again after a crash emits with the same ids, so that a consumer can drop what it has seen.
inline constexpr char emit_id_header[] = "millrace-id";

// Headers of a record that was produced again from its dead letter (`millrace dlq redrive`). With a group,
// only an engine of that group works on it, or one that has it among its former groups; one that has it among
// the other groups skips it. With a processor, only that one runs. A record that names a group or a processor
// that is not known is sent to the dead-letter topic again (errc::redrive_target_unknown), which the
// dead-letter rate limit does not count.
inline constexpr char redrive_group_header[] = "millrace.redrive.group";
inline constexpr char redrive_processor_header[] = "millrace.redrive.processor";
inline constexpr char redrive_count_header[] = "millrace.redrive.count";  // decimal, from 1

}  // namespace millrace::engine
