// A record in flight (envelope), and the work of each processor on it (processor_run). Both are pooled and
// reused for record after record.
//
// A record's life:
//
//   taken ─────▶ queued ─────▶ started ─────▶ settled ─────▶ pool
//    │  ▲           │             │                            ▲
//    ▼  │           ▼             ▼                            │
//   waiting ────▶ abandoned ───────────────────────────────────┘
//
//   from                      event                                                         to
//   pool                      on_record(): copied, counted, known to the tracker            taken
//   taken                     the plan of its schema is not compiled yet, or an earlier     waiting
//                             record of the partition waits
//   waiting                   the plan is compiled, and the earlier ones have left          taken
//   taken                     decoded; an earlier record of its key or partition works      queued
//   taken                     decoded, and nothing is in its way; or unreadable             started
//   taken                     skipped by rule                                               settled
//   queued                    the earlier records of its key or partition have ended        started
//   started                   every processor_run has ended; the offset is finished         settled
//   waiting, queued, started  its assignment is sealed                                      abandoned
//   waiting                   its partition is revoked, or the engine drains                abandoned
//   queued                    its turn comes while its partition is revoked, with           abandoned
//                             order_mode::partition
//   settled                   the last handle is released                                   pool
//   abandoned                 no task, receipt or timer is outstanding, and the last        pool
//                             handle is released
//
// An unreadable record is `condemned`: its first run starts as dead-lettering. A record that is skipped by
// rule (a tombstone, or redriven for another group) is settled without having started.
//
// The stages of a processor_run:
//
//   from            event                                                        to
//   idle            start(): the first attempt                                   running
//   idle            condemn(): the record cannot be read                         dead_lettering
//   idle            pass_over(): redriven for another processor                  ended: skipped
//   running         done, without emits                                          ended: done
//   running         done, with emits                                             emitting
//   running         skipped                                                      ended: skipped
//   running         again, or an error with disposition retry                    backing_off
//   running         dead_letter, an error with that disposition, or no           dead_lettering
//                   attempts left
//   running         an error with disposition stop                               stuck
//   backing_off     its timer, when breaker and retry budget allow; operator:    running
//                   retry
//   backing_off     operator: skip; dead_letter                                  ended: skipped; dead_lettering
//   emitting        every emit is acknowledged                                   ended: done
//   emitting        a retryable failure: sent again after a backoff              emitting
//   emitting        another failure, once no receipt is outstanding              dead_lettering, or stuck
//   dead_lettering  acknowledged                                                 ended: dead
//   dead_lettering  a retryable failure, or too large for the first time: sent   dead_lettering
//                   again after a backoff
//   dead_lettering  operator: skip, between two tries                            ended: skipped
//   dead_lettering  another failure                                              stuck
//   any             abandon()                                                    ended
//   ended           reset()                                                      idle
//
// A run that enters dead_lettering while the dead-letter rate limit is exceeded becomes stuck instead. stuck
// stops the engine.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/engine/observer.h>
#include <millrace/engine/operator_command.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/record.h>
#include <millrace/engine/value.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>
#include <millrace/stream/context.h>
#include <millrace/stream/sink.h>

#include "assignment.h"
#include "breaker.h"
#include "engine_metrics.h"

namespace millrace::engine {

class engine_core;
class envelope;
class processor_run;

// One record that a processor wants to produce.
class emission final : public stream::receipt {
 public:
  explicit emission(processor_run& owner) : owner_(owner) {}
  void on_acknowledged(result<void> answer) override;

  const statements::output_declaration* to = nullptr;
  byte_buffer key;
  byte_buffer value;
  bool outstanding = false;
  bool acknowledged = false;

 private:
  processor_run& owner_;
};

// The work of one processor on one record: attempts, backoff between them, then its emits or its dead letter.
class processor_run final : public stream::execution, public runtime::deferred {
 public:
  // stuck: only an operator can help; the engine is stopping.
  enum class stage : std::uint8_t { idle, running, backing_off, emitting, dead_lettering, stuck, ended };
  enum class ending : std::uint8_t { none, done, skipped, dead };

  processor_run(engine_core& owner, envelope& subject, std::size_t index);

