// The commits of a member. One commit at a time: later ones wait, the newest offset per partition. A commit
// that is not answered is abandoned when the engine requests it, and the next one is sent over it.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/source.h>

#include "handles.h"
#include "partition_table.h"

namespace millrace::kafka {

class commit_queue {
 public:
  // As in consumer_config.
  struct rules {
    bool waits_for_topics;  // on_missing_topic
    milliseconds unknown_topic_grace;
  };
  // All of them must outlive it. Answers arrive on `answers`; `failed` counts refused partitions.
  commit_queue(rd_kafka_t* client, rd_kafka_queue_t* answers, rules following, runtime::loop& worker,
               partition_table& partitions, std::uint64_t& failed)
      : client_(client),
        answers_(answers),
        rules_(following),
        worker_(worker),
        partitions_(partitions),
        failed_(failed) {}

  void commit(std::span<const stream::partition_offset> offsets);
  void commit_again(std::span<const stream::partition_offset> offsets);
  void on_event(rd_kafka_event_t* event, stream::source_events& events);
  void report(stream::source_events& events);

  // The coordinator takes this member for another group's, or for an outdated one, since then: every commit
  // was refused, and the group has neither revoked nor taken a partition.
  [[nodiscard]] std::optional<instant> fenced_since() const noexcept { return fenced_since_; }
  // Whether an answer since the last call said that a topic or partition is not there.
  [[nodiscard]] bool take_topic_denied() noexcept { return std::exchange(topic_denied_, false); }
  void on_rebalance() noexcept { fenced_since_.reset(); }

 private:
  struct commit_entry {
    stream::partition_offset at;
    std::uint64_t assignment;
    bool unasked = false;   // sent by this object: the answer is ignored
    bool answered = false;  // by the late answer to the same commit, sent before
  };
  // Its address is the name by which librdkafka answers it.
  struct commit_request {
    std::uint64_t number = 0;
    std::vector<commit_entry> entries;
  };

  void wait_to_commit(std::span<const stream::partition_offset> offsets);
  void send();
  [[nodiscard]] partition_list offsets_to_send();
  void on_answer(const commit_entry& entry, std::uint64_t request, owned_partition& owned,
                 rd_kafka_resp_err_t failure);
  void on_late_answer(const commit_entry& late, std::uint64_t request, owned_partition& owned);
  void note_answer(rd_kafka_resp_err_t answer);
  // Empty: the broker has it.
  [[nodiscard]] std::optional<error> verdict_on(owned_partition& owned, rd_kafka_resp_err_t answer) const;

  rd_kafka_t* client_;
  rd_kafka_queue_t* answers_;
  const rules rules_;
  runtime::loop& worker_;
  partition_table& partitions_;
  std::uint64_t& failed_;
  std::vector<commit_entry> waiting_;
  std::list<commit_request> sent_;       // and not answered, given up or not
  commit_request* in_flight_ = nullptr;  // the one of them that is waited for
  std::uint64_t requests_ = 0;
  std::vector<stream::commit_result> results_;
  std::optional<instant> fenced_since_;
  bool topic_denied_ = false;
};

}  // namespace millrace::kafka
