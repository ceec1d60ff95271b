// A check of a cluster before the first record, for start-up and tools.
//
// Example, at namespace scope:
//
//   result<std::int32_t> partitions_of_visits(const kafka::client_config& config) {
//     const std::array<std::string, 1> topics = {"visits"};
//     const auto cluster = kafka::check_connectivity(config, topics, seconds(10));
//     if (!cluster) return cluster.error();
//     return cluster->topics.front().partitions;
//   }
//
// Example prelude:
//
//   #include <array>
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
#include <millrace/kafka/client.h>

namespace millrace::kafka {

// A topic of the cluster.
struct topic_facts {
  std::string name;
  std::int32_t partitions = 0;
};

// The brokers, and the requested topics.
struct cluster_facts {
  std::vector<std::string> brokers;  // host:port
  std::vector<topic_facts> topics;   // in the order of the request
};

// Connects with exactly this configuration and requests the topics. Leaves no connection open.
// Errors: one error with the address and the cause. errc::tls_error (handshake, certificate, CA file),
// errc::broker_unauthorized (SASL, ACL), errc::broker_unavailable (no answer within `timeout`),
// errc::topic_not_found, errc::config_invalid. TLS and SASL failures end the wait early.
[[nodiscard]] result<cluster_facts> check_connectivity(const client_config& config,
                                                       std::span<const std::string> topics,
                                                       milliseconds timeout);

// A topic that may be missing.
struct topic_presence {
  std::string name;
  std::optional<std::int32_t> partitions;  // nullopt: there is no such topic
};

// The same for topics that may be missing, in the order of the request. Errors: those above, without topic_not_found.
[[nodiscard]] result<std::vector<topic_presence>> find_topics(const client_config& config,
                                                              std::span<const std::string> topics,
                                                              milliseconds timeout);

// A topic to create. -1: the broker's default.
struct new_topic {
  std::string name;
  std::int32_t partitions = -1;
  std::int32_t replication = -1;
};

// Creates a topic, and waits until the brokers know it; one that exists already is a success. Errors:
// errc::broker_unauthorized without the permission, errc::config_invalid for what the brokers refuse, and those of the
// connection.
[[nodiscard]] result<void> create_topic(const client_config& config, const new_topic& topic,
                                        milliseconds timeout);

}  // namespace millrace::kafka
