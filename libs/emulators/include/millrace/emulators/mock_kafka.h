// librdkafka's mock cluster: brokers inside this process that speak the real protocol on 127.0.0.1, with
// faults on demand. For tests and the demo.
//
// Limits, which are librdkafka's: a partition keeps its newest 5 MiB or 100,000 messages and silently drops
// the oldest (throttle a generator on the consumer's lag); no TLS, SASL or ACLs; no admin requests (topics
// are created here, and cannot be deleted); nothing survives the object.
//
// Threads: any; the calls wait for the cluster's own thread.
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

// Of Kafka's protocol guide.
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

// Error codes of Kafka's protocol guide; the ones tests speak of.
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

class mock_kafka {
 public:
  // Brokers are numbered from 1. errc::internal when the cluster does not start.
  [[nodiscard]] static result<std::unique_ptr<mock_kafka>> start(int brokers = 1);
  mock_kafka(const mock_kafka&) = delete;
  mock_kafka& operator=(const mock_kafka&) = delete;
  ~mock_kafka();

  [[nodiscard]] std::string bootstrap_servers() const;
  [[nodiscard]] result<void> create_topic(std::string_view name, int partitions, int replicas = 1);

  // The next requests of that kind fail, one per error, on whichever broker they arrive; `none` lets one
  // pass.
  void push_errors(kafka_api api, std::span<const kafka_error> errors);
  void clear_errors(kafka_api api);
  // The next request to `broker` fails with `failure` and is answered after `delay`.
  void push_slow_error(int broker, kafka_api api, kafka_error failure, milliseconds delay);
  // Every answer of the broker takes that much longer.
  void set_round_trip(int broker, milliseconds delay);
  void set_down(int broker);
  void set_up(int broker);
  void move_leader(std::string_view topic, int partition, int broker);
  // What the next answer to a question for metadata says of the leader, whoever it is.
  void announce_leader(std::string_view topic, int partition, int broker, int epoch);
  void move_coordinator(std::string_view group, int broker);
  // How long a new group of the classic protocol waits for more members; 3 s unless set.
  void set_initial_rebalance_delay(milliseconds delay);
  // Counts requests from here on. They are kept in memory: for tests of seconds.
  void count_requests();
  [[nodiscard]] std::size_t requests(kafka_api api) const;
  // KIP-848.
  void set_session_timeout(milliseconds timeout);
  void set_heartbeat_interval(milliseconds interval);

 private:
  class cluster;
  explicit mock_kafka(std::unique_ptr<cluster> brokers);
  std::unique_ptr<cluster> cluster_;
};

}  // namespace millrace::emulators
