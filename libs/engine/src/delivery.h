// Produces what one run decided, its emits or its dead-letter record, until the broker has acknowledged it.
// A failure that may pass is retried for as long as the record is ours: nothing is dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/runtime/timer.h>
#include <millrace/stream/sink.h>

#include "dead_letter.h"
#include "emit_batch.h"
#include "envelope.h"
#include "record_host.h"

namespace millrace::engine {

class delivery_events {
 public:
  virtual void on_delivered() = 0;
  // A try has failed. Another one follows, or on_undeliverable().
  virtual void on_delivery_failure(const error& cause) = 0;
  // No further try will succeed, and nothing is outstanding.
  virtual void on_undeliverable(const error& cause) = 0;
  [[nodiscard]] virtual dead_letter_facts dead_letter() const = 0;
  [[nodiscard]] virtual std::string_view processor() const = 0;

 protected:
  ~delivery_events() = default;
};

class delivery final : private emission_watcher, private runtime::timer, private stream::receipt {
 public:
  delivery(record_host& host, envelope& subject, delivery_events& events) noexcept
      : host_(host), envelope_(subject), events_(events) {}

  void send(emit_batch& emits);
  void begin_dead_letter();
  // Between two tries; nothing is outstanding but the timer.
  [[nodiscard]] bool waits() const noexcept { return armed() && receipts_outstanding_ == 0; }
  // The next try is now. State: waits().
  void hurry();
  // No further try: on_undeliverable(cause), at once or when the last receipt has come.
  void give_up(const error& cause);
  // Forgets the timer. Receipts that are outstanding still come.
  void abandon() noexcept;

 private:
  void on_timer() override;
  void on_acknowledged(result<void> answer) override;  // of the dead-letter record
  void on_emit_answer(emission& which, const result<void>& answer) override;

  void send_emits();
  void follow(const emission& sent);
  void send_dead_letter();
  void on_emit_failure(const error& cause);
  void on_dead_letter_failure(const error& cause);
  void began_receipt() noexcept;
  // What an answer says about the broker. A sink that cannot send at present is a broker that cannot be
  // reached; a full queue is not.
  void tell_breaker(const result<void>& answer);
  void on_refused(const error& cause);
  void try_again();
  void finish_verdict();

  record_host& host_;
  envelope& envelope_;
  delivery_events& events_;
  emit_batch* emits_ = nullptr;  // nullptr: the dead-letter record
  std::uint32_t failures_ = 0;
  std::uint32_t receipts_outstanding_ = 0;
  std::optional<error> verdict_;
  dead_letter_omissions without_;
};

}  // namespace millrace::engine
