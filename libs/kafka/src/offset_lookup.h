// Asks the group's coordinator for committed offsets on a thread of its own, because librdkafka's question
// blocks; tries for ever, since a question without an answer must not become "nothing was committed". The
// topics' ids are asked for along with it, once: without them a commit's metadata is of no use, nothing
// worse.
//
// ask(), take(), idle() are for the worker; the thread only runs the question and wakes the loop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <millrace/runtime/loop.h>

#include "handles.h"

namespace millrace::kafka {

struct lookup_answer {
  std::uint64_t assignment = 0;  // as given to ask()
  partition_list offsets;        // set when `failure` is not
  rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
  bool final = true;                                  // false: a failed attempt that is being repeated
  std::map<std::string, std::string> topic_ids = {};  // by name; those that the broker told
};

class offset_lookup {
 public:
  // Client and loop must outlive it.
  offset_lookup(rd_kafka_t* client, runtime::loop& worker);
  offset_lookup(const offset_lookup&) = delete;
  offset_lookup& operator=(const offset_lookup&) = delete;
  // Waits for the question that is being asked, at most 3 s.
  ~offset_lookup();

  void ask(std::uint64_t assignment, partition_list partitions);
  // The next answer; the failures of attempts come before it.
  [[nodiscard]] std::optional<lookup_answer> take();
  // Forgets what was asked before; answers to it may still arrive.
  void abandon();
  [[nodiscard]] bool idle();

 private:
  struct question {
    std::uint64_t assignment;
    partition_list partitions;
  };
  void run();
  [[nodiscard]] lookup_answer attempt(const question& asked);
  [[nodiscard]] std::map<std::string, std::string> topic_ids(const rd_kafka_topic_partition_list_t& of);

  rd_kafka_t* client_;
  runtime::loop& worker_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<question> questions_;
  std::deque<lookup_answer> answers_;
  bool asking_ = false;
  bool stop_ = false;
  std::uint64_t abandoned_ = 0;
  std::thread thread_;
};

}  // namespace millrace::kafka
