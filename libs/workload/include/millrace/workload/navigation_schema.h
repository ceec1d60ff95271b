// The Avro schema and the CQL tables of the navigation application.
//
// Example:
//
//   const std::string_view schema = workload::navigation_schema();
//   invariant(schema.front() == '{', "the schema is a JSON object");
//
// Threads: the functions are callable from any thread. The text lives as long as the program.
//
// The headers that millrace_avro_generate() makes of the schemas, <navigation.avsc.h> and
// <enriched_visit.avsc.h>, are on the include path of every target that links millrace::workload_records.
#pragma once

#include <string_view>

namespace millrace::workload {

// Returns the Avro schema of the topic `navigation`, as JSON.
[[nodiscard]] std::string_view navigation_schema() noexcept;
// Returns the statements that create the keyspace and its tables, separated by ';'.
[[nodiscard]] std::string_view navigation_tables() noexcept;

}  // namespace millrace::workload
