// The Avro schema and the CQL tables of the navigation application. Every function is thread-safe; the text
// lives as long as the program.
//
// The headers that millrace_avro_generate() makes of the schemas, <navigation.avsc.h> and
// <enriched_visit.avsc.h>, are on the include path of whoever links millrace::workload_records.
#pragma once

#include <string_view>

namespace millrace::workload {

// The Avro schema of the topic `navigation`, as JSON.
[[nodiscard]] std::string_view navigation_schema() noexcept;
// The statements that create the keyspace and its tables, separated by ';'.
[[nodiscard]] std::string_view navigation_tables() noexcept;

}  // namespace millrace::workload
