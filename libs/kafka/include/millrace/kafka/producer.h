// The sink of a worker: one idempotent librdkafka producer (acks=all), as the port stream/sink.h describes
// it.
//
// Threads: the worker's. The producer registers a step of the loop (phase::produce) that takes delivery
// reports in batches and answers the receipts; librdkafka's threads only wake the loop.
//
// Every record that produce() accepted gets exactly one answer: acknowledged; errc::produce_failed (not
// acknowledged within `delivery_timeout`, topic missing, not authorised: trying again may help);
// errc::produce_rejected (too large or invalid); errc::cancelled (abandon(), or the producer ended first).
//
// Acknowledged means that a broker named the record's offset. librdkafka also reports success for a record
// that it infers from the acknowledgement of a later one; a broker may have refused that record, so the
// answer is errc::produce_failed. Producing it again repeats it at worst.
//
// A client that librdkafka calls fatally failed (lost sequence numbers, a fenced epoch) is replaced by a new
// one: its unacknowledged records are answered with errc::produce_failed, and meanwhile produce() returns
// errc::broker_unavailable. failure() is set, and nothing can be produced any more, when an operator must act
// (a permission is missing) or when five new clients in a row failed before a record was acknowledged.
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

struct producer_config {
  client_config client;
  milliseconds linger{5};
  // From produce() to the answer, retries included.
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

struct producer_counters {
  std::uint64_t accepted = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t failed = 0;    // produce_failed
  std::uint64_t implied = 0;   // of those: reported as delivered by librdkafka, not acknowledged by a broker
  std::uint64_t rejected = 0;  // produce_rejected, from the broker
  std::uint64_t cancelled = 0;
  std::uint64_t replaced = 0;  // clients, after a fatal failure
};

class producer final : public stream::sink {
 public:
  // Never waits for a broker. The loop must outlive the producer. Errors as consumer::create.
  [[nodiscard]] static result<std::unique_ptr<producer>> create(producer_config config,
                                                                runtime::loop& worker);
  // Answers what is outstanding with errc::cancelled first; those receipts must still be alive.
  ~producer() override;

  [[nodiscard]] result<void> produce(const stream::outgoing& record, stream::receipt& answer) override;
  void flush() override;
  [[nodiscard]] std::size_t in_flight() const noexcept override;
  [[nodiscard]] const error* failure() const noexcept override;

  // Gives up everything outstanding: the answers (errc::cancelled, or the broker's if it came first) arrive
  // in the next turns. A record whose request was on its way may have been written.
  void abandon();
  [[nodiscard]] const producer_counters& counters() const noexcept;

 private:
  class connection;
  explicit producer(std::unique_ptr<connection> link);
  std::unique_ptr<connection> link_;
};

}  // namespace millrace::kafka
