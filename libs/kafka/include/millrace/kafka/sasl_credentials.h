// User and password of SASL PLAIN and SCRAM, which may change while clients use them.
//
// One object is shared by the application, which sets other values when they were rotated, and by every client
// whose client_config names it. A new client begins with the values of now. A consumer and a producer compare
// the version in every poll, and pass other values to librdkafka, which uses them for the connections that it
// makes from then on. Connections that exist continue.
//
// Example prelude:
//
//   #include <memory>
//
//   #include <millrace/kafka/client.h>
//
// Example:
//
//   const auto login = std::make_shared<kafka::sasl_credentials>("app", secret("first"));
//   kafka::client_config config;
//   config.bootstrap_servers = "kafka-1:9093";
//   config.properties = {{"security.protocol", "SASL_SSL"}, {"sasl.mechanism", "SCRAM-SHA-512"}};
//   config.credentials = login;
//   const bool changed = login->set("app", secret("second"));
//   invariant(changed && login->version() == 2, "another password is another version");
//
// Threads: any, at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <millrace/base/secret.h>

namespace millrace::kafka {

class sasl_credentials {
 public:
  // Values that belong together.
  struct login {
    std::string user;
    secret password;
    std::uint64_t version = 0;
  };

  sasl_credentials(std::string user, secret password);
  sasl_credentials(const sasl_credentials&) = delete;
  sasl_credentials& operator=(const sasl_credentials&) = delete;
  ~sasl_credentials() = default;

  // Replaces both values. Returns false, and changes nothing, when they are those of now.
  bool set(std::string user, secret password);
  // The values of now.
  [[nodiscard]] login get() const;
  // Counts the changes, beginning with 1. Takes no lock.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_relaxed); }

 private:
  mutable std::mutex mutex_;  // guards user and password
  std::string user_;
  secret password_;
  std::atomic<std::uint64_t> version_{1};  // written under the mutex
};

}  // namespace millrace::kafka
