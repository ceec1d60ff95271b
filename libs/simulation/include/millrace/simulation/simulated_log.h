// A Kafka cluster as data: partitions with their records, the committed offsets of a group, and the owner of
// each partition. It outlives the processes that a simulation starts and crashes.
//
// Example:
//
//   simulation::simulated_log log;
//   const std::uint32_t topic = log.add_topic("visits", 4);
//   simulation::simulated_record visit;
//   visit.created = timestamp(std::chrono::milliseconds(1'700'000'000'000));
//   const std::int64_t offset = log.append({topic, 0}, visit);
//   invariant(log.end({topic, 0}) == offset + 1, "one record");
//
// Threads: one thread, like everything simulated_*, with a manual_clock and run_pending().
// Failure: a partition that does not exist breaks an invariant.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/random.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>
#include <millrace/stream/source.h>

namespace millrace::simulation {

// Uniform random numbers from a seed (splitmix64). The same seed gives the same run.
class seeded_random {
 public:
  explicit seeded_random(std::uint64_t seed) noexcept : numbers_(seed) {}
  // A number of 64 bits.
  [[nodiscard]] std::uint64_t next() noexcept { return numbers_.next(); }
  // A number in [low, high].
  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high) noexcept;
  // True with this probability.
  [[nodiscard]] bool chance(double probability) noexcept;

 private:
  random_source numbers_;
};

// A record of the log.
struct simulated_record {
  std::optional<byte_buffer> key;
  std::optional<byte_buffer> value;
  std::vector<std::pair<std::string, std::optional<byte_buffer>>> headers;
  timestamp created;
  std::int64_t offset = 0;  // set by append
};

// The cluster.
class simulated_log {
 public:
  // Adds a topic and returns its index.
  std::uint32_t add_topic(std::string name, std::int32_t partitions);

  // Appends a record after a hole of `hole` offsets, as compaction and transaction markers leave them, and
  // returns its offset.
  std::int64_t append(stream::partition_id to, simulated_record record, std::int64_t hole = 0);

  // Moves the end of the log by `markers` offsets without a record, as the markers of transactions do.
  void append_markers(stream::partition_id to, std::int64_t markers) { at(to).end += markers; }
  // Adds partitions to a topic.
  void grow(std::uint32_t topic, std::int32_t partitions);
  // True when the partition was added after the group's first commit for its topic.
  [[nodiscard]] bool added_later(stream::partition_id which) const;

  // The name, the partitions and the records.
  [[nodiscard]] const std::string& topic_name(std::uint32_t topic) const { return topics_[topic].name; }
  [[nodiscard]] std::vector<stream::partition_id> partitions(std::uint32_t topic) const;
  [[nodiscard]] const std::vector<simulated_record>& records(stream::partition_id of) const;
  // The end of the log: one past the last record, and past the markers that follow it.
  [[nodiscard]] std::int64_t end(stream::partition_id of) const;
  // The group's committed offset; nullopt when it has none.
  [[nodiscard]] std::optional<std::int64_t> committed(stream::partition_id of) const;
  // The metadata of the last commit.
  [[nodiscard]] const std::string& metadata(stream::partition_id of) const { return at(of).metadata; }
  // The topic's identity; a topic that is created again has another one. Empty: not known.
  [[nodiscard]] const std::string& topic_id(std::uint32_t topic) const { return topics_[topic].id; }
  void set_topic_id(std::uint32_t topic, std::string id) { topics_[topic].id = std::move(id); }

  // Sets the owner of a partition. A commit by any other object is refused.
  void give(stream::partition_id which, const void* owner) { at(which).owner = owner; }
  [[nodiscard]] const void* owner(stream::partition_id of) const { return at(of).owner; }
  // Commits an offset. False when `by` is not the owner.
  [[nodiscard]] bool commit(const stream::partition_offset& what, const void* by);

 private:
  struct partition {
    std::vector<simulated_record> records;
    std::int64_t end = 0;
    std::optional<std::int64_t> committed;
    std::string metadata;
    const void* owner = nullptr;
  };
  struct topic {
    std::string name;
    std::vector<partition> partitions;
    std::string id;
    std::optional<std::size_t> partitions_at_first_commit;
  };
  [[nodiscard]] partition& at(stream::partition_id which);
  [[nodiscard]] const partition& at(stream::partition_id which) const;

  std::vector<topic> topics_;
};

}  // namespace millrace::simulation
