// `millrace lag`: how far the group of a configuration is behind, in records and in time.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/kafka/group_lag.h>

namespace millrace::app::observe {

struct lag_arguments {
  bool json = false;
  bool all = false;  // also the partitions that do not lag
};

// The table, or one JSON document.
[[nodiscard]] std::string describe_lag(const std::vector<kafka::partition_lag>& all, timestamp now,
                                       const lag_arguments& arguments);

// 0; 1 when Kafka did not answer; 78 when it cannot with this configuration.
[[nodiscard]] int run_lag(const app::app_config& settings, const lag_arguments& arguments, std::ostream& out,
                          std::ostream& err);

}  // namespace millrace::app::observe
