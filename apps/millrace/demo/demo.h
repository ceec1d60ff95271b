// `millrace demo`: the main job on an embedded environment. Mock Kafka, a registry and a CQL emulator live in
// this process together with a load generator and a verifier; the example application runs as a process of
// its own, so that its CPU and memory are reported alone. Half-way the database becomes 16 times slower for a
// quarter of the run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::demo {

inline constexpr std::uint16_t usual_port = 9464;

struct demo_arguments {
  int duration_seconds = 30;
  std::uint64_t rate = 20'000;  // records per second offered
  int slow_seconds = 0;         // in the middle of the run; 0: the third quarter
  std::uint64_t seed = 42;
  std::size_t in_flight_max = 8'192;  // records; free to rise when the database slows down
  std::uint16_t port = 0;             // of the application's page; 0: usual_port, or any when that is busy
  std::uint16_t control_port = 0;     // of the switches (control.h); 0: any
  std::vector<std::string> set;       // settings of the application: section.key=value
  std::string json_file;              // "" = none
  bool verbose = false;  // keep and name the folder with the configuration and the application's log
};

// 0 when every record was verified, 1 when not or when something failed, 128 + signal after SIGINT or
// SIGTERM. The first such signal ends the load early: what was produced is still finished, verified and
// summed up; the second one stops at once.
[[nodiscard]] int run_demo(const demo_arguments& arguments);

}  // namespace millrace::demo
