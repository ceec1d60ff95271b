// Sampled records as traces: a span for each record, its stages and statements, sent as OTLP over HTTP with
// JSON (OpenTelemetry Protocol 1.x) by a thread of its own. A collector that is slow or away costs traces,
// nothing else.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/engine/observer.h>
#include <millrace/http/exchange.h>
#include <millrace/metrics/table.h>

#include "tap.h"

namespace millrace::app {

struct trace_resource {
  std::string application;
  std::string version;
  std::string group;
};

// One export request. Wall-clock times are those of taken_us plus the monotonic distance.
[[nodiscard]] std::string otlp_json(const std::vector<engine::followed_record>& records,
                                    const trace_resource& resource);

void declare_tracing_metrics(metrics::catalogue& into);

class trace_exporter {
 public:
  static constexpr std::size_t queued_max = 1'000;
  static constexpr std::size_t batch_max = 100;

  // errc::config_invalid when the endpoint is no URL; errc::io_error when the system refuses a thread.
  [[nodiscard]] static result<std::unique_ptr<trace_exporter>> start(const tracing_settings& settings,
                                                                     trace_resource resource,
                                                                     metrics::registry& counts);
  trace_exporter(const trace_exporter&) = delete;
  trace_exporter& operator=(const trace_exporter&) = delete;
  ~trace_exporter();

  // Records since the start.
  struct totals {
    std::uint64_t sent = 0;
    std::uint64_t dropped = 0;
  };
  // Sends one more batch. What is still queued then is dropped and counted. Called once, at most.
  totals stop();

  // Any thread; never blocks. Dropped and counted when the queue is full.
  void add(engine::followed_record&& record);

 private:
  trace_exporter(const tracing_settings& settings, http::endpoint to, trace_resource resource,
                 metrics::registry& counts);
  void serve();
  void export_batch(const std::vector<engine::followed_record>& batch) noexcept;
  [[nodiscard]] result<void> send(const std::string& body) const;

  const http::endpoint to_;
  const std::string path_;  // after to_.path
  const http::tls_files files_;
  const std::string authorization_;
  const trace_resource resource_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<engine::followed_record> queue_;
  bool stopping_ = false;
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> dropped_{0};
  metrics::scrape_hook hook_;
  std::thread thread_;
};

// A worker's observer: for the tap, and for traces when there is an exporter.
class record_sampler final : public engine::record_observer {
 public:
  record_sampler(tap& samples, trace_exporter* traces, const tracing_settings& settings, std::uint64_t seed);

  [[nodiscard]] bool follows(const stream::record_block& block, engine::followed_record& as) override;
  void ended(engine::followed_record&& record) override;

 private:
  [[nodiscard]] bool begins_trace(const stream::record_block& block, engine::followed_record& as);
  [[nodiscard]] bool within_rate();
  [[nodiscard]] std::uint64_t random() noexcept;
  [[nodiscard]] std::string random_id(std::size_t digits);

  tap& tap_;
  trace_exporter* traces_;
  const double ratio_;
  const std::uint32_t per_second_max_;
  std::uint64_t random_;
  std::int64_t second_ = 0;
  std::uint32_t traced_ = 0;  // in this second
};

}  // namespace millrace::app
