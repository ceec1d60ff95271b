// Counters of the client, for any thread.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/metrics/table.h>

namespace millrace::registry {

enum class asked : std::uint8_t {
  answered,
  not_found,
  refused,       // permanently: another 4xx with an error document of a registry
  unauthorized,  // 401, 403
  limited,       // 429
  server_error,  // 408, 5xx
  unusable,      // not a response of a schema registry
  no_answer,
  tls_refused,
};
inline constexpr std::size_t asked_count = static_cast<std::size_t>(asked::tls_refused) + 1;

enum class looked_up : std::uint8_t { memory, remembered_missing, shared, disk, registry, failed };
inline constexpr std::size_t looked_up_count = static_cast<std::size_t>(looked_up::failed) + 1;

enum class disk_problem : std::uint8_t { read, corrupt, write };
inline constexpr std::size_t disk_problem_count = static_cast<std::size_t>(disk_problem::write) + 1;

// Names of labels' values, in the order of the enums.
inline constexpr std::array<std::string_view, asked_count> asked_names = {
    "answered",     "not_found",        "rejected",    "unauthorized", "rate_limited",
    "server_error", "invalid_response", "no_response", "tls_refused"};
inline constexpr std::array<std::string_view, looked_up_count> looked_up_names = {
    "memory", "negative_cache", "shared", "disk", "registry", "failed"};
inline constexpr std::array<std::string_view, disk_problem_count> disk_names = {"read", "corrupt", "write"};
inline constexpr std::array<std::string_view, 2> token_names = {"failed", "answered"};
[[nodiscard]] constexpr std::string_view to_string(asked a) {
  return asked_names[static_cast<std::size_t>(a)];
}
[[nodiscard]] constexpr std::string_view to_string(looked_up l) {
  return looked_up_names[static_cast<std::size_t>(l)];
}
[[nodiscard]] constexpr std::string_view to_string(disk_problem d) {
  return disk_names[static_cast<std::size_t>(d)];
}

struct client_metrics : metrics::table {
  explicit client_metrics(metrics::shard& cells);
  explicit client_metrics(metrics::catalogue& into) : table(into) {}

  metrics::counters_by_value requests = counters({.name = "millrace_schema_registry_requests_total",
                                                  .help = "Requests to the schema registry, by outcome.",
                                                  .labels = {metrics::closed("outcome", asked_names)}});
  metrics::histogram& seconds = histogram(
      {.name = "millrace_schema_registry_request_seconds",
       .help =
           "Duration of one request to the schema registry, including the connection, for every outcome."});
  metrics::counters_by_value lookups = counters(
      {.name = "millrace_schema_lookups_total",
       .help =
           "Schema lookups of workers, by source: memory, a lookup in progress, disk, the registry, or none.",
       .labels = {metrics::closed("source", looked_up_names)}});
  metrics::counters_by_value disk_failures = counters(
      {.name = "millrace_schema_disk_cache_failures_total",
       .help = "Files of the schema cache that could not be read, were corrupt, or could not be written.",
       .labels = {metrics::closed("operation", disk_names)}});
  metrics::counters_by_value tokens = counters({.name = "millrace_schema_registry_tokens_total",
                                                .help = "Requests to the OAuth token endpoint, by outcome.",
                                                .labels = {metrics::closed("outcome", token_names)}});

  metrics::gauge_family entries = gauge_rows({.name = "millrace_schema_cache_entries",
                                              .help = "Schemas cached in memory.",
                                              .merge = metrics::merge::max});
  metrics::gauge_family bytes = gauge_rows({.name = "millrace_schema_cache_bytes",
                                            .help = "Size of the schemas cached in memory.",
                                            .unit = metrics::unit::bytes,
                                            .merge = metrics::merge::max});
  metrics::gauge_family disk_entries = gauge_rows({.name = "millrace_schema_disk_cache_entries",
                                                   .help = "Schemas and registrations in the disk cache.",
                                                   .merge = metrics::merge::max});
  metrics::gauge_family resting =
      gauge_rows({.name = "millrace_schema_registry_urls_in_backoff",
                  .help = "Registry URLs in back-off after a failure or a rate limit.",
                  .merge = metrics::merge::max});
  metrics::gauge_family waiting = gauge_rows({.name = "millrace_schema_lookups_waiting",
                                              .help = "Distinct schemas whose lookup is in progress.",
                                              .merge = metrics::merge::max});
};

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
  metrics::registry* counts_;
  mutable std::mutex mutex_;  // guards what follows: a shard has one writer at a time
  std::optional<client_metrics> shown_;
  std::array<std::uint64_t, asked_count> asked_{};
  std::array<std::uint64_t, looked_up_count> looked_up_{};
  std::uint64_t disk_ = 0;
  std::uint64_t tokens_ = 0;
  metrics::scrape_hook hook_;
};

}  // namespace millrace::registry
