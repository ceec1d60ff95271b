// The counters of one worker's session, read by any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace millrace::cql {

struct worker_counters {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> client_timeouts{0};
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> shrunk{0};
  std::atomic<std::uint64_t> waiting{0};
  std::atomic<std::uint64_t> limit_min{UINT64_MAX};
  std::atomic<std::uint64_t> speculative{0};
  std::atomic<std::uint64_t> next_node{0};
  std::atomic<std::uint64_t> prepared_again{0};
  std::atomic<std::uint64_t> tablet_reports{0};
  std::atomic<std::uint64_t> tablets{0};
  std::atomic<std::uint64_t> memory{0};
};

}  // namespace millrace::cql
