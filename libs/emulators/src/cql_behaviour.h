// The script: latencies and faults, changed from any thread while the server reads them at every request.
//
// The server's threads read an immutable snapshot; a change publishes a new one. A fault's remaining count
// and hits are shared by all snapshots that hold it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <millrace/base/random.h>

#include "cql_failure.h"
#include "millrace/emulators/cql_emulator.h"

namespace millrace::emulators::cql {

// Uniform and normally distributed numbers for the script.
class script_random {
 public:
  explicit script_random(std::uint64_t seed) : numbers_(seed) {}
  std::uint64_t next() noexcept { return numbers_.next(); }
  double uniform() noexcept { return numbers_.fraction(); }
  double normal() noexcept;

 private:
  random_source numbers_;
  double spare_ = 0;
  bool has_spare_ = false;
};

struct armed_fault {
  std::uint64_t id = 0;
  fault what;
  std::atomic<std::uint64_t> left{0};
  std::atomic<std::uint64_t> hits{0};
};

struct script {
  static constexpr std::array<double, nodes_max> ones() {
    std::array<double, nodes_max> out{};
    out.fill(1);
    return out;
  }

  using latencies = std::array<latency, operation_count>;

  latencies everywhere{};
  std::unordered_map<std::string, std::array<std::optional<latency>, operation_count>> by_table;
  double factor = 1;
  std::string password;
  std::array<double, nodes_max> node_factors = ones();
  std::vector<std::shared_ptr<armed_fault>> faults;

  [[nodiscard]] nanoseconds sample(operation kind, const std::string& table, unsigned node,
                                   script_random& random) const;
  // The fault that hits this request, or nothing.
  [[nodiscard]] const fault* strike(operation kind, const std::string& table, unsigned node,
                                    script_random& random) const;
};

class behaviour {
 public:
  [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }
  [[nodiscard]] std::shared_ptr<const script> current() const;

  template <typename F>
  void change(F&& how) {
    const std::lock_guard guard(mutex_);
    auto next = std::make_shared<script>(*current_);
    how(*next);
    current_ = std::move(next);
    version_.fetch_add(1, std::memory_order_acq_rel);
  }
  std::uint64_t inject(fault what);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const script> current_ = std::make_shared<script>();
  std::uint64_t last_id_ = 0;
  std::atomic<std::uint64_t> version_{1};
};

// The ERROR a fault of that kind answers with, the extra fields of its code included. Nothing for those that
// answer otherwise: unprepared, drop_connection, no_reply, garbage, oversized, empty_page, unending_frame. That of
// rate_limit is for clients that did not ask for its code.
[[nodiscard]] failure failure_of(const fault& what, const std::string& table);

}  // namespace millrace::emulators::cql
