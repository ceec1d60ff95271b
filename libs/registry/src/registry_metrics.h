// What the client counts. Any thread.
#pragma once

#include <array>
#include <mutex>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/metrics/registry.h>

namespace millrace::registry {

enum class asked : std::uint8_t {
  answered,
  not_found,
  refused,       // for good: 4xx in the registry's own words
  unauthorized,  // 401, 403
  limited,       // 429
  server_error,  // 408, 5xx
  unusable,      // not what a registry says
  no_answer,
  tls_refused,
};
inline constexpr std::size_t asked_count = static_cast<std::size_t>(asked::tls_refused) + 1;

enum class looked_up : std::uint8_t { memory, remembered_missing, shared, disk, registry, failed };
inline constexpr std::size_t looked_up_count = static_cast<std::size_t>(looked_up::failed) + 1;

enum class disk_problem : std::uint8_t { read, corrupt, write };
inline constexpr std::size_t disk_problem_count = static_cast<std::size_t>(disk_problem::write) + 1;

struct gauges {
  double entries = 0;
  double bytes = 0;
  double disk_entries = 0;
  double resting = 0;
  double waiting = 0;
};

class meters {
 public:
  // `counts` may be null: totals are kept and nothing is exported.
  explicit meters(metrics::registry* counts);

  void count(asked how, nanoseconds took);
  void count(looked_up where);
  void count(disk_problem what);
  void count_token(bool good);
  [[nodiscard]] std::uint64_t total(looked_up where) const;
  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t failures() const;
  [[nodiscard]] std::uint64_t tokens() const;
  [[nodiscard]] std::uint64_t disk_problems() const;

  // `read` fills the gauges at every scrape, until the meters end.
  void at_scrape(std::function<gauges()> read);
  void stop_scrapes() { hook_ = {}; }

 private:
  struct cells {
    std::array<metrics::counter*, asked_count> asked{};
    std::array<metrics::counter*, looked_up_count> looked_up{};
    std::array<metrics::counter*, disk_problem_count> disk{};
    std::array<metrics::counter*, 2> tokens{};
    metrics::histogram* seconds = nullptr;
  };

  metrics::registry* counts_;
  mutable std::mutex mutex_;  // guards what follows: a shard has one writer at a time
  cells cells_;
  std::array<std::uint64_t, asked_count> asked_{};
  std::array<std::uint64_t, looked_up_count> looked_up_{};
  std::uint64_t disk_ = 0;
  std::uint64_t tokens_ = 0;
  metrics::scrape_hook hook_;
};

}  // namespace millrace::registry
