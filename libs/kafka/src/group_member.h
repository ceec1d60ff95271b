// The consumer behind consumer.h: one librdkafka handle, its two queues and the state of each partition.
//
// The states of a partition (owned_partition::stage):
//
//   absent ── on_assign() ──▶ asking ── start_reading() ──▶ reading
//     ▲                         │                              │
//     │                         └───────── on_revoke() ────────┤
//     │                                                        ▼
//     └── finish_revoke(): all released, or lost ────────── revoking
//
//   from       event                                              to         reported as
//   absent     the group assigns the partition                    asking     on_assigned
//   asking     its committed offset, or a start offset, is known  reading    on_position
//   asking     the group revokes or takes the partition           revoking   on_revoked
//   reading    the group revokes the partition                    revoking   on_revoked
//   reading    its log is another one, or ends before the offset  asking     on_lost, on_assigned
//   revoking   every revoking partition was released              absent     nothing
//   any        the assignment was lost                            absent     on_lost
//   any        close() after a fatal error of the client          absent     on_lost
//
// The states of the member:
//
//   reading ── fail(): fatal error ──▶ failed ──┐
//      └─────────────── close() ────────────────┴──▶ closing ── group left, no lookup in flight ──▶ closed
//
// A member that is broken (another client can go on) is replaced by consumer.cc. A failed or closing member
// still serves events and commits, and hands over no records. When librdkafka
// refuses to close properly after a fatal error, the partitions are reported as lost and the member is closed
// without the group's consent (abandoned_).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <millrace/kafka/consumer.h>

#include "applied_credentials.h"
#include "commit.h"
#include "ends.h"
#include "handles.h"
#include "offset_lookup.h"
#include "partition_table.h"
#include "wake_alarm.h"

namespace millrace::kafka {

class consumer::group_member {
 public:
  group_member(const consumer_config& config, runtime::loop& worker, client_handle client,
               consumer_counters& counters);
  group_member(const group_member&) = delete;
  group_member& operator=(const group_member&) = delete;
  ~group_member();

  [[nodiscard]] result<void> subscribe();

  std::size_t poll(stream::source_events& events, std::size_t records_max);
  // Serves the client without its owner: gives up what the group revokes.
  void poll_silently(int wait_ms);
  void commit(std::span<const stream::partition_offset> offsets) { commits_->commit(offsets); }
  void commit_again(std::span<const stream::partition_offset> offsets) { commits_->commit_again(offsets); }
  void release(std::span<const stream::partition_id> partitions);
  void set_paused(stream::partition_id partition, bool paused);
  void close();
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  // A reason for which another client can go on and this one cannot; it hands over nothing any more.
  [[nodiscard]] const std::optional<error>& broken() const noexcept { return broken_; }
  void drop_everything(stream::source_events& events);
  void fail(stream::source_events& events, const error& failure);
  // Ends the client on a thread of its own, because librdkafka joins its threads.
  static void end_in_background(std::unique_ptr<group_member> ended);

  [[nodiscard]] std::string_view topic_id(std::uint32_t topic) const noexcept {
    return partitions_.id_of(topic);
  }
  [[nodiscard]] const log_ends& ends() const noexcept { return *ends_; }

 private:
  class release_everything;

  // group_member.cc
  [[nodiscard]] bool takes_records() const noexcept { return !failed_ && !closing_ && !broken_; }
  void serve_events(stream::source_events& events, int wait_ms);
  void on_event(rd_kafka_event_t* event, stream::source_events& events);
  void on_error_event(rd_kafka_event_t* event, stream::source_events& events);
  void on_fatal_error(rd_kafka_resp_err_t code, stream::source_events& events);
  void note_fence();

  // topics.cc
  void check_topics();
  void note_topics(const topics_told& told, stream::source_events& events);
  void on_client_error(rd_kafka_resp_err_t code, const error& failure, stream::source_events& events);
  void on_recreated(std::uint32_t topic, const std::string& text, stream::source_events& events);
  void renew(std::span<const stream::partition_id> partitions, stream::source_events& events);

