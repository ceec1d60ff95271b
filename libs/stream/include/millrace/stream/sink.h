// The port through which records leave: produced records and dead-letter records. A worker has one sink.
//
// Example, at namespace scope:
//
//   struct remember final : stream::receipt {
//     std::optional<error> failure;
//     void on_acknowledged(result<void> answer) override {
//       if (!answer) failure = answer.error();
//     }
//   };
//
//   // `answer` stays alive until on_acknowledged().
//   result<void> send(stream::sink& sink, remember& answer) {
//     return sink.produce({.topic = "visits", .key = as_bytes("v1"), .value = as_bytes("body"), .headers = {}}, answer);
//   }
//
// Threads: the worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>

namespace millrace::stream {

// Receives the broker's answer for one produced record. Called from the worker's loop, never from within
// produce(). Must stay alive until then.
class receipt {
 public:
  // Success: all in-sync replicas have acknowledged the record. errc::produce_failed: another try may
  // succeed. errc::produce_rejected: no try can succeed.
  virtual void on_acknowledged(result<void> answer) = 0;

 protected:
  ~receipt() = default;
};

// A record to produce. The views are valid during the call of produce().
struct outgoing {
  std::string_view topic;
  std::optional<bytes_view> key;
  std::optional<bytes_view> value;  // nullopt: a tombstone
  std::span<const header_view> headers;
  std::optional<std::int32_t> partition = std::nullopt;  // must exist; nullopt: the key decides
  std::optional<timestamp> created = std::nullopt;       // nullopt: the time of produce()
};

// The port.
class sink {
 public:
  sink() = default;
  sink(const sink&) = delete;
  sink& operator=(const sink&) = delete;
  virtual ~sink() = default;

  // Copies the record and returns at once. The receipt is called exactly once for an accepted record, and
  // never after an error: errc::produce_failed when the queue is full and errc::broker_unavailable when the
  // sink cannot send at present (repeat the call in a later turn), errc::produce_rejected when the record can
  // never be sent because it is too large or its partition does not exist.
  [[nodiscard]] virtual result<void> produce(const outgoing& record, receipt& answer) = 0;
  // Sends queued records without lingering. Does not block.
  virtual void flush() = 0;
  // Returns the number of accepted records without an answer.
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
  // Returns the reason why the sink can never send again; nullptr while it can. Once set it stays set.
  [[nodiscard]] virtual const error* failure() const noexcept { return nullptr; }
};

}  // namespace millrace::stream
