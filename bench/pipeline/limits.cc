#include "limits.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <utility>

#include <librdkafka/rdkafka.h>
#include <navigation.avsc.h>

#include <millrace/avro/plan.h>
#include <millrace/workload/navigation_schema.h>

namespace millrace::bench {
namespace {

constexpr int wait_ms = 200;
constexpr std::size_t batch = 1'000;
constexpr std::size_t frame_bytes = 5;

double cpu_microseconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

double cpu_at_assignment = 0;

// Fetching begins here; connecting and joining, which every process pays once, end here.
void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions,
                  void*) {
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    cpu_at_assignment = cpu_microseconds();
    rd_kafka_assign(client, partitions);
  } else {
    rd_kafka_assign(client, nullptr);
  }
}

// What the product's source sets, as far as it costs something.
bool configure(rd_kafka_conf_t* conf, const std::string& brokers, const std::string& group) {
  const std::pair<const char*, std::string> properties[] = {
      {"bootstrap.servers", brokers},        {"group.id", group},
      {"auto.offset.reset", "earliest"},     {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"}, {"check.crcs", "true"},
      {"isolation.level", "read_committed"}, {"fetch.queue.backoff.ms", "10"},
      {"queued.min.messages", "100000"},
  };
  char why[512] = {};
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "consume: %s\n", why);
      return false;
    }
  }
  return true;
}

class decoding {
 public:
  [[nodiscard]] bool operator()(const rd_kafka_message_t& message) {
    const bytes_view value(static_cast<const std::byte*>(message.payload), message.len);
    if (value.size() < frame_bytes) return false;
    const auto decoded = plan_.decode_exactly(value.subspan(frame_bytes), memory_, nav_);
    memory_.reset();
    return decoded.ok();
  }

 private:
  avro::decoder<tracking::Navigation> plan_ =
      avro::decoder<tracking::Navigation>::compile(avro::schema::parse(workload::navigation_schema()).value())
          .value();
  avro::arena memory_;
  tracking::Navigation nav_;
};

}  // namespace

int consume_only(const std::string& brokers, const std::string& topic, const std::string& group,
                 std::uint64_t records, bool decode) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  if (!configure(conf, brokers, group)) return 1;
  char why[512] = {};
  rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
  if (client == nullptr) {
    std::fprintf(stderr, "consume: %s\n", why);
    return 1;
  }
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
  rd_kafka_subscribe(client, topics);
  rd_kafka_topic_partition_list_destroy(topics);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(client);

  std::optional<decoding> decoder;
  if (decode) decoder.emplace();
  std::array<rd_kafka_message_t*, batch> messages{};
  std::uint64_t seen = 0, bad = 0;
  auto began = std::chrono::steady_clock::now();
  while (seen < records) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, wait_ms, messages.data(), messages.size());
    if (seen == 0 && count > 0) began = std::chrono::steady_clock::now();
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = messages[static_cast<std::size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++seen;
        if (decoder && !(*decoder)(*message)) ++bad;
      }
      rd_kafka_message_destroy(message);
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const auto count = static_cast<double>(seen);
  std::printf("%.4f %.0f\n", (cpu_microseconds() - cpu_at_assignment) / count, count / took.count());
  std::fflush(stdout);
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
  if (bad > 0)
    std::fprintf(stderr, "consume: %llu records could not be decoded\n",
                 static_cast<unsigned long long>(bad));
  return bad > 0 ? 1 : 0;
}

}  // namespace millrace::bench
