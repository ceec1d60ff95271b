// `millrace dev PROGRAM`: an application of one's own on an embedded Kafka, schema registry and CQL server, with its
// topics, its tables and sample records, until it is done, a time is over or Ctrl-C; then a summary.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::dev {

struct dev_arguments {
  std::string program;  // the application
  std::string config_file;
  std::vector<std::string> set;
  std::string schema_file;        // schema.cql; "": no tables
  std::string samples_folder;     // "": no records
  std::uint64_t records = 1'000;  // that are made for a topic with a schema and no records
  std::uint64_t seed = 1;
  int partitions = 4;
  double duration_seconds = 0;  // 0: until the samples are processed, or without samples until Ctrl-C
  bool stay = false;            // goes on after the samples until Ctrl-C
  std::uint16_t port = 0;       // of the application's admin endpoint; 0: 9464, or a free one
};

// Returns the exit code.
[[nodiscard]] int run_dev(const dev_arguments& arguments);

}  // namespace millrace::dev
