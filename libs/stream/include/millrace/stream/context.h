// The environment of a processor besides the record: the store of its statements, the clock, emits, and the log.
//
// Example, at namespace scope:
//
//   #include <millrace/engine/output.h>
//   #include <millrace/simulation/parcel.h>
//
//   void publish(stream::context ctx, const engine::output<engine::parcel>& parcels) {
//     if (ctx.attempt() > 1) return;
//     ctx.emit(parcels, "v1", {.number = 1, .word = "first"});
//     ctx.emit(parcels, stream::no_key, {.number = 2, .word = "second"}, {.headers = {{"source", "web"}}});
//     ctx.erase(parcels, "v0");
//   }
//
// Threads: the worker's thread.
// Lifetime: a context is valid until the task of process() has finished.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>
#include <millrace/statement/declarations.h>
#include <millrace/statement/service.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/emit.h>
#include <millrace/stream/log.h>
#include <millrace/stream/record.h>
#include <millrace/stream/store.h>

namespace millrace::stream {

// A wait that ends early when its attempt is cancelled. The list of its attempt holds it while it waits.
class cancellable : public runtime::list_hook {
 public:
  // The attempt is cancelled. The wait is in no list any more.
  virtual void on_cancelled() = 0;

 protected:
  ~cancellable() = default;
};

// One run of one processor on one record; implemented by the engine and by the simulation. Emits are held
// back until process() has returned done, so that a retry repeats nothing downstream.
class execution {
 public:
  // The loop, the store and the record of this run.
  virtual runtime::loop& loop() noexcept = 0;
  virtual store& database() noexcept = 0;
  [[nodiscard]] virtual const record_block& record() const noexcept = 0;
  // The number of the attempt; the first is 1.
  [[nodiscard]] virtual std::uint32_t attempt() const noexcept = 0;
  // Begins an emit and returns the buffer to which its value is appended, unless it is a tombstone; what
  // `what` views is copied. Returns nullptr when the record was abandoned, when there are too many emits, or
  // when check() refuses it: the attempt fails with that error when process() returns.
  virtual byte_buffer* begin_emit(const emit_request& what) = 0;
  // Reports that the value of the last emit could not be encoded. The attempt fails with the first such error
  // when process() returns.
  virtual void emit_failed(const error& cause) = 0;
  // The record's write time (write_clock.h) in microseconds since 1970.
  [[nodiscard]] virtual std::int64_t write_time_us() const noexcept {
    return record().created().time_since_epoch().count() * 1'000;
  }
  // The time since outcome::again first deferred this record; zero when it never was deferred.
  [[nodiscard]] virtual nanoseconds put_off_for() const noexcept { return nanoseconds(0); }
  // True when nobody waits for the result any more: the attempt took longer than `engine.attempt_timeout`, or
  // the record was given up with its partition or by a stop. Its emits are dropped.
  [[nodiscard]] virtual bool is_cancelled() const noexcept { return false; }
  // The log of the application, for this record and processor. Default: one that writes nothing.
  [[nodiscard]] virtual record_log log() const noexcept { return {}; }
  // Adds a wait, which leaves when it is over or cancelled. Not called once the attempt is cancelled.
  virtual void begin_wait(cancellable& wait) { static_cast<void>(wait); }
  // Called when the processor resumes after a wait. The watchdog uses it to name the processor of a blocked
  // loop.
  virtual void resumed() noexcept {}
  // Called before a database request is submitted, and when its answer has arrived.
  virtual void asks(const store_request& request) { static_cast<void>(request); }
  virtual void answered(const store_request& request) { static_cast<void>(request), resumed(); }
  // Called by what shares or caches requests, after `resumed`: the database has answered for `statement`.
  // Circuit breakers go by these answers. nullptr: it succeeded.
  virtual void database_answered(const statements::statement_declaration& statement, const error* failure) {
    static_cast<void>(statement), static_cast<void>(failure);
  }
  // Called when a service (statement/service.h) has answered a call, or has failed to, after `resumed`. Circuit
  // breakers go by it. nullptr: it succeeded.
  virtual void service_answered(const statements::service_declaration& service, const error* failure) {
    static_cast<void>(service), static_cast<void>(failure);
  }
  // Called instead when a call was given up that had waited too long for its turn: nothing was sent, and the
  // service is not to blame.
  virtual void service_not_called(const statements::service_declaration& service) {
    static_cast<void>(service);
  }
  // An answer of the statement or service of this name was destroyed that nobody had looked at (answer.h). An
  // attempt that ends with done or skipped fails then. The name lives as long as the processor.
  virtual void answer_ignored(const std::string& name) noexcept { static_cast<void>(name); }