  // reading.cc
  std::size_t take_records(stream::source_events& events, std::size_t records_max);
  bool take_message(const rd_kafka_message_t& message, stream::source_events& events);
  [[nodiscard]] owned_partition* reading_of(const rd_kafka_message_t& message, stream::partition_id& id);
  void note_false_jump(owned_partition& partition, stream::partition_id id, stream::source_events& events);
  [[nodiscard]] bool trusts(owned_partition& partition, stream::partition_id id,
                            const rd_kafka_message_t& message, stream::source_events& events);
  void hand_over(const rd_kafka_message_t& message, stream::partition_id from, stream::source_events& events);
  void on_message_error(const rd_kafka_message_t& message, stream::source_events& events);
  void on_offset_refused(owned_partition& partition, stream::partition_id id, std::int64_t refused,
                         const std::string& text, stream::source_events& events);
  void on_log_range(const lookup_answer& answer, stream::source_events& events);
  void leave_range(owned_partition& partition, stream::partition_id id, const std::string& why,
                   std::int64_t resume_at, stream::source_events& events);
  void go_back(stream::partition_id id, std::int64_t resume_at, stream::source_events& events);
  void reread(owned_partition& partition, stream::partition_id id, const error& cause,
              stream::source_events& events);
  void reread_in(nanoseconds delay, stream::partition_id id, owned_partition& partition);
  void serve_rereads();
  void fetch_from(stream::partition_id id, owned_partition& partition);
  void restart_fetching(stream::partition_id id);
  void note_epoch(owned_partition& owned, const rd_kafka_message_t& message);

  // rebalance.cc
  void on_rebalance(rd_kafka_event_t* event, stream::source_events& events);
  void on_assign(const rd_kafka_topic_partition_list_t& partitions, stream::source_events& events);
  void on_revoke(const rd_kafka_topic_partition_list_t& partitions, stream::source_events& events);
  void finish_revoke();
  [[nodiscard]] bool all_released() const;
  void serve_lookups(stream::source_events& events);
  void start_reading(const lookup_answer& answer, stream::source_events& events);
  void begin_reading(const stream::partition_offset& start, stream::position_origin origin,
                     stream::source_events& events);
  void assign_in_client(partition_list added);
  void unassign_in_client(partition_list removed);
  [[nodiscard]] bool eager() const noexcept;

  consumer_config config_;
  runtime::loop& worker_;
  client_handle client_;
  applied_credentials credentials_;
  queue_handle group_queue_;
  queue_handle fetch_queue_;
  std::unique_ptr<offset_lookup> lookup_;
  partition_table partitions_;
  std::unique_ptr<commit_queue> commits_;
  std::unique_ptr<log_ends> ends_;
  std::uint64_t assignments_ = 0;
  std::vector<stream::partition_id> revoking_;
  bool revoke_pending_ = false;

  instant topics_checked_at_;
  bool topics_asked_ = false;            // their ids are being requested
  bool topics_suspect_ = false;          // an answer does not fit the topics that are known
  std::optional<instant> denied_since_;  // a topic that was there
  wake_alarm topics_alarm_{worker_};

  std::vector<rd_kafka_message_t*> batch_;
  std::uint64_t batch_number_ = 0;
  std::vector<stream::partition_id> rereading_;  // those that wait for it
  wake_alarm reread_alarm_{worker_};
  std::vector<stream::header_view> headers_;
  rd_kafka_topic_t* last_topic_ = nullptr;  // valid within one poll
  std::uint32_t last_topic_index_ = 0;
  std::deque<error> failures_;  // of calls outside poll
  std::optional<error> broken_;
  bool failed_ = false;
  bool closing_ = false;
  bool abandoned_ = false;  // closing after a fatal error
  bool closed_ = false;
  consumer_counters& counters_;
};

}  // namespace millrace::kafka
