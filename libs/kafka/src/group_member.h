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
//   revoking   every revoking partition was released              absent     nothing
//   any        the assignment was lost                            absent     on_lost
//   any        close() after a fatal error of the client          absent     on_lost
//
// The states of the member:
//
//   reading ── fail(): fatal error ──▶ failed ──┐
//      └─────────────── close() ────────────────┴──▶ closing ── group left, no lookup in flight ──▶ closed
//
// A failed or closing member still serves events and commits, and hands over no records. When librdkafka
// refuses to close properly after a fatal error, the partitions are reported as lost and the member is closed
// without the group's consent (abandoned_).
#pragma once

#include <deque>
#include <list>
#include <string>
#include <vector>

#include <millrace/kafka/consumer.h>
#include <millrace/runtime/timer.h>

#include "handles.h"
#include "offset_lookup.h"

namespace millrace::kafka {

// What is known of a partition while it is ours.
struct owned_partition {
  enum class stage : std::uint8_t {
    absent,
    asking,    // assigned by the group; its committed offset is being requested
    reading,   // in the client's assignment
    revoking,  // on_revoked was called; ours until released
  };
  struct epoch_start {
    std::int64_t offset;  // first record seen with this epoch
    std::int32_t epoch;
  };

  stage at = stage::absent;
  bool in_assignment = false;  // the client fetches it
  bool paused = false;
  bool released = false;
  std::uint64_t assignment = 0;  // which assignment it came with; never repeats
  std::int64_t next_offset = -1;
  // How many partitions the topic had when the group began (group_start.h); empty: not known.
  std::optional<std::int32_t> group_start;
  stream::partition_offset committed;    // the newest that the broker accepted
  std::uint64_t committed_by = 0;        // the request's number; 0: none was accepted
  std::optional<instant> unknown_since;  // the broker answers commits with "unknown partition"
  std::vector<epoch_start> epochs;       // ascending; those before the committed offset are dropped

  // What was fetched is not trusted, and fetching begins at next_offset again (reading.cc).
  std::uint64_t distrusted_batch = 0;   // the batch of records in which that was found
  std::uint32_t rereads = 0;            // in a row, without a record that was taken
  std::optional<instant> reread_at;     // waits for it
  std::optional<instant> restarted_at;  // assigned again, because the client had stopped fetching
  bool range_asked = false;             // the offsets that the log has are being requested
  std::optional<std::int64_t> jump_to;  // the next record seemed to be this one; it is being read again
  std::uint32_t jumps_confirmed = 0;
};

class consumer::group_member {
 public:
  group_member(consumer_config config, runtime::loop& worker, client_handle client);
  group_member(const group_member&) = delete;
  group_member& operator=(const group_member&) = delete;
  ~group_member();

  [[nodiscard]] result<void> subscribe();

  std::size_t poll(stream::source_events& events, std::size_t records_max);
  void commit(std::span<const stream::partition_offset> offsets);
  void commit_again(std::span<const stream::partition_offset> offsets);
  void release(std::span<const stream::partition_id> partitions);
  void set_paused(stream::partition_id partition, bool paused);
  void close();
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] std::string_view topic_name(std::uint32_t topic) const noexcept;
  [[nodiscard]] std::string_view topic_id(std::uint32_t topic) const noexcept { return topic_ids_[topic]; }
  struct watermarks {
    std::int64_t low;
    std::int64_t high;
  };
  [[nodiscard]] std::optional<watermarks> watermarks_of(stream::partition_id partition) const noexcept;
  [[nodiscard]] const consumer_counters& counters() const noexcept { return counters_; }

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

  // group_member.cc
  void drop_everything(stream::source_events& events);
  class release_everything;
  void serve_events(stream::source_events& events, int wait_ms);
  void on_event(rd_kafka_event_t* event, stream::source_events& events);
  void on_error_event(rd_kafka_event_t* event, stream::source_events& events);
  void fail(stream::source_events& events, const error& failure);
  void forward_log(rd_kafka_event_t* event);