 protected:
  ~execution() = default;
};

// `co_await ctx.sleep_for(5s)` yields true when the time is over, and false at once when the attempt is
// cancelled: process() should then return.
class [[nodiscard]] context_sleep final : private runtime::timer, private cancellable {
 public:
  context_sleep(execution& run, nanoseconds duration) noexcept : run_(run), duration_(duration) {}
  bool await_ready() const noexcept { return duration_.count() <= 0 || run_.is_cancelled(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    run_.begin_wait(*this);
    run_.loop().start(*this, duration_);
  }
  bool await_resume() const noexcept {
    run_.resumed();
    return !run_.is_cancelled();
  }

 private:
  void on_timer() override {
    unlink();
    run_.loop().resume_later(waiting_);
  }
  void on_cancelled() override {
    cancel();
    run_.loop().resume_later(waiting_);
  }

  execution& run_;
  nanoseconds duration_;
  std::coroutine_handle<> waiting_;
};

// Passed to process() by value. The functions are those of `execution`.
class context {
 public:
  explicit context(execution& run) noexcept : run_(&run) {}

  [[nodiscard]] runtime::loop& loop() const noexcept { return run_->loop(); }
  [[nodiscard]] store& database() const noexcept { return run_->database(); }
  [[nodiscard]] std::uint32_t attempt() const noexcept { return run_->attempt(); }
  [[nodiscard]] const record_block& record() const noexcept { return run_->record(); }
  [[nodiscard]] std::int64_t write_time_us() const noexcept { return run_->write_time_us(); }
  [[nodiscard]] nanoseconds put_off_for() const noexcept { return run_->put_off_for(); }
  [[nodiscard]] bool is_cancelled() const noexcept { return run_->is_cancelled(); }
  [[nodiscard]] record_log log() const noexcept { return run_->log(); }
  [[nodiscard]] context_sleep sleep_for(nanoseconds duration) const noexcept {
    return context_sleep(*run_, duration);
  }
  // To be called by an awaitable when its wait is over.
  void resumed() const noexcept { run_->resumed(); }
  // To be called by statements instead: before a request and after its answer.
  void asks(const store_request& request) const { run_->asks(request); }
  void answered(const store_request& request) const { run_->answered(request); }
  void database_answered(const statements::statement_declaration& statement, const error* failure) const {
    run_->database_answered(statement, failure);
  }
  // To be called by statements: the duty to look at an answer, for stream::answer.
  [[nodiscard]] answer_duty duty_for(const statements::statement_declaration& statement) const noexcept {
    return answer_duty(*run_, statement.name());
  }
  [[nodiscard]] answer_duty duty_for(const statements::service_declaration& service) const noexcept {
    return answer_duty(*run_, service.name());
  }
  // To be called by services, and by waits that end when the attempt is cancelled.
  void service_answered(const statements::service_declaration& service, const error* failure) const {
    run_->service_answered(service, failure);
  }
  void service_not_called(const statements::service_declaration& service) const {
    run_->service_not_called(service);
  }
  void begin_wait(cancellable& wait) const { run_->begin_wait(wait); }

