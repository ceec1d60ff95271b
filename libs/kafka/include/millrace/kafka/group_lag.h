// How far a consumer group is behind, asked from outside of it: for tools. Blocks the calling thread, which
// must not be a worker's. Nobody joins the group, and nothing is committed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/kafka/client.h>

namespace millrace::kafka {

struct partition_lag {
  std::string topic;
  std::int32_t partition = 0;
  std::optional<std::int64_t> committed;  // empty: the group has none
  std::int64_t low = 0;                   // the oldest offset of the log
  std::int64_t high = 0;                  // one past the last
  // Offsets from the committed one on (from the log's beginning where there is none) to the end.
  std::int64_t records = 0;
  // Of the first of these: Kafka's timestamp. Empty when there is none, or it was not read in time.
  std::optional<timestamp> oldest;
};

// By topic and partition. Errors as check_connectivity().
[[nodiscard]] result<std::vector<partition_lag>> read_group_lag(const client_config& config,
                                                                const std::string& group,
                                                                std::span<const std::string> topics,
                                                                milliseconds timeout);

}  // namespace millrace::kafka