  void start(instant at);
  // This run, standing for the whole record, ends in a dead letter without having run.
  void condemn(const error& cause, std::string_view stage_name);
  // A redriven record that names another of the engine's processors.
  void pass_over();
  // operator_command.cc. What happened, or why nothing did; not called on a run that has ended.
  [[nodiscard]] command_answer handle(operator_command verb);
  void end(ending how);
  // The record was abandoned: forget what can be forgotten.
  void abandon() noexcept;
  // Ready for the next record.
  void reset() noexcept;

  [[nodiscard]] stage state() const noexcept { return stage_; }
  [[nodiscard]] ending ended_as() const noexcept { return ended_as_; }
  [[nodiscard]] const std::optional<error>& cause() const noexcept { return cause_; }
  [[nodiscard]] std::string_view name() const noexcept;

  // stream::execution
  runtime::loop& loop() noexcept override;
  stream::store& database() noexcept override;
  [[nodiscard]] const stream::record_block& record() const noexcept override;
  [[nodiscard]] std::uint32_t attempt() const noexcept override { return attempt_; }
  byte_buffer* begin_emit(const statements::output_declaration& to, std::string_view key) override;
  void emit_failed(const error& cause) override;  // the first counts
  [[nodiscard]] std::int64_t write_time_us() const noexcept override;
  [[nodiscard]] nanoseconds put_off_for() const noexcept override;
  void asks(const stream::store_request& request) override;
  void answered(const stream::store_request& request) override;
  void resumed() noexcept override;  // reads nothing but this run: it is on the path of every answer

 private:
  friend class emission;
  class wake final : public runtime::timer {
   public:
    explicit wake(processor_run& owner) : owner_(owner) {}

   private:
    void on_timer() override { owner_.on_wake(); }
    processor_run& owner_;
  };
  class letter final : public stream::receipt {
   public:
    explicit letter(processor_run& owner) : owner_(owner) {}
    void on_acknowledged(result<void> answer) override { owner_.on_dead_letter_answer(answer); }

   private:
    processor_run& owner_;
  };

  void run() override;  // the task has finished
  // What the attempt came to. An exception that left process() is an error of it.
  [[nodiscard]] stream::outcome take_outcome();
  // "processor 'x' on visits/3 offset 17"
  [[nodiscard]] std::string place() const;
  void on_wake();
  void failed(const error& cause);
  void put_off(const stream::outcome& until_later);
  void stop_waiting();
  void stop_backing_off() noexcept;
  // Zero: the next attempt may start.
  [[nodiscard]] nanoseconds held_back_for();
  [[nodiscard]] command_answer obey_retry();
  [[nodiscard]] command_answer retry_now();
  [[nodiscard]] command_answer obey_end(operator_command verb);
  void end_as_ordered(operator_command verb);
  void get_stuck(const error& cause);
  void wake_after(std::uint32_t failures);
  void wake_in(nanoseconds delay);
  void tell_breakers(const stream::outcome& out);
  // Of one callback that was outstanding. False: the record was abandoned meanwhile, and may be gone now.
  [[nodiscard]] bool still_counts();

  // Counts the time since the present stage began.
  void waited(wait what);
  // What the broker's answer says about the broker.
  void tell_breaker(const result<void>& answer);
  void on_refused(const error& cause);
  void send_emits();
  void on_emit_answer(emission& which, const result<void>& answer);
  void on_emit_failure(const error& cause);
  void dead_letter(const error& cause, std::string_view stage_name);
  void send_dead_letter();
  void on_dead_letter_answer(const result<void>& answer);
  void on_dead_letter_failure(const error& cause);
  [[nodiscard]] result<void> produce_dead_letter();
  struct dead_letter_text;
  void describe_dead_letter(dead_letter_text& text) const;
  [[nodiscard]] std::optional<bytes_view> original_group() const;
  void add_own_headers(const dead_letter_text& text, std::vector<stream::header_view>& to) const;
  void add_streams_headers(const dead_letter_text& text, std::vector<stream::header_view>& to) const;

