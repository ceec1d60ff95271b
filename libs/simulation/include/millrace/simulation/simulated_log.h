// A Kafka cluster as data: partitions with their records, the offsets a group committed, and who owns which
// partition. It outlives the processes that a simulation starts and crashes.
//
// Single-threaded, like everything simulated_*: one thread, a manual_clock, run_pending().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>
#include <millrace/stream/source.h>

namespace millrace::simulation {

// Uniform numbers from a seed (splitmix64): the same seed, the same run.
class seeded_random {
 public:
  explicit seeded_random(std::uint64_t seed) noexcept : state_(seed) {}
  [[nodiscard]] std::uint64_t next() noexcept;
  // In [low, high].
  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high) noexcept;
  [[nodiscard]] bool chance(double probability) noexcept;

 private:
  std::uint64_t state_;
};

struct simulated_record {
  std::optional<byte_buffer> key;
  std::optional<byte_buffer> value;
  std::vector<std::pair<std::string, std::optional<byte_buffer>>> headers;
  timestamp created;
  std::int64_t offset = 0;  // set by append
};

class simulated_log {
 public:
  // Returns the topic's index.
  std::uint32_t add_topic(std::string name, std::int32_t partitions);

  // Appends after a hole of `hole` offsets, as compaction and transaction markers leave them; returns the
  // offset.
  std::int64_t append(stream::partition_id to, simulated_record record, std::int64_t hole = 0);

  [[nodiscard]] const std::string& topic_name(std::uint32_t topic) const { return topics_[topic].name; }
  [[nodiscard]] std::vector<stream::partition_id> partitions(std::uint32_t topic) const;
  [[nodiscard]] const std::vector<simulated_record>& records(stream::partition_id of) const;
  // One past the last record.
  [[nodiscard]] std::int64_t end(stream::partition_id of) const;
  [[nodiscard]] std::optional<std::int64_t> committed(stream::partition_id of) const;
  // Of the last commit.
  [[nodiscard]] const std::string& metadata(stream::partition_id of) const { return at(of).metadata; }
  // A topic that is created anew has another id. Empty: nobody knows it.
  [[nodiscard]] const std::string& topic_id(std::uint32_t topic) const { return topics_[topic].id; }
  void set_topic_id(std::uint32_t topic, std::string id) { topics_[topic].id = std::move(id); }

  // Ownership. A commit by anybody but the owner is refused.
  void give(stream::partition_id which, const void* owner) { at(which).owner = owner; }
  [[nodiscard]] const void* owner(stream::partition_id of) const { return at(of).owner; }
  // False: not the owner.
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
  };
  [[nodiscard]] partition& at(stream::partition_id which);
  [[nodiscard]] const partition& at(stream::partition_id which) const;

  std::vector<topic> topics_;
};

}  // namespace millrace::simulation
