// What a processor sees besides the record: the store its statements use, the clock, and emits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/runtime/loop.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/record.h>
#include <millrace/stream/store.h>

namespace millrace::stream {

// One run of one processor on one record; implemented by the engine. Emits are held back until process() has
// returned done, so that a retry repeats nothing downstream.
class execution {
 public:
  virtual runtime::loop& loop() noexcept = 0;
  virtual store& database() noexcept = 0;
  [[nodiscard]] virtual const record_block& record() const noexcept = 0;
  // 1 for the first try.
  [[nodiscard]] virtual std::uint32_t attempt() const noexcept = 0;
  // Where the value of an emit is to be appended; `key` is copied. Null: nothing of it is to be produced,
  // because there are too many (the attempt fails with that when process() returns), or because the record
  // was abandoned.
  virtual byte_buffer* begin_emit(const statements::output_declaration& to, std::string_view key) = 0;
  // The value of the last begun emit could not be encoded: the attempt fails with the first such error when
  // process() returns.
  virtual void emit_failed(const error& cause) = 0;
  // The record's write time (write_clock.h), in microseconds since 1970.
  [[nodiscard]] virtual std::int64_t write_time_us() const noexcept {
    return record().created().time_since_epoch().count() * 1'000;
  }
  // Since this record was first put off by outcome::again; zero when it never was.
  [[nodiscard]] virtual nanoseconds put_off_for() const noexcept { return nanoseconds(0); }
  // The processor goes on after a wait. For the watchdog, which says what a stuck worker runs.
  virtual void resumed() noexcept {}
  // Around a request to the database: before it is submitted, and once its answer is there.
  virtual void asks(const store_request& request) { static_cast<void>(request); }
  virtual void answered(const store_request& request) { static_cast<void>(request), resumed(); }

 protected:
  ~execution() = default;
};

// Passed to process() by value; valid until its task has finished.
class context {
 public:
  explicit context(execution& run) noexcept : run_(&run) {}

  [[nodiscard]] runtime::loop& loop() const noexcept { return run_->loop(); }
  [[nodiscard]] store& database() const noexcept { return run_->database(); }
  [[nodiscard]] std::uint32_t attempt() const noexcept { return run_->attempt(); }
  [[nodiscard]] const record_block& record() const noexcept { return run_->record(); }
  [[nodiscard]] std::int64_t write_time_us() const noexcept { return run_->write_time_us(); }
  [[nodiscard]] nanoseconds put_off_for() const noexcept { return run_->put_off_for(); }
  // For what a processor awaits: called when the wait is over.
  void resumed() const noexcept { run_->resumed(); }
  // For statements, instead: around their request.
  void asks(const store_request& request) const { run_->asks(request); }
  void answered(const store_request& request) const { run_->answered(request); }

  // Produces `value` to `to` once process() has returned done; the record is finished when the broker has
  // acknowledged it. Output is pipeline's output<T>. A value that cannot be encoded, and more emits than
  // engine.emits_per_record_max, fail the attempt when process() returns, whatever it returns as done.
  template <typename Output>
  void emit(const Output& to, std::string_view key, const typename Output::value_type& value) const {
    byte_buffer* const into = run_->begin_emit(to, key);
    if (into == nullptr) return;
    try {
      if (auto encoded = to.encode(value, *into); !encoded) run_->emit_failed(encoded.error());
    } catch (...) {
      emit_threw();  // half a value must not be produced, also when process() catches this
      throw;
    }
  }

 private:
  // While an exception is caught.
  void emit_threw() const;

  execution* run_;
};

}  // namespace millrace::stream
