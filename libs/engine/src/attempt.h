// The work of one processor on one record (processor_run), attempt by attempt. Both are pooled with their
// record.
//
// The stages of a processor_run:
//
//   from            event                                                        to
//   idle            start(): the first attempt                                   running
//   idle            start(), over the limit of the processor                     limited
//   idle            condemn(): the record cannot be read                         dead_lettering
//   idle            stop(): no processor reads its type, and the policy is to   stuck
//                   stop
//   idle            abandon(): the processor does not read its topic or type     ended
//   idle            pass_over(): redriven for another processor, a tombstone     ended: skipped
//                   that the processor does not take, or filtered
//   limited         admitted                                                     running
//   limited         operator: skip; dead_letter                                  ended: skipped; dead_lettering
//   running         done, without emits                                          ended: done
//   running         done, with emits                                             emitting
//   running         skipped, or an error that the processor classifies so        ended: skipped
//   running         again, or an error with disposition retry                    backing_off
//   running         dead_letter, an error with that disposition, or no           dead_lettering
//                   attempts left
//   running         an error with disposition stop                               stuck
//   backing_off     its timer, when breaker and retry budget allow; operator:    running, or limited
//                   retry
//   backing_off     operator: skip; dead_letter                                  ended: skipped; dead_lettering
//   emitting        every emit is acknowledged                                   ended: done
//   emitting        a retryable failure: sent again after a backoff              emitting
//   emitting        another failure, once no receipt is outstanding              dead_lettering, or stuck
//   dead_lettering  acknowledged                                                 ended: dead
//   dead_lettering  a retryable failure, or too large: sent again after a        dead_lettering
//                   backoff, without its largest part when it was too large
//   dead_lettering  operator: skip, between two tries                            ended: skipped
//   emitting        operator: skip; dead_letter, once no receipt is outstanding  ended: skipped; dead_lettering
//   dead_lettering  another failure                                              stuck
//   any             abandon()                                                    ended
//   ended           reset()                                                      idle
//
// A run that enters dead_lettering while the dead-letter rate limit is exceeded becomes stuck instead. stuck
// stops the engine.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/engine/operator_command.h>
#include <millrace/engine/processor.h>
#include <millrace/metrics/cells.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/runtime/limiter.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>
#include <millrace/stream/context.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

#include "delivery.h"
#include "emit_batch.h"
#include "envelope.h"
#include "limit_wait.h"
#include "record_host.h"

namespace millrace::engine {

class processor_run;

// One call of process(): its task, what it asks the database, and what it emits.
class process_call final : public stream::execution, public runtime::deferred {
 public:
  process_call(record_host& host, envelope& subject, processor_base& processor, processor_run& owner) noexcept
      : host_(host), envelope_(subject), processor_(processor), owner_(&owner) {}

  // `holds`: the limiter that has admitted the attempt, until process() returns; may be none.
  void start(std::uint32_t number, runtime::limiter* holds);
  // Nobody waits for it any more: its waits end, and what it emits is dropped.
  void cancel() noexcept;
  [[nodiscard]] bool runs() const noexcept { return task_.valid(); }
  // The run goes on without it. It deletes itself when process() returns.
  static void leave_alone(std::unique_ptr<process_call> call) noexcept;
  // What it came to, once. An exception that left process() is an error of it, and so is an answer that it did
  // not look at.
  [[nodiscard]] stream::outcome take_outcome();
  [[nodiscard]] emit_batch& emits() noexcept { return emits_; }
  // The emits count against the byte budget.
  void hold_emits() noexcept {
    if (mutated(stream::mutation::forget_the_emitted_bytes)) return;
    host_.hold(held_bytes_, emits_.bytes_held());
  }
  // Ready for the next record.
  void recycle() noexcept;
  // What failed because of a dependency: the statement or service, or the processor when none of them did.
  [[nodiscard]] const void* failed_part() const noexcept { return failed_part_; }
  [[nodiscard]] bool has_told_a_failure() const noexcept { return failed_part_ != &processor_; }
  // The dependency whose failure an error of this attempt shows; nullopt: it shows nothing about other requests.
  [[nodiscard]] std::optional<dependency> dependency_behind(errc code) const noexcept {
    return is_service_failure(code) ? failed_service_ : dependency_of(code);
  }

