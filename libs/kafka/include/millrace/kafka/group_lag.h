// The lag of a consumer group, read from outside of it, for tools. Nothing joins the group, and nothing is
// committed.
//
// Example, at namespace scope:
//
//   result<std::int64_t> lag_of(const kafka::client_config& config, const std::vector<std::string>& topics) {
//     const auto lags = kafka::read_group_lag(config, "enrichment", topics, seconds(10));
//     if (!lags) return lags.error();
//     std::int64_t records = 0;
//     for (const kafka::partition_lag& each : *lags) records += each.records;
//     return records;
//   }
//
// Threads: any, but never a worker's: the call blocks for up to `timeout`.
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

// The lag of one partition, in records.
struct partition_lag {
  std::string topic;
  std::int32_t partition = 0;
  std::optional<std::int64_t> committed;  // nullopt: the group has none
  std::int64_t low = 0;                   // the oldest offset of the log
  std::int64_t high = 0;                  // one past the last
  // The number of offsets from the committed one (without one, from the beginning of the log) to the end.
  std::int64_t records = 0;
  // Kafka's timestamp of the first of these; nullopt when there is none, or when it was not read in time.
  std::optional<timestamp> oldest;
};

// Returns the lag of every partition, by topic and partition.
// Errors: those of check_connectivity().
[[nodiscard]] result<std::vector<partition_lag>> read_group_lag(const client_config& config,
                                                                const std::string& group,
                                                                std::span<const std::string> topics,
                                                                milliseconds timeout);

}  // namespace millrace::kafka
