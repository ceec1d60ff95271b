#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <millrace/kafka/connectivity.h>

#include "conf.h"
#include "errors.h"
#include "handles.h"

namespace millrace::kafka {
namespace {

constexpr int slice_ms = 200;

using metadata_handle = std::unique_ptr<const rd_kafka_metadata_t,
                                        destroy_with<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>>;

// What the client said while connecting: the newest error of the most telling kind.
struct heard {
  std::optional<error> decisive;  // TLS, SASL: waiting longer does not help
  std::string last;
  std::string unreachable;
};

void listen(rd_kafka_queue_t* queue, const client_config& config, heard& so_far, int wait_ms) {
  while (const event_handle event{rd_kafka_queue_poll(queue, std::exchange(wait_ms, 0))}) {
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_LOG && config.on_log) {
      const char* facility = "";
      const char* text = "";
      int level = 0;
      if (rd_kafka_event_log(event.get(), &facility, &text, &level) == 0)
        config.on_log({level, facility, text});
    }
    if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_ERROR) continue;
    const rd_kafka_resp_err_t code = rd_kafka_event_error(event.get());
    const std::string text = rd_kafka_event_error_string(event.get());
    const errc kind = code_of_client_error(code);
    if (kind == errc::tls_error || kind == errc::broker_unauthorized) {
      so_far.decisive = client_error(code, text);
    } else if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
      so_far.unreachable = text;
    }
    so_far.last = text;
  }
}

// A plaintext client at a TLS listener, or the reverse, ends in a closed connection; librdkafka says so in
// its text, which is passed on.
error nobody_answered(const client_config& config, const heard& so_far, milliseconds timeout) {
  const std::string& cause = !so_far.unreachable.empty() ? so_far.unreachable : so_far.last;
  std::string message = "no Kafka broker at " + config.bootstrap_servers + " answered within " +
                        std::to_string(timeout.count()) + " ms";
  if (!cause.empty()) message += ": " + cause;
  return {errc::broker_unavailable, message + "; check the address, the network and security.protocol"};
}

class question {
 public:
  question(const client_config& config, client_handle client, milliseconds timeout)
      : config_(config),
        client_(std::move(client)),
        queue_(rd_kafka_queue_get_main(client_.get())),
        timeout_(timeout),
        deadline_(system_clock().now() + timeout) {}

  // Of one topic, or of the brokers only.
  result<metadata_handle> ask(rd_kafka_topic_t* topic) {
    while (true) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - system_clock().now()).count();
      if (left <= 0) return nobody_answered(config_, heard_, timeout_);
      const rd_kafka_metadata_t* answer = nullptr;
      const rd_kafka_resp_err_t failed = rd_kafka_metadata(
          client_.get(), 0, topic, &answer, static_cast<int>(std::min<std::int64_t>(left, slice_ms)));
      metadata_handle metadata(answer);
      listen(queue_.get(), config_, heard_, 0);
      if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) return metadata;
      if (heard_.decisive) return heard_.decisive->in("Kafka at " + config_.bootstrap_servers);
      const errc kind = code_of_client_error(failed);
      if (kind == errc::broker_unauthorized || kind == errc::tls_error) {
        return client_error(failed, {}).in("Kafka at " + config_.bootstrap_servers);
      }
    }
  }

  result<topic_facts> ask_about(const std::string& name) {
    const topic_handle topic(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
    if (!topic) return error(errc::config_invalid, "'" + name + "' is not a Kafka topic's name");
    while (true) {
      result<metadata_handle> metadata = ask(topic.get());
      if (!metadata) return std::move(metadata).error();
      if ((*metadata)->topic_cnt != 1) continue;
      const rd_kafka_metadata_topic_t& facts = (*metadata)->topics[0];
      switch (static_cast<int>(facts.err)) {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
          if (facts.partition_cnt > 0) return topic_facts{name, facts.partition_cnt};
          break;
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
          listen(queue_.get(), config_, heard_, slice_ms);
          continue;
        default:
          break;
      }
      return client_error(facts.err == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                                                                  : facts.err,
                          {})
          .in("topic '" + name + "' on Kafka at " + config_.bootstrap_servers);
    }
  }

 private:
  const client_config& config_;
  client_handle client_;
  queue_handle queue_;
  milliseconds timeout_;
  instant deadline_;
  heard heard_;
};

}  // namespace

result<cluster_facts> check_connectivity(const client_config& config, std::span<const std::string> topics,
                                         milliseconds timeout) {
  conf_builder conf;
  conf.prefer("allow.auto.create.topics", "false");
  if (result<void> done = conf.apply(config, {}); !done) return done.error();
  conf.enable_events(0);
  result<client_handle> client = conf.make_client(RD_KAFKA_PRODUCER);
  if (!client) return std::move(client).error();
  question asking(config, std::move(client).value(), timeout);

  cluster_facts facts;
  const result<metadata_handle> cluster = asking.ask(nullptr);
  if (!cluster) return cluster.error();
  for (int i = 0; i < (*cluster)->broker_cnt; ++i) {
    const rd_kafka_metadata_broker_t& broker = (*cluster)->brokers[i];
    facts.brokers.push_back(std::string(broker.host) + ":" + std::to_string(broker.port));
  }
  for (const std::string& topic : topics) {
    result<topic_facts> known = asking.ask_about(topic);
    if (!known) return std::move(known).error();
    facts.topics.push_back(std::move(known).value());
  }
  return facts;
}

result<std::vector<topic_presence>> find_topics(const client_config& config,
                                                std::span<const std::string> topics, milliseconds timeout) {
  conf_builder conf;
  conf.prefer("allow.auto.create.topics", "false");
  if (result<void> done = conf.apply(config, {}); !done) return done.error();
  conf.enable_events(0);
  result<client_handle> client = conf.make_client(RD_KAFKA_PRODUCER);
  if (!client) return std::move(client).error();
  question asking(config, std::move(client).value(), timeout);
  if (const result<metadata_handle> cluster = asking.ask(nullptr); !cluster) return cluster.error();
  std::vector<topic_presence> found;
  for (const std::string& topic : topics) {
    const result<topic_facts> known = asking.ask_about(topic);
    if (!known && known.error().code() != errc::topic_not_found) return known.error();
    found.push_back({topic, known ? std::optional(known->partitions) : std::nullopt});
  }
  return found;
}

}  // namespace millrace::kafka
