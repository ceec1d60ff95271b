// Requests where partitions are read from, on a thread of its own, because librdkafka's requests for it
// block.
//
// ask() requests the committed offsets of an assignment, and for a partition without one the offset that
// `start_from` stands for. It repeats the requests until the brokers answer: a request without an answer must
// not become "nothing was committed". The topics' ids are requested along with it, once: without them a
// commit's metadata is of no use, nothing worse. ask_range() requests the offsets between which a partition
// can be read now, ask_beginning() the first ones, ask_ends() the ends, ask_topics() the ids alone.
//
// Threads: all functions are for the worker; the thread only sends the requests and wakes the loop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <millrace/kafka/start_position.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/source.h>

#include "handles.h"

namespace millrace::kafka {

// Where a partition without a committed offset is read from.
struct first_position {
  stream::position_origin origin = stream::position_origin::beginning;
  std::int64_t offset = -1;
  // `start_from` is fail, and the partition is as old as the group.
  bool refused = false;
};

struct log_range {
  std::int64_t low = -1;   // the oldest offset that can be read
  std::int64_t high = -1;  // one past the newest
};

// What the brokers said about topics. Empty: they did not answer, or are too old to know ids.
struct topics_told {
  std::map<std::string, std::string> ids;  // by name; "" is a topic without one
  std::vector<std::string> denied;         // topics that do not exist, as they say
};

struct lookup_answer {
  std::uint64_t assignment = 0;  // as given to ask(), ask_range() or ask_beginning(); otherwise 0
  partition_list offsets;        // set when `failure` is not; the requested ones
  rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
  bool final = true;  // false: a failed attempt that is being repeated
  // By topic and partition, those without a committed offset.
  std::map<std::pair<std::string, std::int32_t>, first_position> first;
  // By topic: how many partitions it had when the group began (group_start.h); absent when not known.
  std::map<std::string, std::int32_t> group_start;
  topics_told topics;
  std::optional<log_range> range;  // the answer to ask_range()
  bool only_topics = false;        // the answer to ask_topics()
  bool only_ends = false;          // the answer to ask_ends()
};

class offset_lookup {
 public:
  // Client and loop must outlive it.
  offset_lookup(rd_kafka_t* client, runtime::loop& worker, start_position start_from);
  offset_lookup(const offset_lookup&) = delete;
  offset_lookup& operator=(const offset_lookup&) = delete;
  // Waits for the request in flight, at most 3 s.
  ~offset_lookup();

  void ask(std::uint64_t assignment, partition_list partitions);
  // `partition` has one entry. Its failed attempts are not reported.
  void ask_range(std::uint64_t assignment, partition_list partition);
  // Likewise; the answer is as that to ask() where the group has committed nothing and begins at the beginning.
  void ask_beginning(std::uint64_t assignment, partition_list partitions);
  // One attempt, which may yield nothing. `topics` has an entry per topic.
  void ask_topics(partition_list topics);
  // The ends of what may be read: the answer's offsets, which are not set when the attempt failed.
  void ask_ends(partition_list partitions);
  // The next answer; the failures of attempts come before it.
  [[nodiscard]] std::optional<lookup_answer> take();
  // Forgets earlier requests; answers to them may still arrive.
  void abandon();
  [[nodiscard]] bool idle();
  // Wakes the loop no more, which may end.
  void fall_silent();

 private:
  enum class subject : std::uint8_t { offsets, range, beginning, ends, topics };
  struct question {
    subject of;
    std::uint64_t assignment;
    partition_list partitions;
  };
  void enqueue(question asked);
  void run();
  void wake();
  [[nodiscard]] lookup_answer attempt(const question& asked);
  [[nodiscard]] lookup_answer attempt_offsets(const question& asked);
  [[nodiscard]] lookup_answer attempt_range(const question& asked);
  [[nodiscard]] lookup_answer attempt_beginning(const question& asked);
  [[nodiscard]] lookup_answer attempt_ends(const question& asked);
  [[nodiscard]] rd_kafka_resp_err_t committed(rd_kafka_topic_partition_list_t& offsets);
  [[nodiscard]] rd_kafka_resp_err_t list_offsets(rd_kafka_topic_partition_list_t& times);
  [[nodiscard]] rd_kafka_resp_err_t resolve_first(lookup_answer& answer);
  [[nodiscard]] rd_kafka_resp_err_t find_group_start(
      const std::map<std::string, std::vector<std::int32_t>>& missing, lookup_answer& answer,
      std::map<std::string, bool>& begun);
  [[nodiscard]] std::int32_t partitions_of(const std::string& topic);
  [[nodiscard]] topics_told describe(const rd_kafka_topic_partition_list_t& of);

  rd_kafka_t* client_;
  runtime::loop& worker_;
  start_position start_from_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<question> questions_;
  std::deque<lookup_answer> answers_;
  bool asking_ = false;
  bool stop_ = false;
  bool silent_ = false;
  std::uint64_t abandoned_ = 0;
  std::thread thread_;
};

}  // namespace millrace::kafka
