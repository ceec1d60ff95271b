#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <millrace/emulators/mock_kafka.h>

namespace millrace::emulators {

class mock_kafka::cluster {
 public:
  cluster(rd_kafka_t* client, rd_kafka_mock_cluster_t* brokers) : client_(client), brokers_(brokers) {}
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;
  ~cluster() {
    rd_kafka_mock_cluster_destroy(brokers_);
    rd_kafka_destroy(client_);
  }
  [[nodiscard]] rd_kafka_mock_cluster_t* get() const noexcept { return brokers_; }

 private:
  rd_kafka_t* client_;
  rd_kafka_mock_cluster_t* brokers_;
};

result<std::unique_ptr<mock_kafka>> mock_kafka::start(int brokers) {
  std::array<char, 512> text{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, nullptr);  // the clients under test have their own
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text.data(), text.size());
  if (client == nullptr) {
    rd_kafka_conf_destroy(conf);
    return error(errc::internal, std::string("mock Kafka: ") + text.data());
  }
  rd_kafka_mock_cluster_t* cluster_of_brokers = rd_kafka_mock_cluster_new(client, brokers);
  if (cluster_of_brokers == nullptr) {
    rd_kafka_destroy(client);
    return error(errc::internal, "mock Kafka: the cluster does not start");
  }
  return std::unique_ptr<mock_kafka>(new mock_kafka(std::make_unique<cluster>(client, cluster_of_brokers)));
}

mock_kafka::mock_kafka(std::unique_ptr<cluster> brokers) : cluster_(std::move(brokers)) {}
mock_kafka::~mock_kafka() = default;

std::string mock_kafka::bootstrap_servers() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_->get());
}

result<void> mock_kafka::create_topic(std::string_view name, int partitions, int replicas) {
  const rd_kafka_resp_err_t failed =
      rd_kafka_mock_topic_create(cluster_->get(), std::string(name).c_str(), partitions, replicas);
  if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return error(errc::internal, "mock Kafka: topic '" + std::string(name) + "': " + rd_kafka_err2str(failed));
}

void mock_kafka::push_errors(kafka_api api, std::span<const kafka_error> errors) {
  std::vector<rd_kafka_resp_err_t> codes;
  for (const kafka_error e : errors) codes.push_back(static_cast<rd_kafka_resp_err_t>(e));
  rd_kafka_mock_push_request_errors_array(cluster_->get(), static_cast<std::int16_t>(api), codes.size(),
                                          codes.data());
}
void mock_kafka::clear_errors(kafka_api api) {
  rd_kafka_mock_clear_request_errors(cluster_->get(), static_cast<std::int16_t>(api));
}
void mock_kafka::deny_topic(std::string_view name, bool denied) {
  rd_kafka_mock_topic_set_error(
      cluster_->get(), std::string(name).c_str(),
      denied ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : RD_KAFKA_RESP_ERR_NO_ERROR);
}
void mock_kafka::push_slow_error(int broker, kafka_api api, kafka_error failure, milliseconds delay) {
  rd_kafka_mock_broker_push_request_error_rtts(cluster_->get(), broker, static_cast<std::int16_t>(api), 1,
                                               static_cast<rd_kafka_resp_err_t>(failure),
                                               static_cast<int>(delay.count()));
}
void mock_kafka::set_round_trip(int broker, milliseconds delay) {
  rd_kafka_mock_broker_set_rtt(cluster_->get(), broker, static_cast<int>(delay.count()));
}
void mock_kafka::set_down(int broker) { rd_kafka_mock_broker_set_down(cluster_->get(), broker); }
void mock_kafka::set_up(int broker) { rd_kafka_mock_broker_set_up(cluster_->get(), broker); }
void mock_kafka::move_leader(std::string_view topic, int partition, int broker) {
  rd_kafka_mock_partition_set_leader(cluster_->get(), std::string(topic).c_str(), partition, broker);
}
void mock_kafka::move_coordinator(std::string_view group, int broker) {
  rd_kafka_mock_coordinator_set(cluster_->get(), "group", std::string(group).c_str(), broker);
}
void mock_kafka::set_initial_rebalance_delay(milliseconds delay) {
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_->get(), static_cast<std::int32_t>(delay.count()));
}
void mock_kafka::announce_leader(std::string_view topic, int partition, int broker, int epoch) {
  rd_kafka_mock_partition_push_leader_response(cluster_->get(), std::string(topic).c_str(), partition, broker,
                                               epoch);
}
void mock_kafka::count_requests() { rd_kafka_mock_start_request_tracking(cluster_->get()); }
std::size_t mock_kafka::requests(kafka_api api) const {
  std::size_t all = 0;
  rd_kafka_mock_request_t** seen = rd_kafka_mock_get_requests(cluster_->get(), &all);
  const auto wanted = std::count_if(seen, seen + all, [api](rd_kafka_mock_request_t* request) {
    return rd_kafka_mock_request_api_key(request) == static_cast<std::int16_t>(api);
  });
  rd_kafka_mock_request_destroy_array(seen, all);
  return static_cast<std::size_t>(wanted);
}
void mock_kafka::set_session_timeout(milliseconds timeout) {
  rd_kafka_mock_set_group_consumer_session_timeout_ms(cluster_->get(), static_cast<int>(timeout.count()));
}
void mock_kafka::set_heartbeat_interval(milliseconds interval) {
  rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(cluster_->get(), static_cast<int>(interval.count()));
}

}  // namespace millrace::emulators
