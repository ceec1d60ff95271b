// The sink of a worker: one idempotent librdkafka producer (acks=all). It implements the port stream/sink.h.
//
// Example, at namespace scope:
//
//   result<std::unique_ptr<kafka::producer>> open(kafka::client_config client, runtime::loop& worker) {
//     kafka::producer_config config;
//     config.client = std::move(client);
//     config.linger = milliseconds(10);
//     return kafka::producer::create(std::move(config), worker);
//   }
//
// Every accepted record gets exactly one answer:
//
//   answer                 meaning
//   success                a broker named the record's offset
//   errc::produce_failed   not acknowledged within `delivery_timeout`, topic missing, or not authorised;
//                          another try may succeed
//   errc::produce_rejected too large or invalid; no try can succeed
//   errc::cancelled        abandon(), or the producer ended first
//
// librdkafka also reports success for a record that it infers from the acknowledgement of a later one. A
// broker may have refused that record, so the answer is errc::produce_failed; producing it again repeats it
// at worst.
//
// Failure: a client that librdkafka calls fatally failed (lost sequence numbers, a fenced epoch) is replaced
// by a new one. Its unacknowledged records are answered with errc::produce_failed, and meanwhile produce()
// returns errc::broker_unavailable. failure() is set, and nothing can be produced any more, when an operator
// must act (a permission is missing) or when five new clients in a row failed before a record was
// acknowledged.
// Threads: the worker's thread. The producer registers a step of the loop (phase::produce) that takes
// delivery reports in batches and answers the receipts. librdkafka's threads only wake the loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/kafka/client.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/sink.h>

namespace millrace::kafka {

// Settings of one producer.
struct producer_config {
  client_config client;
  milliseconds linger{5};
  // Time from produce() to the answer, including retries.
  milliseconds delivery_timeout{30'000};
  std::size_t records_max = 100'000;                      // queued and in flight
  std::size_t bytes_max = std::size_t{64} * 1024 * 1024;  // likewise
  // The first replacement of a failed client is immediate, the second waits this long, and the wait doubles
  // with each one that fails before a record was acknowledged.
  milliseconds replace_backoff{1'000};
  // Reports failures beside the answers; `fatal`: failure() is set. Called on the worker's thread from within
  // its turn. May be empty.
  std::function<void(const error& failure, bool fatal)> on_error;
};

// Checks `client.properties`, as check_properties() of the consumer.
[[nodiscard]] result<void> check_properties(const producer_config& config);

// Counters of records since the start.
struct producer_counters {
  std::uint64_t accepted = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t failed = 0;    // produce_failed
  std::uint64_t implied = 0;   // of those: reported as delivered by librdkafka, not acknowledged by a broker
  std::uint64_t rejected = 0;  // produce_rejected, from the broker
  std::uint64_t cancelled = 0;
  std::uint64_t replaced = 0;  // clients, after a fatal failure
};

// The producer. Its functions are those of stream::sink unless a comment says more.
class producer final : public stream::sink {
 public:
  // Creates a producer; never waits for a broker. The loop must outlive it. Errors as consumer::create().
  [[nodiscard]] static result<std::unique_ptr<producer>> create(producer_config config,
                                                                runtime::loop& worker);
  // Answers outstanding records with errc::cancelled first; their receipts must still be alive.
  ~producer() override;

  [[nodiscard]] result<void> produce(const stream::outgoing& record, stream::receipt& answer) override;
  void flush() override;
  [[nodiscard]] std::size_t in_flight() const noexcept override;
  [[nodiscard]] const error* failure() const noexcept override;

  // Gives up all outstanding records. Their answers (errc::cancelled, or the broker's if it came first)
  // arrive in the next turns. A record whose request was in flight may have been written.
  void abandon();
  // The counters as of now.
  [[nodiscard]] const producer_counters& counters() const noexcept;

 private:
  class connection;
  explicit producer(std::unique_ptr<connection> link);
  std::unique_ptr<connection> link_;
};

}  // namespace millrace::kafka
