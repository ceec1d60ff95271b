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
  began_at_end,      // the same moment: of a partition for which the group has no offset
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
  emitted_more,         // one of many further ones
  erased,               // the downstream tombstone of a tombstone is in its topic
  dead_letter_sent,     // the member handed a dead letter to its producer; `key` is the code of its error
  dead_letter_written,  // the dead letter is in its topic
  crashed,              // the member is gone
  stopped,              // the member left, by request
  database_down,        // no request succeeds
  database_up,          // requests succeed again, unless another fault strikes
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
  throws_late,
  too_large,   // its value is larger than it may be once it is decoded
  emits_many,  // as many as it may
  emits_too_many,
  // Headers of a record that was produced again from a dead letter: for one processor, for one that was renamed,
  // and for the former name of the group, another application's group, and one that nobody knows.
  redriven_for_writing,
  redriven_for_renamed,
  redriven_for_former,
  redriven_for_other,
  redriven_for_unknown,
};

struct logged {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string key;
  kind what = kind::good;
  bool second_load = false;
};

enum class order : std::uint8_t { unordered, key, partition };

// The retry budget of a process: within a window at most so many failed retries, and that share of the first
// tries.
struct retry_allowance {
  bool limited = false;
  double workers = 1;  // that share it
  double ratio = 0;
  std::uint32_t reserve = 0;
  std::int64_t window_ns = 0;
};

struct history {
  bool tombstones_processed = false;  // by "writing"; otherwise they are skipped
  bool starts_at_end = false;         // a partition without a commit begins at the end of its log
  retry_allowance retries;
  order ordered = order::unordered;
  std::uint32_t attempts_max = 0;       // on a record that fails
  std::int64_t attempt_timeout_ns = 0;  // 0: none
  std::size_t emits_max = 0;            // of one record
  bool limited = false;                 // work waits for limits, so that a drain may end before it
  std::int64_t commits_within_ns = 0;   // the commit of where a partition began at the end of its log
  std::map<int, int> process_of;        // by member: workers of one process share its budgets
  std::vector<logged> log;              // in the order of production
  std::vector<event> events;
  std::map<std::int32_t, std::int64_t> ends;       // partition → one past its last record
  std::map<std::int32_t, std::int64_t> log_ends;   // the same, and past the markers of transactions after it
  std::map<std::int32_t, std::int64_t> committed;  // at the end
  std::map<std::pair<std::int32_t, std::string>, std::int64_t>
      latest;  // the table at the end: offset of the row
  std::map<std::pair<std::int32_t, std::string>, std::int64_t> latest_written_us;  // its write timestamps
  std::vector<std::string> complaints;  // of the ports and of the record accounting, while running
};

}  // namespace scenario
