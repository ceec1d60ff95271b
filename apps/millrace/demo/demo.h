// `millrace demo`: the main job on an embedded world. Mock Kafka, a registry and a CQL emulator live in this
// process together with a load generator and a verifier; the example application runs as a process of its
// own, so that its CPU and memory are reported alone. Half-way the database becomes 16 times slower for a
// quarter of the run.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::demo {

struct demo_arguments {
  int duration_seconds = 30;
  std::uint64_t rate = 20'000;  // records per second offered
  std::uint64_t seed = 42;
  std::size_t in_flight_max = 8'192;  // records; free to rise when the database slows down
  std::string json_file;              // "" = none
  bool verbose = false;  // keep and name the folder with the configuration and the application's log
};

// 0 when every record was verified.
[[nodiscard]] int run_demo(const demo_arguments& arguments);

}  // namespace millrace::demo