  engine_core& engine_;
  envelope& envelope_;
  std::size_t index_;
  const processor_base& processor_;
  metrics::histogram& took_;
  metrics::histogram& took_failed_;
  instant stage_began_;      // running, backing off, emitting or dead_lettering
  std::int64_t offset_ = 0;  // of the record, since start()
  std::int32_t partition_ = 0;
  stage stage_ = stage::idle;
  ending ended_as_ = ending::none;
  bool dead_letter_truncated_ = false;
  std::uint32_t attempt_ = 0;
  std::uint32_t uncounted_attempts_ = 0;  // that failed while their dependency was unhealthy
  std::optional<dependency> waits_for_;   // of a retry
  bool over_budget_ = false;              // a retry that waits for the retry budget
  bool took_retry_ = false;               // this attempt, from the retry budget
  bool hurried_ = false;                  // by an operator, who is above the retry budget
  bool put_off_ = false;                  // the next attempt follows outcome::again
  std::uint32_t produce_failures_ = 0;
  std::uint32_t receipts_outstanding_ = 0;
  instant first_failed_;
  std::optional<instant> first_put_off_;
  std::optional<timestamp_micros> first_failed_wall_;
  std::string_view dead_lettered_at_;  // stage of the dead letter
  std::optional<error> cause_;
  std::optional<error> emit_error_;  // of this attempt
  std::optional<error> emit_verdict_;
  std::optional<operator_command> ordered_;  // by an operator, for when this attempt has failed
  runtime::task<stream::outcome> task_;
  std::exception_ptr thrown_;  // before there was a task
  wake wake_;
  letter letter_;
  std::vector<std::unique_ptr<emission>> emits_;
  std::size_t emits_used_ = 0;
};

// The runs of one record, side by side: they stay where they were made.
class run_array {
 public:
  run_array(engine_core& owner, envelope& subject, std::size_t count);
  run_array(const run_array&) = delete;
  run_array& operator=(const run_array&) = delete;
  ~run_array();

  [[nodiscard]] processor_run* begin() const noexcept { return first_; }
  [[nodiscard]] processor_run* end() const noexcept { return first_ + count_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] processor_run& front() const noexcept { return *first_; }

 private:
  processor_run* first_;
  std::size_t count_ = 0;
};

class envelope final : public held_record, public unsettled_hook, public waiting_hook {
 public:
  envelope(engine_core& owner, std::unique_ptr<value_slot> room, std::size_t processor_count);

  void fill(stream::record_ref block, assignment& of, instant at);
  [[nodiscard]] value_slot& slot() noexcept { return *slot_; }
  [[nodiscard]] assignment& of() const noexcept { return *assignment_; }

  run_array runs;
  stream::offset_tracker::ticket ticket = 0;
  instant taken_at;
  instant queued_at;                       // behind another record of its key
  std::optional<std::int64_t> created_us;  // since 1970, as the producer says
  std::size_t bytes = 0;                   // counted against the byte budget
  std::size_t unended = 0;                 // runs that have not ended
  std::uint32_t outstanding = 0;           // tasks, receipts and timers that will call back
  std::int64_t write_time_us = 0;
  std::int32_t schema_id = -1;
  bool queued = false;        // behind another record of its key
  bool started = false;       // processors have seen it
  bool condemned = false;     // the whole record is a dead letter: it could not be read
  bool abandoned = false;     // nothing that happens to it counts any more
  bool let_go = false;        // the engine has given back its reference
  bool dead_counted = false;  // by the dead-letter rate limit

  std::unique_ptr<followed_record> followed;  // by an observer
  void note(std::string_view what, std::string_view processor, std::uint32_t attempt, instant began,
            instant ended, std::string failure = {}) {
    if (followed)
      followed->stages.push_back(
          {std::string(what), std::string(processor), attempt, began, ended, std::move(failure)});
  }

  std::uint64_t key_hash = 0;  // 0: not in the key table
  envelope* next_of_key = nullptr;
  envelope* next_free = nullptr;

 private:
  void recycle() noexcept override;

  engine_core& engine_;
  std::unique_ptr<value_slot> slot_;
  assignment_ref assignment_;
};

// All envelopes of an engine.
class envelope_pool {
 public:
  envelope_pool(engine_core& owner, const value_format& format, std::size_t processor_count)
      : engine_(owner), format_(format), processor_count_(processor_count) {}

  [[nodiscard]] envelope& take();
  void give_back(envelope& e) noexcept;
  // Includes what is settled or abandoned but still referred to.
  [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }

 private:
  engine_core& engine_;
  const value_format& format_;
  std::size_t processor_count_;
  std::deque<envelope> all_;
  envelope* free_ = nullptr;
  std::size_t in_use_ = 0;
};

}  // namespace millrace::engine
