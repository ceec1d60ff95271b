#include "kafka_statistics.h"

#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using metrics::label;
using metrics::merge;
using metrics::unit;
using nlohmann::json;

constexpr std::size_t brokers_max = 64;
constexpr std::size_t topics_max = 256;
constexpr std::size_t partitions_max = 4'096;

label clients() { return label::closed("client", {"consumer", "producer"}); }
std::vector<label> by_broker() { return {clients(), label::open("broker", brokers_max)}; }

double number(const json& of, const char* key) {
  const auto found = of.find(key);
  return found != of.end() && found->is_number() ? found->get<double>() : 0;
}

// The object under a key; an empty one when there is none.
const json& object(const json& of, const char* key) {
  static const json none = json::object();
  const auto found = of.find(key);
  return found != of.end() && found->is_object() ? *found : none;
}

// A window of librdkafka: what happened in the last interval.
bool is_empty(const json& window) { return number(window, "cnt") <= 0; }

// The id of a broker; what is asked before it is known is "bootstrap", the coordinator's connection has its
// own. Empty: none that is worth a series.
std::string broker_name(const json& broker) {
  const std::string source = broker.value("source", "");
  if (source == "internal") return {};
  if (source == "logical") return "coordinator";
  const auto id = broker.value("nodeid", std::int64_t{-1});
  return id < 0 ? "bootstrap" : std::to_string(id);
}

}  // namespace

kafka_statistics::families::families(metrics::catalogue& in)
    : connected(in.gauge({.name = "millrace_kafka_broker_connected_clients",
                          .help = "Clients of this process that are connected to the broker.",
                          .labels = by_broker()})),
      rtt(in.gauge({.name = "millrace_kafka_broker_rtt_seconds",
                    .help = "Round trip to the broker within the last second: mean and 99th percentile, of "
                            "the slowest client. Fetches that wait for records are part of it.",
                    .unit = unit::seconds,
                    .labels = {clients(), label::open("broker", brokers_max),
                               label::closed("statistic", {"mean", "p99"})},
                    .merge = merge::max})),
      throttle(in.gauge({.name = "millrace_kafka_broker_throttle_seconds",
                         .help = "Time by which the broker delayed answers because of a quota, mean of the "
                                 "last second.",
                         .unit = unit::seconds,
                         .labels = by_broker(),
                         .merge = merge::max})),
      in_flight(in.gauge({.name = "millrace_kafka_broker_requests_in_flight",
                          .help = "Requests that the broker has not answered.",
                          .labels = by_broker()})),
      queued(in.gauge({.name = "millrace_kafka_broker_requests_queued",
                       .help = "Requests that wait to be sent to the broker.",
                       .labels = by_broker()})),
      queue_records(in.gauge({.name = "millrace_kafka_queue_records",
                              .help = "Records in the clients' queues: fetched and not taken, produced and "
                                      "not acknowledged.",
                              .labels = {label::closed("queue", {"fetch", "produce"})}})),
      queue_bytes(in.gauge({.name = "millrace_kafka_queue_bytes",
                            .help = "Bytes in these queues.",
                            .unit = unit::bytes,
                            .labels = {label::closed("queue", {"fetch", "produce"})}})),
      open(in.gauge({.name = "millrace_kafka_open_transaction_records",
                     .help = "Records behind an open transaction: they can be read when it ends.",
                     .labels = {label::open("topic", topics_max), label::open("partition", partitions_max)},
                     .merge = merge::max})),
      requests(in.counter({.name = "millrace_kafka_broker_requests_total",
                           .help = "Requests sent to the broker.",
                           .labels = by_broker()})),
      retries(in.counter({.name = "millrace_kafka_broker_retries_total",
                          .help = "Requests sent again.",
                          .labels = by_broker()})),
      timeouts(in.counter({.name = "millrace_kafka_broker_timeouts_total",
                           .help = "Requests that the broker did not answer in time.",
                           .labels = by_broker()})),
      errors(in.counter({.name = "millrace_kafka_broker_errors_total",
                         .help = "Requests that could not be sent and answers that could not be read.",
                         .labels = by_broker()})),
      disconnects(in.counter({.name = "millrace_kafka_broker_disconnects_total",
                              .help = "Connections to the broker that ended, by either side.",
                              .labels = by_broker()})),
      sent(in.counter({.name = "millrace_kafka_broker_sent_bytes_total",
                       .help = "Bytes sent to the broker.",
                       .unit = unit::bytes,
                       .labels = by_broker()})),
      received(in.counter({.name = "millrace_kafka_broker_received_bytes_total",
                           .help = "Bytes received from the broker.",
                           .unit = unit::bytes,
                           .labels = by_broker()})) {}

