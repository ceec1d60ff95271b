// Questions to a cluster before the first record, for start-up and tooling: they block the calling thread,
// which must not be a worker's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/kafka/client.h>

namespace millrace::kafka {

struct topic_facts {
  std::string name;
  std::int32_t partitions = 0;
};

struct cluster_facts {
  std::vector<std::string> brokers;  // host:port
  std::vector<topic_facts> topics;   // in the order asked
};

// Connects with exactly this configuration and asks for the topics. One error that names the address and the
// cause: errc::tls_error (handshake, certificate, CA file), errc::broker_unauthorized (SASL, ACL),
// errc::broker_unavailable (nobody answered within `timeout`), errc::topic_not_found, errc::config_invalid.
// TLS and SASL failures end the wait early.
[[nodiscard]] result<cluster_facts> check_connectivity(const client_config& config,
                                                       std::span<const std::string> topics,
                                                       milliseconds timeout);

}  // namespace millrace::kafka