  // Produces `value` to the output `to` once process() has returned done. The record is finished when the
  // broker has acknowledged it. Output is engine::output<T>. The emitted record has the timestamp of the
  // record (`engine.emit_timestamp`) and the partition of its key, unless `options` say otherwise (emit.h).
  // Failure: a value that cannot be encoded, options that check() refuses, or more emits than
  // `engine.emits_per_record_max`, fail the attempt when process() returns, whatever it returns. A partition
  // that the topic does not have, and a record that the broker refuses for ever, make the record a dead letter.
  template <typename Output>
  void emit(const Output& to, const emit_key& key, const typename Output::value_type& value) const {
    append(to, {to, key.bytes()}, value);
  }
  template <typename Output>
  void emit(const Output& to, const emit_key& key, const typename Output::value_type& value,
            const emit_options& options) const {
    append(to, {to, key.bytes(), &options}, value);
  }

  // The same with a key of the type of the output, engine::output<T, K>.
  // Failure: a key that cannot be encoded fails the attempt, as a value does.
  template <typename Output>
  void emit(const Output& to, const typename Output::key_type& key,
            const typename Output::value_type& value) const {
    if (const auto bytes = encoded_key(to, key)) append(to, {to, *bytes}, value);  // NOLINT
  }
  template <typename Output>
  void emit(const Output& to, const typename Output::key_type& key, const typename Output::value_type& value,
            const emit_options& options) const {
    if (const auto bytes = encoded_key(to, key)) append(to, {to, *bytes, &options}, value);
  }

  // Anything else does not compile.
  template <typename Output, typename Value, typename... Options>
    requires(!std::derived_from<Output, statements::output_declaration> ||
             !std::convertible_to<const Value&, const typename Output::value_type&>)
  void emit(const Output&, const emit_key&, const Value&, const Options&...) const {
    static_assert(std::derived_from<Output, statements::output_declaration>,
                  "ctx.emit(output, key, value): the output is a member of the processor, of type output<T>");
    static_assert(!std::derived_from<Output, statements::output_declaration>,
                  "ctx.emit(output, key, value): an output<T> takes a T; this value has another type");
  }

  // Produces a tombstone, a record whose value is null, in the same way: it deletes the records of its key
  // from a compacted topic.
  // Failure: a null key fails the attempt with errc::produce_rejected.
  void erase(const statements::output_declaration& to, const emit_key& key) const {
    run_->begin_emit({to, key.bytes(), nullptr, true});
  }
  void erase(const statements::output_declaration& to, const emit_key& key,
             const emit_options& options) const {
    run_->begin_emit({to, key.bytes(), &options, true});
  }
  template <typename Output>
  void erase(const Output& to, const typename Output::key_type& key) const {
    if (const auto bytes = encoded_key(to, key)) run_->begin_emit({to, *bytes, nullptr, true});  // NOLINT
  }
  template <typename Output>
  void erase(const Output& to, const typename Output::key_type& key, const emit_options& options) const {
    if (const auto bytes = encoded_key(to, key)) run_->begin_emit({to, *bytes, &options, true});
  }

 private:
  // nullopt: the attempt fails.
  template <typename Output>
  [[nodiscard]] std::optional<bytes_view> encoded_key(const Output& to,
                                                      const typename Output::key_type& key) const {
    const result<bytes_view> encoded = to.encode_key(key);
    if (encoded) return *encoded;
    run_->emit_failed(encoded.error().in("key"));
    return std::nullopt;
  }
  template <typename Output>
  void append(const Output& to, const emit_request& request, const typename Output::value_type& value) const {
    byte_buffer* const into = run_->begin_emit(request);
    if (into == nullptr) return;
    try {
      if (auto encoded = to.encode(value, *into); !encoded) run_->emit_failed(encoded.error());
    } catch (...) {
      emit_threw();  // half a value must not be produced, also when process() catches this
      throw;
    }
  }
  // While an exception is caught.
  void emit_threw() const;

  execution* run_;
};

}  // namespace millrace::stream
