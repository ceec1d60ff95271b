#include "kafka_statistics.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

// Parts of a document as librdkafka's STATISTICS.md describes it.
constexpr const char* of_consumer = R"({
  "name": "rdkafka#consumer-1", "msg_cnt": 9,
  "brokers": {
    "one:9092/1": {"nodeid": 1, "source": "learned", "state": "UP", "tx": 10, "txbytes": 1000, "txerrs": 1,
      "txretries": 2, "req_timeouts": 3, "rxbytes": 5000, "rxerrs": 1, "disconnects": 4, "waitresp_cnt": 2,
      "outbuf_cnt": 1, "rtt": {"avg": 1500, "p99": 9000, "cnt": 8}, "throttle": {"avg": 20, "cnt": 1}},
    "two:9092/2": {"nodeid": 2, "source": "learned", "state": "DOWN", "rtt": {"avg": 0, "p99": 0, "cnt": 0}},
    "one:9092/bootstrap": {"nodeid": -1, "source": "configured", "state": "UP", "tx": 1},
    "GroupCoordinator": {"nodeid": 1, "source": "logical", "state": "UP", "tx": 7},
    ":0/internal": {"nodeid": -1, "source": "internal", "state": "INIT"}
  },
  "topics": {"navigation": {"partitions": {
    "0": {"fetchq_cnt": 30, "fetchq_size": 3000, "hi_offset": 100, "ls_offset": 90, "fetch_state": "active"},
    "1": {"fetchq_cnt": 0, "fetchq_size": 0, "hi_offset": -1001, "ls_offset": -1001, "fetch_state": "active"},
    "2": {"fetchq_cnt": 0, "fetchq_size": 0, "hi_offset": 9, "ls_offset": 0, "fetch_state": "none"},
    "-1": {"fetchq_cnt": 0, "fetchq_size": 0, "hi_offset": 0, "ls_offset": 0, "fetch_state": "none"}}}}
})";

class KafkaStatistics : public testing::Test {
 protected:
  std::optional<double> value(std::string_view name, metrics::label_filter filter = {}) {
    return counts_.take_snapshot().value(name, filter);
  }

  metrics::catalogue declared_;
  metrics::registry counts_{declared_};
  kafka_statistics statistics_{counts_};
};

TEST_F(KafkaStatistics, BrokersAreNamedByTheirId) {
  statistics_.add(kafka_statistics::client::consumer)(of_consumer);
  EXPECT_EQ(value("millrace_kafka_broker_requests_total", {{"broker", "1"}}), 10);
  EXPECT_EQ(value("millrace_kafka_broker_requests_total", {{"broker", "coordinator"}}), 7);
  EXPECT_EQ(value("millrace_kafka_broker_requests_total", {{"broker", "bootstrap"}}), 1);
  EXPECT_EQ(value("millrace_kafka_broker_connected_clients", {{"broker", "1"}, {"client", "consumer"}}), 1);
  EXPECT_EQ(value("millrace_kafka_broker_connected_clients", {{"broker", "2"}}), 0);
  EXPECT_EQ(value("millrace_kafka_broker_errors_total", {{"broker", "1"}}), 2);
  EXPECT_EQ(value("millrace_kafka_broker_timeouts_total", {{"broker", "1"}}), 3);
}

TEST_F(KafkaStatistics, WindowsBecomeBaseUnitsAndEmptyOnesNothing) {
  statistics_.add(kafka_statistics::client::consumer)(of_consumer);
  EXPECT_EQ(value("millrace_kafka_broker_rtt_seconds", {{"broker", "1"}, {"statistic", "mean"}}), 0.0015);
  EXPECT_EQ(value("millrace_kafka_broker_rtt_seconds", {{"broker", "1"}, {"statistic", "p99"}}), 0.009);
  EXPECT_EQ(value("millrace_kafka_broker_rtt_seconds", {{"broker", "2"}}), std::nullopt);
  EXPECT_EQ(value("millrace_kafka_broker_throttle_seconds", {{"broker", "1"}}), 0.02);
}

TEST_F(KafkaStatistics, CountsQueuesAndOpenTransactions) {
  statistics_.add(kafka_statistics::client::consumer)(of_consumer);
  statistics_.add(kafka_statistics::client::producer)(R"({"msg_cnt": 5, "msg_size": 700, "brokers": {}})");
  EXPECT_EQ(value("millrace_kafka_queue_records", {{"queue", "fetch"}}), 30);
  EXPECT_EQ(value("millrace_kafka_queue_bytes", {{"queue", "fetch"}}), 3000);
  EXPECT_EQ(value("millrace_kafka_queue_records", {{"queue", "produce"}}), 5);
  EXPECT_EQ(value("millrace_kafka_open_transaction_records", {{"partition", "0"}}), 10);
  EXPECT_EQ(value("millrace_kafka_open_transaction_records", {{"partition", "1"}}), std::nullopt);
  EXPECT_EQ(value("millrace_kafka_open_transaction_records", {{"partition", "2"}}), std::nullopt);
}

TEST_F(KafkaStatistics, SumsTheClientsOfSeveralWorkers) {
  const auto one = statistics_.add(kafka_statistics::client::consumer);
  const auto two = statistics_.add(kafka_statistics::client::consumer);
  one(of_consumer);
  two(of_consumer);
  two(of_consumer);
  EXPECT_EQ(value("millrace_kafka_broker_connected_clients", {{"broker", "1"}}), 2);
  EXPECT_EQ(value("millrace_kafka_broker_requests_total", {{"broker", "1"}}), 20);
  EXPECT_EQ(value("millrace_kafka_broker_rtt_seconds", {{"broker", "1"}, {"statistic", "mean"}}), 0.0015);
}

TEST_F(KafkaStatistics, InvalidJsonChangesNothing) {
  statistics_.add(kafka_statistics::client::consumer)("{\"brokers\": ");
  EXPECT_EQ(value("millrace_kafka_broker_connected_clients"), std::nullopt);
}

}  // namespace
}  // namespace millrace::app
