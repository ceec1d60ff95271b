// What happened in a run, as plain data. The cluster writes it, the checker reads it; neither knows the
// engine here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace scenario {

enum class happening : std::uint8_t {
  assigned,          // the member was notified
  revoked,           // the member was notified
  lost,              // the member was notified
  released,          // the member gave the partition up
  delivered,         // a record was handed to the member
  commit_requested,  // by the member
  committed,         // accepted by the broker
  paused,
  resumed,
  work_began,           // a processor on a record
  work_ended,           // the same; it need not be tried again
  work_failed,          // the same, with an error
  row_written,          // the visit's row, keyed by partition and offset
  latest_written,       // the key's row, the newest write timestamp wins
  emitted,              // the downstream record is in its topic
  dead_letter_sent,     // the member handed a dead letter to its producer
  dead_letter_written,  // the dead letter is in its topic
  crashed,              // the member is gone
  stopped,              // the member left, by request
  recovered,            // no fault after this
  second_load,          // records from here on must have their effects exactly once
};

struct event {
  std::int64_t at_ns = 0;
  happening what{};
  int member = -1;  // an incarnation: a restart is another member
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  std::string processor = {};
  std::string key = {};
  std::uint64_t epoch = 0;  // counts how often the member was assigned the partition; 0: not known
};

// What the writer of the log meant. On the last two every attempt of every processor throws: before its first
// wait, or after one.
enum class kind : std::uint8_t {
  good,
  skipped,
  tombstone,
  bad,
  undecodable,
  unknown_schema,
  throws_at_once,
  throws_late
};

struct logged {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string key;
  kind what = kind::good;
  bool second_load = false;
};

enum class order : std::uint8_t { unordered, key, partition };

// The members' retry budget: within a window at most so many failed retries, and that share of the
// first tries. Each member has a budget of its own here.
struct retry_allowance {
  bool limited = false;
  double ratio = 0;
  std::uint32_t reserve = 0;
  std::int64_t window_ns = 0;
};

struct history {
  bool starts_at_end = false;  // a partition without a commit begins at the end of its log
  retry_allowance retries;
  order ordered = order::unordered;
  std::uint32_t attempts_max = 0;  // on a record that fails
  std::vector<logged> log;         // in the order of production
  std::vector<event> events;
  std::map<std::int32_t, std::int64_t> ends;       // partition → one past its last record
  std::map<std::int32_t, std::int64_t> committed;  // at the end
  std::map<std::pair<std::int32_t, std::string>, std::int64_t>
      latest;  // the table at the end: offset of the row
  std::map<std::pair<std::int32_t, std::string>, std::int64_t> latest_written_us;  // its write timestamps
  std::vector<std::string> complaints;  // of the ports and of the record accounting, while running
};

}  // namespace scenario