  // stream::execution
  runtime::loop& loop() noexcept override { return host_.environment().ports.loop; }
  stream::store& database() noexcept override { return host_.environment().database(); }
  [[nodiscard]] const stream::record_block& record() const noexcept override { return envelope_.block(); }
  [[nodiscard]] std::uint32_t attempt() const noexcept override { return number_; }
  byte_buffer* begin_emit(const stream::emit_request& what) override;
  void emit_failed(const error& cause) override { emits_.fail(cause); }
  [[nodiscard]] std::int64_t write_time_us() const noexcept override { return envelope_.write_time_us; }
  [[nodiscard]] nanoseconds put_off_for() const noexcept override;
  void asks(const stream::store_request& request) override;
  [[nodiscard]] bool is_cancelled() const noexcept override { return cancelled_; }
  [[nodiscard]] stream::record_log log() const noexcept override;
  void begin_wait(stream::cancellable& wait) override { waits_.push_back(wait); }
  void answered(const stream::store_request& request) override;
  void database_answered(const statements::statement_declaration& which, const error* failure) override;
  void service_answered(const statements::service_declaration& which, const error* failure) override;
  void service_not_called(const statements::service_declaration& which) override;
  void answer_ignored(const std::string& name) noexcept override {
    if (ignored_answer_ == nullptr) ignored_answer_ = &name;
  }
  // Reads nothing but this object: it is on the path of every answer.
  void resumed() noexcept override { host_.enter(processor_, partition_, offset_); }

 private:
  void run() override;  // the task has finished
  [[nodiscard]] stream::outcome outcome_of_task();
  [[nodiscard]] stream::outcome threw(const std::exception_ptr& thrown);
  [[nodiscard]] result<void> may_emit(const stream::emit_request& what);
  [[nodiscard]] std::optional<timestamp> timestamp_of(const stream::emit_request& what) const;

  record_host& host_;
  envelope& envelope_;
  processor_base& processor_;
  processor_run* owner_;     // nullptr: left alone
  std::int64_t offset_ = 0;  // of the record, since start()
  std::int32_t partition_ = 0;
  std::uint32_t number_ = 0;
  runtime::limiter* holds_ = nullptr;
  runtime::task<stream::outcome> task_;
  std::exception_ptr thrown_;  // before there was a task
  const void* failed_part_ = nullptr;
  std::optional<dependency> failed_service_;     // of this attempt, the last
  const std::string* ignored_answer_ = nullptr;  // of this attempt, the first
  runtime::intrusive_list<stream::cancellable> waits_;
  bool cancelled_ = false;
  emit_batch emits_;
  std::size_t held_bytes_ = 0;
};

class processor_run final : private delivery_events, private runtime::timer, private limit_events {
 public:
  // limited: waits for the limit of its processor. stuck: only an operator can help; the engine is stopping.
  enum class stage : std::uint8_t {
    idle,
    limited,
    running,
    backing_off,
    emitting,
    dead_lettering,
    stuck,
    ended
  };
  enum class ending : std::uint8_t { none, done, skipped, dead };

  processor_run(record_host& host, envelope& subject, std::size_t index);

  void start(instant at);
  // This run, standing for the whole record, ends in a dead letter without having run.
  void condemn(const error& cause, std::string_view stage_name);
  // The same, but the engine stops.
  void stop(const error& cause);
  // A redriven record that names another of the engine's processors, a tombstone that this one does not take, or a
  // record that it does not want.
  void pass_over(std::string_view reason);
  // What happened, or why nothing did. Not called on a run that has ended.
  [[nodiscard]] command_answer handle(operator_command verb);
  // The record was abandoned, or its processor does not read it: forget what can be forgotten.
  void abandon() noexcept;
  // Ready for the next record.
  void reset() noexcept;
  // Ends the wait for an attempt that began before `begun_before`.
  void expire(instant begun_before);
  // True: nothing of it is at work now, nor will be before `until`.
  [[nodiscard]] bool only_waits(instant until) const noexcept;
  // From the attempt.
  void attempt_ended();
  [[nodiscard]] nanoseconds put_off_for() const noexcept;