void declare_kafka_statistics(metrics::catalogue& into) { const kafka_statistics::families declared(into); }

kafka_statistics::kafka_statistics(metrics::registry& counts)
    : families_(counts.declared()), hook_(counts.at_scrape([this](metrics::samples& to) { sample(to); })) {}

std::function<void(std::string_view json)> kafka_statistics::add(client which) {
  const std::lock_guard lock(mutex_);
  latest* mine = clients_.emplace_back(std::make_unique<latest>()).get();
  mine->which = which;
  return [mine](std::string_view json) {
    const std::lock_guard keeping(mine->mutex);
    mine->json.assign(json);
  };
}

void kafka_statistics::sample(metrics::samples& to) {
  const std::lock_guard lock(mutex_);
  for (const auto& client : clients_) {
    std::string copy;
    {
      const std::lock_guard reading(client->mutex);
      copy = client->json;
    }
    if (!copy.empty()) sample_client(*client, copy, to);
  }
}

void kafka_statistics::sample_client(const latest& from, const std::string& text,
                                     metrics::samples& to) const {
  const json all = json::parse(text, nullptr, false);
  if (!all.is_object()) return;
  const std::string_view client = from.which == client::consumer ? "consumer" : "producer";
  for (const auto& [key, broker] : object(all, "brokers").items()) {
    const std::string name = broker_name(broker);
    if (name.empty()) continue;
    to.set(families_.connected, {client, name}, broker.value("state", "") == "UP" ? 1 : 0);
    if (const json& rtt = object(broker, "rtt"); !is_empty(rtt)) {
      to.set(families_.rtt, {client, name, "mean"}, number(rtt, "avg") * 1e-6);
      to.set(families_.rtt, {client, name, "p99"}, number(rtt, "p99") * 1e-6);
    }
    to.set(families_.throttle, {client, name}, number(object(broker, "throttle"), "avg") * 1e-3);
    to.set(families_.in_flight, {client, name}, number(broker, "waitresp_cnt"));
    to.set(families_.queued, {client, name}, number(broker, "outbuf_cnt"));
    to.set(families_.requests, {client, name}, number(broker, "tx"));
    to.set(families_.retries, {client, name}, number(broker, "txretries"));
    to.set(families_.timeouts, {client, name}, number(broker, "req_timeouts"));
    to.set(families_.errors, {client, name}, number(broker, "txerrs") + number(broker, "rxerrs"));
    to.set(families_.disconnects, {client, name}, number(broker, "disconnects"));
    to.set(families_.sent, {client, name}, number(broker, "txbytes"));
    to.set(families_.received, {client, name}, number(broker, "rxbytes"));
  }
  if (from.which == client::producer) {
    to.set(families_.queue_records, {"produce"}, number(all, "msg_cnt"));
    to.set(families_.queue_bytes, {"produce"}, number(all, "msg_size"));
    return;
  }
  double records = 0;
  double bytes = 0;
  for (const auto& [topic, of_topic] : object(all, "topics").items()) {
    for (const auto& [partition, of] : object(of_topic, "partitions").items()) {
      records += number(of, "fetchq_cnt");
      bytes += number(of, "fetchq_size");
      const double high = number(of, "hi_offset");
      const double stable = number(of, "ls_offset");
      // Negative offsets are not known yet; and a partition of another member is none of ours.
      if (partition == "-1" || stable < 0 || high < stable || of.value("fetch_state", "") != "active")
        continue;
      to.set(families_.open, {topic, partition}, high - stable);
    }
  }
  to.set(families_.queue_records, {"fetch"}, records);
  to.set(families_.queue_bytes, {"fetch"}, bytes);
}

}  // namespace millrace::app
