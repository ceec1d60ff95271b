// librdkafka's mock cluster: brokers inside this process that speak the Kafka protocol on 127.0.0.1, with
// faults on demand. For tests and the demo.
//
// Example:
//
//   const auto cluster = emulators::mock_kafka::start(3);
//   if (!cluster) return cluster.error();
//   if (const auto made = (*cluster)->create_topic("visits", 4); !made) return made.error();
//   const std::array failures = {emulators::kafka_error::not_coordinator};
//   (*cluster)->push_errors(emulators::kafka_api::offset_commit, failures);
//
// Example prelude:
//
//   #include <array>
//
// Limits of librdkafka's mock cluster:
//
// * A partition keeps its newest 5 MiB or 100,000 messages and silently drops older ones; a generator has to
//   wait for its consumer.
// * No TLS, SASL or ACLs, and no admin requests: topics are created here and cannot be deleted.
// * Nothing survives the object.
//
// Threads: any; the calls wait for the cluster's own thread.
// Errors: errc::internal when librdkafka refuses a call that returns a result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::emulators {

// Requests, with the numbers of Kafka's protocol guide.
enum class kafka_api : std::int16_t {
  produce = 0,
  fetch = 1,
  list_offsets = 2,
  metadata = 3,
  offset_commit = 8,
  offset_fetch = 9,
  find_coordinator = 10,
  join_group = 11,
  heartbeat = 12,
  leave_group = 13,
  sync_group = 14,
  init_producer_id = 22,
  offset_for_leader_epoch = 23,
  consumer_group_heartbeat = 68,
};

// Errors, with the codes of Kafka's protocol guide.
enum class kafka_error : std::int16_t {
  disconnect = -195,  // no answer: the broker closes the connection
  none = 0,
  offset_out_of_range = 1,
  unknown_topic_or_partition = 3,
  not_leader = 6,
  request_timed_out = 7,
  message_too_large = 10,
  coordinator_load_in_progress = 14,
  coordinator_not_available = 15,
  not_coordinator = 16,
  not_enough_replicas = 19,
  illegal_generation = 22,
  unknown_member_id = 25,
  rebalance_in_progress = 27,
  topic_authorization_failed = 29,
  group_authorization_failed = 30,
  cluster_authorization_failed = 31,
  invalid_request = 42,
  out_of_order_sequence_number = 45,
  duplicate_sequence_number = 46,
  transactional_id_authorization_failed = 53,
  storage_error = 56,
  fenced_leader_epoch = 74,
  unknown_leader_epoch = 75,
  fenced_instance_id = 82,
  fenced_member_epoch = 110,
  unreleased_instance_id = 111,
  stale_member_epoch = 113,
};

// The cluster.
class mock_kafka {
 public:
  // Starts a cluster. Brokers are numbered from 1. Returns errc::internal when it does not start.
  [[nodiscard]] static result<std::unique_ptr<mock_kafka>> start(int brokers = 1);
  mock_kafka(const mock_kafka&) = delete;
  mock_kafka& operator=(const mock_kafka&) = delete;
  ~mock_kafka();

  // The addresses of the brokers: "127.0.0.1:PORT,...".
  [[nodiscard]] std::string bootstrap_servers() const;
  // Creates a topic.
  [[nodiscard]] result<void> create_topic(std::string_view name, int partitions, int replicas = 1);

  // The next requests of that kind fail, one per error, on any broker; `none` lets one pass.
  void push_errors(kafka_api api, std::span<const kafka_error> errors);
  void clear_errors(kafka_api api);
  // The next request to `broker` fails with `failure` and is answered after `delay`.
  void push_slow_error(int broker, kafka_api api, kafka_error failure, milliseconds delay);
  // Delays every answer of the broker.
  void set_round_trip(int broker, milliseconds delay);
  // Stops and starts a broker, and moves leaders.
  void set_down(int broker);
  void set_up(int broker);
  void move_leader(std::string_view topic, int partition, int broker);
  // Sets the leader that the next metadata answer names, whoever leads.
  void announce_leader(std::string_view topic, int partition, int broker, int epoch);
  // Whether brokers say that the topic does not exist. Its log is kept.
  void deny_topic(std::string_view name, bool denied);
  // Moves the coordinator of a group.
  void move_coordinator(std::string_view group, int broker);
  // Time for which a new group of the classic protocol waits for more members; 3 s by default.
  void set_initial_rebalance_delay(milliseconds delay);
  // Counts requests from now on. They are kept in memory, so for tests of seconds only.
  void count_requests();
  // The number of requests of a kind since count_requests().
  [[nodiscard]] std::size_t requests(kafka_api api) const;
  // The session timeout and the heartbeat interval of the protocol of KIP-848.
  void set_session_timeout(milliseconds timeout);
  void set_heartbeat_interval(milliseconds interval);

 private:
  class cluster;
  explicit mock_kafka(std::unique_ptr<cluster> brokers);
  std::unique_ptr<cluster> cluster_;
};

}  // namespace millrace::emulators
