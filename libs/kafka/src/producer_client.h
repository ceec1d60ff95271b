// One librdkafka producer with its topics and the records that it has not answered for yet.
//
// librdkafka calls a producer fatally failed when it can no longer vouch for the order of its records (lost
// sequence numbers, a refused producer id). Such a client sends nothing any more: failure() says why, and
// producer.cc replaces it.
//
// Threads: the worker's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/kafka/producer.h>

#include "applied_credentials.h"
#include "handles.h"

namespace millrace::kafka {

class producer_client {
 public:
  // Configuration, loop and counters must outlive it.
  [[nodiscard]] static result<std::unique_ptr<producer_client>> make(const producer_config& config,
                                                                     runtime::loop& worker,
                                                                     producer_counters& counters);
  producer_client(const producer_client&) = delete;
  producer_client& operator=(const producer_client&) = delete;
  // Answers what is outstanding first.
  ~producer_client();

  // As stream::sink::produce(); also errc::broker_unavailable once the client has failed.
  [[nodiscard]] result<void> produce(const stream::outgoing& record, stream::receipt& answer);
  // Answers receipts and notes a failure. Returns true when there is more to serve.
  bool serve(int wait_ms);
  void flush() { rd_kafka_flush(client_.get(), 0); }
  // Gives up everything outstanding. The answers are errc::cancelled, or errc::produce_failed of a failed
  // client: another one may send these records again.
  void purge() {
    rd_kafka_purge(client_.get(),
                   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  }

  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  // Whether the broker has acknowledged a record of this client.
  [[nodiscard]] bool has_delivered() const noexcept { return delivered_; }
  // Ends the client on a thread of its own, because librdkafka joins its threads. Nothing may be outstanding.
  static void end_in_background(std::unique_ptr<producer_client> ended);

 private:
  struct known_topic {
    std::string name;
    topic_handle handle;
  };
  struct counted_up {
    const rd_kafka_topic_t* topic;
    std::int32_t partition;
    std::int64_t next_offset;
  };

  producer_client(const producer_config& config, runtime::loop& worker, producer_counters& counters,
                  client_handle client);
  std::size_t on_reports(rd_kafka_event_t* event);
  [[nodiscard]] std::optional<error> verdict_on(const rd_kafka_message_t& message);
  [[nodiscard]] bool is_implied(const rd_kafka_message_t& message);
  void on_error(rd_kafka_event_t* event);
  void fail(rd_kafka_resp_err_t code);
  [[nodiscard]] result<rd_kafka_topic_t*> topic(std::string_view name);

  const producer_config& config_;
  producer_counters& counters_;
  client_handle client_;
  applied_credentials credentials_;
  queue_handle queue_;
  std::deque<known_topic> topics_;
  std::vector<counted_up> counted_up_;
  std::size_t in_flight_ = 0;
  bool delivered_ = false;
  std::optional<error> failure_;
};

}  // namespace millrace::kafka
