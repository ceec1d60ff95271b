// The subscribed topics, and what is known of each of their partitions while it is ours. The states of a
// partition are drawn in group_member.h.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/stream/source.h>

#include "handles.h"

namespace millrace::kafka {

// What is known of a partition while it is ours.
struct owned_partition {
  enum class stage : std::uint8_t {
    absent,
    asking,    // assigned by the group; its start offset is being requested
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
  std::int64_t stalled_at = -1;     // the read position when it was below the high watermark (ends.cc)
  std::int64_t nothing_after = -1;  // the read position after which nothing may be read,
  instant nothing_after_at;         // as the leader said then
  std::int64_t misread_at = -1;  // next_offset when librdkafka took an error for the record there (ends.cc)
  std::optional<std::int64_t> read_position;  // while it is being revoked
  std::optional<std::int64_t> rewound_from;   // the expected offset, while a lower one is being requested
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

class partition_table {
 public:
  explicit partition_table(const std::vector<std::string>& topics)
      : topics_(topics), ids_(topics.size()), owned_(topics.size()) {}

  [[nodiscard]] const std::vector<std::string>& topics() const noexcept { return topics_; }
  // The index of a topic; nullopt when it is not subscribed.
  [[nodiscard]] std::optional<std::uint32_t> index_of(std::string_view topic) const noexcept;
  // The identity of a topic; empty: not known.
  [[nodiscard]] std::string& id_of(std::uint32_t topic) noexcept { return ids_[topic]; }
  [[nodiscard]] const std::string& id_of(std::uint32_t topic) const noexcept { return ids_[topic]; }

  // The partition, which is added when it is not there.
  [[nodiscard]] owned_partition& at(stream::partition_id partition);
  [[nodiscard]] owned_partition* find(stream::partition_id partition) noexcept;
  [[nodiscard]] const owned_partition* find(stream::partition_id partition) const noexcept;
  // Those that are not absent.
  [[nodiscard]] std::vector<stream::partition_id> owned() const;
  [[nodiscard]] std::vector<stream::partition_id> owned_of(std::uint32_t topic) const;

  [[nodiscard]] std::string describe(stream::partition_id partition) const;
  rd_kafka_topic_partition_t* add_to(rd_kafka_topic_partition_list_t* list,
                                     stream::partition_id partition) const;
  // The partitions of subscribed topics in `list`.
  [[nodiscard]] std::vector<stream::partition_id> ids_of(const rd_kafka_topic_partition_list_t& list) const;

 private:
  const std::vector<std::string>& topics_;
  std::vector<std::string> ids_;                     // by topic
  std::vector<std::vector<owned_partition>> owned_;  // by topic, by partition
};

}  // namespace millrace::kafka
