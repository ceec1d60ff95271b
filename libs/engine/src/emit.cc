// What a done processor emitted, until the broker has all of it.
#include <array>

#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

#include "engine_core.h"
#include "envelope.h"

namespace millrace::engine {

void emission::on_acknowledged(result<void> answer) { owner_.on_emit_answer(*this, answer); }

namespace {

// The trace goes on in what the record produces: with the record's own span when it has one.
class trace_headers {
 public:
  explicit trace_headers(const envelope& of) {
    if (of.followed && !of.followed->span_id.empty()) {
      own_ = format_trace_parent(of.followed->trace_id, of.followed->span_id);
      all_[count_++] = {traceparent_header, as_bytes(own_)};
    } else if (of.block().header_count() > 0) {
      if (const auto given = of.block().header(traceparent_header))
        all_[count_++] = {traceparent_header, given};
    }
    if (count_ == 0 || of.block().header_count() == 0) return;
    if (const auto state = of.block().header(tracestate_header)) all_[count_++] = {tracestate_header, state};
  }
  [[nodiscard]] std::span<const stream::header_view> get() const noexcept { return {all_.data(), count_}; }

 private:
  std::string own_;
  std::array<stream::header_view, 2> all_;
  std::size_t count_ = 0;
};

}  // namespace

void processor_run::send_emits() {
  const trace_headers trace(envelope_);
  for (std::size_t i = 0; i < emits_used_; ++i) {
    emission& e = *emits_[i];
    if (e.outstanding || e.acknowledged) continue;
    const stream::outgoing out{e.to->topic(), bytes_view(e.key), bytes_view(e.value), trace.get()};
    const result<void> taken = engine_.ports().sink.produce(out, e);
    if (!taken) return on_refused(taken.error()), on_emit_failure(taken.error());
    engine_.try_began(dependency::broker);
    e.outstanding = true;
    if (envelope_.followed) envelope_.followed->emits.push_back({e.to->topic(), e.key, e.value});
    ++receipts_outstanding_;
    ++envelope_.outstanding;
  }
  if (mutated(stream::mutation::commit_before_the_emit) && envelope_.unended == 1) {
    envelope_.of().tracker.finished(envelope_.ticket);
  }
}

// A sink that cannot send at present is a broker that cannot be reached; a full queue is not.
void processor_run::on_refused(const error& cause) {
  if (cause.code() != errc::broker_unavailable) return;
  engine_.try_began(dependency::broker);
  engine_.try_failed(dependency::broker);
}

void processor_run::tell_breaker(const result<void>& answer) {
  if (answer) return engine_.try_succeeded(dependency::broker);
  if (dependency_of(answer.error().code()) == dependency::broker) engine_.try_failed(dependency::broker);
}

void processor_run::on_emit_answer(emission& which, const result<void>& answer) {
  which.outstanding = false;
  --receipts_outstanding_;
  if (!still_counts()) return;
  tell_breaker(answer);
  if (!answer && !mutated(stream::mutation::drop_a_failed_emit)) return on_emit_failure(answer.error());
  which.acknowledged = true;
  engine_.counters().emitted(which.to->topic());
  if (receipts_outstanding_ > 0 || wake_.armed()) return;
  if (emit_verdict_) return on_emit_failure(*emit_verdict_);
  for (std::size_t i = 0; i < emits_used_; ++i) {
    if (!emits_[i]->acknowledged) return;
  }
  waited(wait::produce_ack);
  end(ending::done);
}

// A failure that may pass is retried for as long as the record is ours: an emit is never dropped. One that
// never passes makes the record a dead letter, once no receipt is outstanding.
void processor_run::on_emit_failure(const error& cause) {
  if (!emit_verdict_) engine_.note_failure(work_stage::emit, cause);
  cause_ = cause;
  if (!first_failed_wall_) first_failed_wall_ = engine_.wall();
  switch (stream::disposition_of(cause.code())) {
    case stream::disposition::retry:
      if (wake_.armed() || emit_verdict_) break;
      ++produce_failures_;
      return wake_after(produce_failures_);
    case stream::disposition::dead_letter:
    case stream::disposition::stop:
      if (!emit_verdict_) emit_verdict_ = cause;
      break;
  }
  if (receipts_outstanding_ > 0 || wake_.armed() || !emit_verdict_) return;
  const error verdict = *emit_verdict_;
  emit_verdict_.reset();
  if (stream::disposition_of(verdict.code()) == stream::disposition::stop) return get_stuck(verdict);
  dead_letter(verdict, to_string(work_stage::emit));
}

}  // namespace millrace::engine
