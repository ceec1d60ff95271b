// The servers of the application in this process: mock Kafka, a schema registry and a CQL emulator, with its
// topics, schema and tables. The servers run on threads of their own and stop with this object.
//
// Example:
//
//   workload::environment servers;
//   if (auto started = servers.start(); !started) return started;
//   const std::string yaml = servers.config_text(1'024, 0);
//
// Threads: an object belongs to one thread.
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

// The servers, and their contents.
class environment {
 public:
  // Starts the servers and creates topics, schema and tables. Errors: the first error of a server. Servers
  // that were started before it run until this object is destroyed.
  [[nodiscard]] result<void> start();
  // Returns the application's configuration for these servers, as YAML. start() must have succeeded.
  [[nodiscard]] std::string config_text(std::size_t in_flight_max, std::uint16_t admin_port) const;
  // Inserts the profile of a visitor, once per visitor. Errors: that of the emulator when the
  // statement fails.
  [[nodiscard]] result<void> add_profile(std::uint32_t visitor, const std::string& visitor_id);

  // Return the database, the brokers (host:port, separated by commas) and the id of the schema. start() must
  // have succeeded.
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