  [[nodiscard]] stage state() const noexcept { return stage_; }
  [[nodiscard]] ending ended_as() const noexcept { return ended_as_; }
  [[nodiscard]] const std::optional<error>& cause() const noexcept { return cause_; }
  [[nodiscard]] std::string_view name() const noexcept { return processor_.name(); }
  [[nodiscard]] std::uint32_t attempts() const noexcept { return attempts_; }
  [[nodiscard]] instant last_failed() const noexcept { return last_failed_; }

 private:
  // Another call takes the place of the one that took too long.
  void leave_call_alone();
  // delivery_events
  void on_delivered() override;
  void on_delivery_failure(const error& cause) override;
  void on_undeliverable(const error& cause) override;
  [[nodiscard]] dead_letter_facts dead_letter() const override;
  [[nodiscard]] std::string_view processor() const override { return name(); }

  void on_timer() override;
  void on_admitted(instant since, instant now) override;
  void end(ending how);
  void failed(const error& cause);
  void put_off(const stream::outcome& until_later);
  void stop_backing_off() noexcept;
  // The timer is what is outstanding.
  void cancel_wake() noexcept;
  // Zero: the next attempt may start.
  [[nodiscard]] nanoseconds held_back_for();
  [[nodiscard]] command_answer obey_retry();
  [[nodiscard]] command_answer obey_end(operator_command verb);
  void end_as_ordered(operator_command verb);
  void get_stuck(const error& cause);
  void bury(const error& cause, std::string_view stage_name);
  void wake_after(std::uint32_t failures);
  void wake_in(nanoseconds delay);
  void tell_breakers(const stream::outcome& out);
  void note_first_failure();
  // True: the record has no attempts or no time left.
  [[nodiscard]] bool is_exhausted(const error& cause);
  [[nodiscard]] bool is_exhausted_alone(const error& cause);
  // Counts the time since the present stage began.
  void waited(wait what);
  [[nodiscard]] engine_environment& env() const noexcept { return host_.environment(); }

  record_host& host_;
  envelope& envelope_;
  processor_base& processor_;
  const bool uses_database_;
  const processor_rules& rules_;
  const std::vector<std::uint8_t>& uses_services_;
  metrics::histogram& took_;
  metrics::histogram& took_failed_;
  instant wakes_at_;     // backing off
  instant stage_began_;  // running, backing off, emitting or dead_lettering
  stage stage_ = stage::idle;
  ending ended_as_ = ending::none;
  std::uint32_t attempts_ = 0;
  std::uint32_t uncounted_attempts_ = 0;  // that were deferred, or failed because of a dependency
  std::optional<dependency> waits_for_;   // of a retry
  bool over_budget_ = false;              // a retry that waits for the retry budget
  bool took_retry_ = false;               // this attempt, from the retry budget
  bool hurried_ = false;                  // by an operator, who is above the retry budget
  bool put_off_ = false;                  // the next attempt follows outcome::again
  std::uint32_t failures_ = 0;            // of attempts
  std::optional<instant> first_failed_;   // for reasons of its own
  instant last_failed_;                   // because of a dependency, or the start of the attempt that did
  nanoseconds failed_alone_{0};           // while the same statement succeeded for other records
  std::optional<instant> first_put_off_;
  std::optional<timestamp_micros> first_failed_wall_;
  std::string_view dead_lettered_at_;  // stage of the dead letter
  std::optional<error> cause_;
  std::optional<operator_command> ordered_;  // by an operator, for when this attempt has failed
  std::unique_ptr<process_call> call_;
  delivery delivery_;
  limit_wait limit_;
};

inline processor_run* run_array::end() const noexcept { return first_ + count_; }
inline processor_run& run_array::operator[](std::size_t place) const noexcept { return first_[place]; }

}  // namespace millrace::engine