  // reading.cc
  class reread_alarm final : public runtime::timer {
   public:
    explicit reread_alarm(runtime::loop& worker) : worker_(worker) {}

   private:
    void on_timer() override { worker_.wake(); }
    runtime::loop& worker_;
  };
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
  void reread(owned_partition& partition, stream::partition_id id, const error& cause,
              stream::source_events& events);
  void reread_in(nanoseconds delay, stream::partition_id id, owned_partition& partition);
  void serve_rereads();
  void fetch_from(stream::partition_id id, owned_partition& partition);
  void restart_fetching(stream::partition_id id);
  static void note_epoch(owned_partition& owned, const rd_kafka_message_t& message);

  // rebalance.cc
  void on_rebalance(rd_kafka_event_t* event, stream::source_events& events);
  void on_assign(const rd_kafka_topic_partition_list_t& partitions, stream::source_events& events);
  void on_revoke(const rd_kafka_topic_partition_list_t& partitions, stream::source_events& events);
  void finish_revoke();
  void serve_lookups(stream::source_events& events);
  void start_reading(const lookup_answer& answer, stream::source_events& events);
  void assign_in_client(partition_list added);
  void unassign_in_client(partition_list removed);
  [[nodiscard]] bool eager() const noexcept;

  // commit.cc
  void wait_to_commit(std::span<const stream::partition_offset> offsets);
  void send_commit();
  void on_commit_answer(const commit_entry& entry, std::uint64_t request, owned_partition& owned,
                        rd_kafka_resp_err_t failure);
  void on_late_commit(const commit_entry& late, std::uint64_t request, owned_partition& owned);
  void on_commit_event(rd_kafka_event_t* event, stream::source_events& events);
  void report_commits(stream::source_events& events);
  // Empty: the broker has it.
  [[nodiscard]] std::optional<error> verdict_on_commit(owned_partition& owned,
                                                       rd_kafka_resp_err_t answer) const;
  [[nodiscard]] std::int32_t epoch_before(owned_partition& owned, std::int64_t offset);

  [[nodiscard]] std::optional<std::uint32_t> topic_index(std::string_view name) const noexcept;
  [[nodiscard]] owned_partition& owned(stream::partition_id partition);
  [[nodiscard]] owned_partition* find(stream::partition_id partition) noexcept;
  [[nodiscard]] std::string describe(stream::partition_id partition) const;
  void add_to(rd_kafka_topic_partition_list_t* list, stream::partition_id partition) const;
  // The partitions of subscribed topics in `list`.
  [[nodiscard]] std::vector<stream::partition_id> ids_of(const rd_kafka_topic_partition_list_t& list) const;

  consumer_config config_;
  runtime::loop& worker_;
  client_handle client_;
  queue_handle group_queue_;
  queue_handle fetch_queue_;
  std::unique_ptr<offset_lookup> lookup_;
  std::vector<std::vector<owned_partition>> owned_;  // by topic, by partition
  std::vector<std::string> topic_ids_;               // by topic; empty: not known
  std::uint64_t assignments_ = 0;
  std::vector<stream::partition_id> revoking_;
  bool revoke_pending_ = false;

  std::vector<commit_entry> commit_waiting_;
  std::list<commit_request> commits_;           // sent and not answered, given up or not
  commit_request* commit_in_flight_ = nullptr;  // the one of them that is waited for
  std::uint64_t commit_requests_ = 0;
  std::vector<stream::commit_result> commit_results_;

  std::vector<rd_kafka_message_t*> batch_;
  std::uint64_t batch_number_ = 0;
  std::vector<stream::partition_id> rereading_;  // those that wait for it
  reread_alarm reread_alarm_{worker_};
  std::vector<stream::header_view> headers_;
  rd_kafka_topic_t* last_topic_ = nullptr;  // valid within one poll
  std::uint32_t last_topic_index_ = 0;
  std::deque<error> failures_;  // of calls outside poll
  bool failed_ = false;
  bool closing_ = false;
  bool abandoned_ = false;  // closing after a fatal error
  bool closed_ = false;
  consumer_counters counters_;
};

}  // namespace millrace::kafka
