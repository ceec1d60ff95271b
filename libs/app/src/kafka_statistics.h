// librdkafka's statistics as metrics. Its clients write them once a second on their workers' threads, where
// they are only kept; they are read when somebody scrapes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/metrics/registry.h>

namespace millrace::app {

void declare_kafka_statistics(metrics::catalogue& into);

class kafka_statistics {
 public:
  enum class client : std::uint8_t { consumer, producer };

  explicit kafka_statistics(metrics::registry& counts);
  kafka_statistics(const kafka_statistics&) = delete;
  kafka_statistics& operator=(const kafka_statistics&) = delete;

  // For one client: what is to be called with each of its documents. Must not outlive this.
  [[nodiscard]] std::function<void(std::string_view json)> add(client which);

 private:
  struct families {
    explicit families(metrics::catalogue& in);
    metrics::gauge_family connected, rtt, throttle, in_flight, queued, queue_records, queue_bytes, open;
    metrics::counter_family requests, retries, timeouts, errors, disconnects, sent, received;
  };
  friend void declare_kafka_statistics(metrics::catalogue& into);
  struct latest {
    client which;
    std::mutex mutex;
    std::string json;
  };

  void sample(metrics::samples& to);
  void sample_client(const latest& from, const std::string& json, metrics::samples& to) const;

  const families families_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<latest>> clients_;
  metrics::scrape_hook hook_;
};

}  // namespace millrace::app
