// The port through which records leave: produced records and dead letters. One sink per worker, on its
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <millrace/base/result.h>
#include <millrace/stream/record.h>

namespace millrace::stream {

// Told when the broker has answered for one produced record. Called from the worker's loop, never from within
// produce(). Must stay alive until then.
class receipt {
 public:
  // ok: acknowledged by all in-sync replicas. errc::produce_failed may succeed later, errc::produce_rejected
  // never.
  virtual void on_acknowledged(result<void> answer) = 0;

 protected:
  ~receipt() = default;
};

struct outgoing {
  std::string_view topic;
  std::optional<bytes_view> key;
  std::optional<bytes_view> value;
  std::span<const header_view> headers;
  std::optional<std::int32_t> partition = std::nullopt;  // which the topic has; otherwise the key decides
};

class sink {
 public:
  sink() = default;
  sink(const sink&) = delete;
  sink& operator=(const sink&) = delete;
  virtual ~sink() = default;

  // Copies the record and returns at once. Of a record that is not taken the receipt is not notified:
  // errc::produce_failed when the queue is full and errc::broker_unavailable when the sink cannot send at
  // present (repeat it in a later turn), errc::produce_rejected when the record can never be sent (too
  // large).
  [[nodiscard]] virtual result<void> produce(const outgoing& record, receipt& answer) = 0;
  // Sends what is queued without waiting for lingering; does not block.
  virtual void flush() = 0;
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
  // Why the sink can never send again; null while it can. It stays set.
  [[nodiscard]] virtual const error* failure() const noexcept { return nullptr; }
};

}  // namespace millrace::stream
