#include <array>
#include <memory>
#include <string>
#include <utility>

#include <millrace/kafka/connectivity.h>

#include "conf.h"
#include "errors.h"
#include "handles.h"

namespace millrace::kafka {
namespace {

using new_topic_handle =
    std::unique_ptr<rd_kafka_NewTopic_t, destroy_with<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>>;

// A refusal of the brokers, or a failure to reach them.
error refusal(const new_topic& topic, rd_kafka_resp_err_t code, const char* text) {
  const std::string what = "topic '" + topic.name + "' cannot be created";
  const std::string why = text == nullptr ? rd_kafka_err2str(code) : text;
  switch (static_cast<int>(code)) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return {errc::broker_unauthorized, what + ": " + why + "; grant CREATE on the topic or the cluster"};
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
      return {errc::config_invalid, what + ": " + why};
    default:
      return client_error(code, why).in(what);
  }
}

}  // namespace

result<void> create_topic(const client_config& config, const new_topic& topic, milliseconds timeout) {
  conf_builder conf;
  if (result<void> done = conf.apply(config, {}); !done) return done.error();
  conf.enable_events(0);
  result<client_handle> made = conf.make_client(RD_KAFKA_PRODUCER);
  if (!made) return std::move(made).error();
  const client_handle client = std::move(made).value();

  std::array<char, 512> why{};
  const new_topic_handle wanted(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, why.data(), why.size()));
  if (!wanted)
    return error(errc::config_invalid, "topic '" + topic.name + "' cannot be created: " + why.data());
  const admin_options options(rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
  const auto wait_ms = static_cast<int>(timeout.count());
  rd_kafka_AdminOptions_set_request_timeout(options.get(), wait_ms, why.data(), why.size());
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), wait_ms, why.data(), why.size());
  const queue_handle answers(rd_kafka_queue_new(client.get()));
  rd_kafka_NewTopic_t* topics[] = {wanted.get()};
  rd_kafka_CreateTopics(client.get(), topics, 1, options.get(), answers.get());

  const event_handle event(rd_kafka_queue_poll(answers.get(), wait_ms + 1'000));
  if (!event) {
    return error(errc::broker_unavailable, "topic '" + topic.name + "' cannot be created: no answer within " +
                                               std::to_string(timeout.count()) + " ms");
  }
  if (const rd_kafka_resp_err_t failed = rd_kafka_event_error(event.get());
      failed != RD_KAFKA_RESP_ERR_NO_ERROR)
    return refusal(topic, failed, rd_kafka_event_error_string(event.get()));
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    return refusal(topic, code, rd_kafka_topic_result_error_string(results[i]));
  }
  return {};
}

}  // namespace millrace::kafka
