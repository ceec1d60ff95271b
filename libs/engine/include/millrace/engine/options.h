// Limits and policies of a record engine. The defaults suit records of about 1 KiB and a database that
// answers within milliseconds.
//
// Example:
//
//   engine::engine_options options;
//   options.order = engine::order_mode::key;
//   options.in_flight_records_max = 4'096;
//   options.retry.attempts_max = 5;
//   options.dead_letter_topic = "visits.dlq";
//
// Threads: plain values; callbacks run on the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>

namespace millrace::engine {

// The order of records:
//
// * unordered: records run as they come.
// * key: records of one key run one after another, in log order; keys run in parallel. Records with a null
//   key are unordered.
// * partition: records of one partition run one after another.
//
// A record's turn ends when it is finished: its emits and dead-letter records are acknowledged and its
// retries are over.
enum class order_mode : std::uint8_t { unordered, key, partition };
// The policy for a record without a value.
enum class tombstone_policy : std::uint8_t { skip, dead_letter };
// The policy for bytes after the decoded value.
enum class trailing_bytes_policy : std::uint8_t { dead_letter, ignore };

// The names of the headers of a dead-letter record: millrace.dlq.*, those of Kafka Streams (KIP-1034:
// __streams.errors.*), or both.
enum class dead_letter_header_names : std::uint8_t { millrace, streams, both };

// Retries of one record.
struct retry_policy {
  std::uint32_t attempts_max = 10;  // the first try included
  milliseconds age_max{300'000};    // since the first failure; then a dead letter
  milliseconds backoff_first{50};   // doubles with every attempt
  milliseconds backoff_max{10'000};
  double jitter = 0.5;  // the part of the backoff that is taken off at random
};

// The retry budget of the process (retry_budget.h): in every window at most `reserve` retries, and `ratio` of
// the first tries, may fail. A retry above it waits, and the record does not age while it waits.
struct retry_budget_policy {
  double ratio = 0.1;           // 1 or more: no limit
  std::uint32_t reserve = 100;  // so that single failures are retried at once; at least 1
  seconds window{10};
};

// The dead-letter rate limit: the engine stops when, within a window, at least `dead_letters_min` records and
// more than `ratio` of all were sent to the dead-letter topic.
struct dead_letter_limit_policy {
  double ratio = 0.5;  // 1 or more: never
  std::uint32_t dead_letters_min = 100;
  seconds window{60};
};

// A circuit breaker per dependency (database, broker). It opens when, within a window, at least
// `failures_min` tries and more than `ratio` of all failed because the dependency is unavailable or
// overloaded. Until it closes, no records are taken, retries wait, and failures neither count as attempts nor
// make a record older.
struct breaker_policy {
  double ratio = 0.5;  // 1 or more: never
  std::uint32_t failures_min = 50;
  seconds window{10};
  milliseconds open_first{500};  // then a probe; doubles with every probe that fails
  milliseconds open_max{10'000};
  milliseconds probe_interval{100};
  std::uint32_t probes_min = 3;  // that succeed, one after another, to close it
};

// An exception that left process(). The views are valid during the call.
struct processor_exception {
  std::string_view processor;
  std::string_view type;  // "std::out_of_range"
  const error& failure;   // processor, record, attempt, type and what()
};

// Options of one worker's engine.
struct engine_options {
  std::size_t in_flight_records_max = 1'024;  // taken and not finished, queued and retrying ones included
  std::size_t take_records_max = 256;         // in one turn
  // Records in flight of one partition. 0: seven eighths of in_flight_records_max when more than one
  // partition is assigned.
  std::size_t partition_share_max = 0;
  // A partition that holds its share is paused only when its oldest record has been unfinished for this long;
  // until then nothing is taken. Pausing discards prefetched records.
  milliseconds partition_pause_after{100};
  // A partition whose oldest record has been unfinished for this long is stalled: it may then hold only an
  // equal share of half the records.
  milliseconds partition_stall_after{1'000};
  // Delivered records from the committed offset on, per partition: the records that a crash would deliver
  // again.
  std::size_t partition_window_max = 100'000;
  std::size_t schema_wait_records_max = 64;   // of one partition, waiting for a schema
  std::size_t record_bytes_max = 16U << 20U;  // larger records go to the dead-letter topic undecoded
  std::size_t partitions_max = 10'000;        // assigned to this worker
  std::size_t schemas_max = 10'000;           // cached schema ids; the oldest is removed for a new one
  std::size_t emits_per_record_max = 1'000;   // of one processor; beyond it: to the dead-letter topic

  order_mode order = order_mode::unordered;
  tombstone_policy tombstones = tombstone_policy::skip;
  trailing_bytes_policy trailing_bytes = trailing_bytes_policy::dead_letter;
  retry_policy retry;
  dead_letter_limit_policy dead_letter_limit;
  breaker_policy breaker;

  milliseconds commit_interval{1'000};
  milliseconds commit_timeout{10'000};  // for the answer to one commit, and for the last commit of a stop
  milliseconds drain_timeout{30'000};   // of a stop; records that are unfinished then are abandoned
  milliseconds leave_timeout{5'000};  // of a stop, after the last commits: for the group to let the worker go
  milliseconds revoke_drain_timeout{5'000};
  milliseconds schema_not_found_grace{10'000};  // a registry's follower may lag; then a dead letter
  milliseconds schema_backoff_first{100};
  milliseconds schema_backoff_max{5'000};
  milliseconds status_interval{250};

  std::string dead_letter_topic;
  dead_letter_header_names dead_letter_headers = dead_letter_header_names::millrace;
  std::string group;  // dead-letter header; records that were redriven for it are processed
  std::vector<std::string> former_groups;  // records that were redriven for these are processed, too
  std::vector<std::string> other_groups;   // of other applications: records redriven for these are skipped
  std::string version;                     // dead-letter header: of the application
  std::uint64_t seed = 1;

  // Called for failures that end nothing and that no port reports. Loop's thread. May be empty.
  std::function<void(std::string_view event, const error& failure)> on_problem;
  // Called for every exception that leaves process(). Loop's thread. May be empty.
  std::function<void(const processor_exception& thrown)> on_exception;
};

// The header of a record's creation time in microseconds since 1970: eight bytes big-endian, or decimal text.
inline constexpr char created_header[] = "millrace-created-us";

// Headers of a record that was produced again from its dead-letter record (`millrace dlq redrive`).
//
// * With a group, only an engine of that group processes it, or one that has it among its former groups. An
//   engine that has it among the other groups skips it.
// * With a processor, only that processor runs.
// * A record that names an unknown group or processor goes to the dead-letter topic again
//   (errc::redrive_target_unknown), which the dead-letter rate limit does not count.
inline constexpr char redrive_group_header[] = "millrace.redrive.group";
inline constexpr char redrive_processor_header[] = "millrace.redrive.processor";
inline constexpr char redrive_count_header[] = "millrace.redrive.count";  // decimal, from 1

}  // namespace millrace::engine
