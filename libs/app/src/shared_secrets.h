// The secrets that clients of the process take up while they run: those of Kafka, the registry and the database.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/cql/session.h>
#include <millrace/kafka/sasl_credentials.h>
#include <millrace/registry/client.h>

namespace millrace::app {

// Any thread.
class shared_secrets {
 public:
  explicit shared_secrets(const app_config& at_start);

  // Null without sasl.username and sasl.password. The producer has its own, because `kafka.producer_properties`
  // may name others.
  [[nodiscard]] std::shared_ptr<const kafka::sasl_credentials> of_consumers() const { return consumers_; }
  [[nodiscard]] std::shared_ptr<const kafka::sasl_credentials> of_producers() const { return producers_; }
  [[nodiscard]] cql::credentials of_database() const;
  // Those of a configuration that was read again. errc::config_invalid where one that was set is empty or absent.
  [[nodiscard]] result<registry::login> of_registry(const app_config& now) const;

  struct changes {
    bool kafka = false;
    bool database = false;
    std::optional<error> failure = {};  // the first; its part keeps the former ones
  };
  // Takes up those of Kafka and of the database.
  [[nodiscard]] changes renew(const app_config& now);

 private:
  result<bool> renew_kafka(const app_config& now);
  result<bool> renew_database(const app_config& now);

  std::shared_ptr<kafka::sasl_credentials> consumers_;
  std::shared_ptr<kafka::sasl_credentials> producers_;
  const registry::login registry_at_start_;
  mutable std::mutex mutex_;  // guards what follows
  cql::credentials database_;
};

}  // namespace millrace::app
