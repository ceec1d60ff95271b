#include "poll_only.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include <librdkafka/rdkafka.h>

namespace millrace::bench {
namespace {

constexpr int wait_ms = 200;
constexpr std::size_t batch = 1'000;

double cpu_nanoseconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

double cpu_at_assignment = 0;

// Fetching begins here; connecting and joining, which every process pays once, end here.
void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions,
                  void*) {
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    cpu_at_assignment = cpu_nanoseconds();
    rd_kafka_assign(client, partitions);
  } else {
    rd_kafka_assign(client, nullptr);
  }
}

// What the product's source sets, as far as it costs something.
bool configure(rd_kafka_conf_t* conf, const std::string& bootstrap_servers, const std::string& group) {
  const std::pair<const char*, std::string> properties[] = {
      {"bootstrap.servers", bootstrap_servers},
      {"group.id", group},
      {"auto.offset.reset", "earliest"},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"check.crcs", "true"},
      {"isolation.level", "read_committed"},
      {"fetch.queue.backoff.ms", "10"},
      {"fetch.wait.max.ms", "5"},
      {"queued.min.messages", "100000"},
  };
  char why[512] = {};
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "poll: %s\n", why);
      return false;
    }
  }
  return true;
}

}  // namespace

int poll_only(const std::string& bootstrap_servers, const std::string& topic, const std::string& group,
              std::uint64_t records) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  if (!configure(conf, bootstrap_servers, group)) return 1;
  char why[512] = {};
  rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
  if (client == nullptr) {
    std::fprintf(stderr, "poll: %s\n", why);
    return 1;
  }
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
  rd_kafka_subscribe(client, topics);
  rd_kafka_topic_partition_list_destroy(topics);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(client);

  std::array<rd_kafka_message_t*, batch> messages{};
  std::uint64_t seen = 0;
  while (seen < records) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, wait_ms, messages.data(), messages.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = messages[static_cast<std::size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) ++seen;
      rd_kafka_message_destroy(message);
    }
  }
  const double per_record = (cpu_nanoseconds() - cpu_at_assignment) / static_cast<double>(seen);
  std::printf("%.1f\n", per_record);
  std::fflush(stdout);
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
  return 0;
}

}  // namespace millrace::bench
