#include "kafka_statistics.h"

#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using nlohmann::json;

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

// A window of librdkafka covers the last interval.
bool is_empty(const json& window) { return number(window, "cnt") <= 0; }

// The id of a broker; "bootstrap" before it is known; the connection to the coordinator has its own name.
// Empty: internal, not shown.
std::string broker_name(const json& broker) {
  const std::string source = broker.value("source", "");
  if (source == "internal") return {};
  if (source == "logical") return "coordinator";
  const auto id = broker.value("nodeid", std::int64_t{-1});
  return id < 0 ? "bootstrap" : std::to_string(id);
}

}  // namespace

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
      // A negative offset is not known yet. A partition of another member is not active here.
      if (partition == "-1" || stable < 0 || high < stable || of.value("fetch_state", "") != "active")
        continue;
      to.set(families_.open, {topic, partition}, high - stable);
    }
  }
  to.set(families_.queue_records, {"fetch"}, records);
  to.set(families_.queue_bytes, {"fetch"}, bytes);
}

}  // namespace millrace::app
