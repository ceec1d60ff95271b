// The tables of a schema in memory, behind the port of the simulated store.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/result.h>
#include <millrace/cql/declared_schema.h>
#include <millrace/emulators/cql_tables.h>
#include <millrace/simulation/simulated_store.h>

namespace millrace::harness {

class memory_tables final : public simulation::simulated_tables {
 public:
  // Makes the tables of a schema without problems, and the keyspaces that it does not make itself. errc::db_invalid for
  // a statement that the emulator does not execute.
  [[nodiscard]] static result<std::unique_ptr<memory_tables>> make(const cql::declared_schema& schema,
                                                                   const std::string& keyspace);

  [[nodiscard]] result<description> describe(std::string_view cql) override;
  [[nodiscard]] result<answer> execute(std::string_view cql, bytes_view parameters,
                                       std::int64_t write_time_us) override;
  // A statement without parameters.
  [[nodiscard]] result<void> execute_text(std::string_view cql, std::int64_t write_time_us);

 private:
  explicit memory_tables(const std::string& keyspace) : tables_(keyspace) {}

  emulators::cql_tables tables_;
};

}  // namespace millrace::harness
