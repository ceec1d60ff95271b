// Everything the application talks to, inside the demo's process: mock Kafka, a registry and a CQL emulator,
// with the example's topics, schema and tables.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/emulators/mock_kafka.h>
#include <millrace/emulators/registry_double.h>

namespace millrace::workload {

inline constexpr int partitions = 20;
inline constexpr std::string_view keyspace = "millrace_navigation";

class environment {
 public:
  [[nodiscard]] result<void> start();
  // The application's configuration against this environment.
  [[nodiscard]] std::string config_text(std::size_t in_flight_max, std::uint16_t admin_port) const;
  // The profile of a visitor about to be seen, once: what another team would have filled in.
  [[nodiscard]] result<void> add_profile(std::uint32_t visitor, const std::string& visitor_id);

  [[nodiscard]] emulators::cql_emulator& database() noexcept { return *database_; }
  [[nodiscard]] std::string bootstrap_servers() const { return kafka_->bootstrap_servers(); }
  [[nodiscard]] std::int32_t schema_id() const noexcept { return schema_id_; }

 private:
  [[nodiscard]] result<void> create_tables() const;

  std::unique_ptr<emulators::cql_emulator> database_;
  std::unique_ptr<emulators::registry_double> registry_;
  std::unique_ptr<emulators::mock_kafka> kafka_;
  std::int32_t schema_id_ = 0;
  std::vector<bool> has_profile_;  // by visitor
};

}  // namespace millrace::workload
