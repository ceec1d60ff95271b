// The statistics of librdkafka as metrics. Each client delivers a document every 10 s on the thread of its
// worker, which stores it; a scrape parses the latest one.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/metrics/table.h>

namespace millrace::app {

inline constexpr std::array<std::string_view, 2> client_names = {"consumer", "producer"};
inline constexpr std::array<std::string_view, 2> queue_names = {"fetch", "produce"};
inline constexpr std::array<std::string_view, 2> rtt_statistics = {"mean", "p99"};
inline constexpr metrics::label_declaration by_client = metrics::closed("client", client_names);
inline constexpr metrics::label_declaration by_queue = metrics::closed("queue", queue_names);
inline constexpr metrics::label_declaration by_broker = metrics::open("broker", 64);

struct kafka_metrics : metrics::table {
  using table::table;
  using merge = metrics::merge;
  using unit = metrics::unit;

  metrics::gauge_family connected = gauge_rows({"millrace_kafka_broker_connected_clients",
                                                "Clients of this process that are connected to the broker.",
                                                unit::none,
                                                {by_client, by_broker}});
  metrics::gauge_family rtt =
      gauge_rows({.name = "millrace_kafka_broker_rtt_seconds",
                  .help = "Round-trip time to the broker in the last 10 s, of the slowest client: mean and "
                          "99th percentile. "
                          "It includes the wait of fetch requests for records.",
                  .unit = unit::seconds,
                  .labels = {by_client, by_broker, metrics::closed("statistic", rtt_statistics)},
                  .merge = merge::max});
  metrics::gauge_family throttle = gauge_rows(
      {.name = "millrace_kafka_broker_throttle_seconds",
       .help = "Mean time for which the broker throttled responses because of a quota, in the last 10 s.",
       .unit = unit::seconds,
       .labels = {by_client, by_broker},
       .merge = merge::max});
  metrics::gauge_family in_flight = gauge_rows({"millrace_kafka_broker_requests_in_flight",
                                                "Requests to the broker without a response.",
                                                unit::none,
                                                {by_client, by_broker}});
  metrics::gauge_family queued = gauge_rows({"millrace_kafka_broker_requests_queued",
                                             "Requests that wait to be sent to the broker.",
                                             unit::none,
                                             {by_client, by_broker}});
  metrics::gauge_family queue_records = gauge_rows({"millrace_kafka_queue_records",
                                                    "Records in the clients' queues: fetched and not "
                                                    "received by the engine, produced and not acknowledged.",
                                                    unit::none,
                                                    {by_queue}});
  metrics::gauge_family queue_bytes =
      gauge_rows({"millrace_kafka_queue_bytes", "Bytes in the clients' queues.", unit::bytes, {by_queue}});
  metrics::gauge_family open =
      gauge_rows({.name = "millrace_kafka_open_transaction_records",
                  .help = "Records after the last stable offset: not readable before their transaction ends.",
                  .labels = {metrics::open("topic", 256), metrics::open("partition", 4'096)},
                  .merge = merge::max});
  metrics::counter_family requests = counter_rows({"millrace_kafka_broker_requests_total",
                                                   "Requests sent to the broker.",
                                                   unit::none,
                                                   {by_client, by_broker}});
  metrics::counter_family retries = counter_rows({"millrace_kafka_broker_retries_total",
                                                  "Requests to the broker that were retried.",
                                                  unit::none,
                                                  {by_client, by_broker}});
  metrics::counter_family timeouts = counter_rows({"millrace_kafka_broker_timeouts_total",
                                                   "Requests to the broker that timed out.",
                                                   unit::none,
                                                   {by_client, by_broker}});
  metrics::counter_family errors =
      counter_rows({"millrace_kafka_broker_errors_total",
                    "Requests that could not be sent and responses that could not be parsed.",
                    unit::none,
                    {by_client, by_broker}});
  metrics::counter_family disconnects = counter_rows({"millrace_kafka_broker_disconnects_total",
                                                      "Connections to the broker closed by either side.",
                                                      unit::none,
                                                      {by_client, by_broker}});
  metrics::counter_family sent = counter_rows({"millrace_kafka_broker_sent_bytes_total",
                                               "Bytes sent to the broker.",
                                               unit::bytes,
                                               {by_client, by_broker}});
  metrics::counter_family received = counter_rows({"millrace_kafka_broker_received_bytes_total",
                                                   "Bytes received from the broker.",
                                                   unit::bytes,
                                                   {by_client, by_broker}});
};

class kafka_statistics {
 public:
  enum class client : std::uint8_t { consumer, producer };

  explicit kafka_statistics(metrics::registry& counts);
  kafka_statistics(const kafka_statistics&) = delete;
  kafka_statistics& operator=(const kafka_statistics&) = delete;

  // The function to call with each statistics document of one client. It must not outlive this object.
  [[nodiscard]] std::function<void(std::string_view json)> add(client which);

 private:
  struct latest {
    client which;
    std::mutex mutex;
    std::string json;
  };

  void sample(metrics::samples& to);
  void sample_client(const latest& from, const std::string& json, metrics::samples& to) const;

  const kafka_metrics families_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<latest>> clients_;
  metrics::scrape_hook hook_;
};

}  // namespace millrace::app
