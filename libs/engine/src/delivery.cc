#include "delivery.h"

#include <array>
#include <utility>
#include <vector>

#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

namespace millrace::engine {
namespace {

// The headers of emits: the id of each, the creation time of the record, the trace, which goes on with the
// record's own span when it has one, and those that the processor gave, among them a trace of its own.
class emit_headers {
 public:
  emit_headers(const envelope& of, std::string_view processor) : id_(of.topic()) {
    id_ += '/';
    id_ += of.of().number;
    id_ += '/';
    id_ += std::to_string(of.block().offset());
    id_ += '/';
    id_ += processor;
    id_ += '/';
    prefix_bytes_ = id_.size();
    add_trace(of);
    add_created(of.block());
  }
  // Valid until the next call.
  [[nodiscard]] std::span<const stream::header_view> of_emit(std::size_t number, const emission& emit) {
    id_.resize(prefix_bytes_);
    id_ += std::to_string(number);
    common_[0] = {emit_id_header, as_bytes(id_)};
    if (emit.headers.empty()) return {common_.data(), count_};
    all_.clear();
    all_.reserve(count_ + emit.headers.size());
    const bool own_trace = emit.headers.contains(traceparent_header);
    for (std::size_t i = 0; i < count_; ++i) {
      const bool of_trace = common_[i].name == traceparent_header || common_[i].name == tracestate_header;
      if (!of_trace || !own_trace) all_.push_back(common_[i]);
    }
    emit.headers.append_to(all_);
    return all_;
  }

 private:
  void add_trace(const envelope& of) {
    const stream::record_block& block = of.block();
    if (of.followed && !of.followed->span_id.empty()) {
      own_trace_ = format_trace_parent(of.followed->trace_id, of.followed->span_id);
      common_[count_++] = {traceparent_header, as_bytes(own_trace_)};
    } else if (block.header_count() > 0) {
      if (const auto given = block.header(traceparent_header))
        common_[count_++] = {traceparent_header, given};
    }
    if (count_ == 1 || block.header_count() == 0) return;
    if (const auto state = block.header(tracestate_header)) common_[count_++] = {tracestate_header, state};
  }
  void add_created(const stream::record_block& block) {
    if (block.header_count() == 0) return;
    if (const auto created = block.header(created_header)) common_[count_++] = {created_header, created};
  }

  std::string id_;
  std::size_t prefix_bytes_ = 0;
  std::string own_trace_;
  std::array<stream::header_view, 4> common_;
  std::size_t count_ = 1;
  std::vector<stream::header_view> all_;  // of an emit that has its own
};

}  // namespace

void delivery::send(emit_batch& emits) {
  emits_ = &emits;
  failures_ = 0;
  verdict_.reset();
  send_emits();
}

void delivery::send_emits() {
  emit_headers headers(envelope_, events_.processor());
  for (std::size_t i = 0; i < emits_->size(); ++i) {
    emission& e = (*emits_)[i];
    if (e.outstanding || e.acknowledged) continue;
    const stream::outgoing out{e.to->topic(),         e.key_view(), e.value_view(),
                               headers.of_emit(i, e), e.partition,  e.created};
    e.watcher = this;
    const result<void> taken = host_.environment().ports.sink.produce(out, e);
    if (!taken) return on_refused(taken.error()), on_emit_failure(taken.error());
    e.outstanding = true;
    if (envelope_.followed) follow(e);
    began_receipt();
  }
  if (mutated(stream::mutation::commit_before_the_emit) && envelope_.unended == 1) {
    envelope_.of().tracker.finished(envelope_.ticket);
  }
}

void delivery::follow(const emission& sent) {
  const auto copied = [](std::optional<bytes_view> bytes) {
    return bytes ? std::optional(byte_buffer(bytes->begin(), bytes->end())) : std::nullopt;
  };
  envelope_.followed->emits.push_back({sent.to->topic(), copied(sent.key_view()), copied(sent.value_view())});
}

void delivery::began_receipt() noexcept {
  host_.needs().try_began(dependency::broker);
  ++receipts_outstanding_;
  ++envelope_.outstanding;
}

void delivery::on_refused(const error& cause) {
  if (cause.code() != errc::broker_unavailable) return;
  host_.needs().try_began(dependency::broker);
  host_.needs().try_failed(dependency::broker);
}

void delivery::tell_breaker(const result<void>& answer) {
  if (answer) return host_.needs().try_succeeded(dependency::broker);
  if (dependency_of(answer.error().code()) == dependency::broker)
    host_.needs().try_failed(dependency::broker);
}

void delivery::on_emit_answer(emission& which, const result<void>& answer) {
  which.outstanding = false;
  --receipts_outstanding_;
  if (!envelope_.still_counts()) return;
  tell_breaker(answer);
  if (!answer && !mutated(stream::mutation::drop_a_failed_emit)) return on_emit_failure(answer.error());
  which.acknowledged = true;
  host_.environment().metrics.emitted(which.to->topic());
  if (receipts_outstanding_ > 0 || armed()) return;
  if (emits_->all_acknowledged()) return events_.on_delivered();
  if (verdict_) finish_verdict();
}

// One that never passes is told once no receipt is outstanding.
void delivery::on_emit_failure(const error& cause) {
  if (!verdict_) events_.on_delivery_failure(cause);
  if (stream::disposition_of(cause.code()) != stream::disposition::retry) {
    if (!verdict_) verdict_ = cause;
  } else if (!armed() && !verdict_) {
    return try_again();
  }
  if (receipts_outstanding_ == 0 && !armed() && verdict_) finish_verdict();
}

void delivery::finish_verdict() {
  const error verdict = *std::exchange(verdict_, std::nullopt);
  events_.on_undeliverable(verdict);
}

void delivery::begin_dead_letter() {
  emits_ = nullptr;
  failures_ = 0;
  verdict_.reset();
  without_ = {};
  send_dead_letter();
}

void delivery::send_dead_letter() {
  const engine_options& options = host_.environment().options;
  dead_letter_facts facts = events_.dead_letter();
  if (facts.topic.empty()) {
    return events_.on_undeliverable(
        error(errc::config_invalid,
              "no dead-letter topic is configured; the record failed with " + facts.cause.to_string()));
  }
  facts.without = without_;
  const dead_letter_record record(options, facts);
  const result<void> taken = host_.environment().ports.sink.produce(record.outgoing(), *this);
  if (!taken) return on_refused(taken.error()), on_dead_letter_failure(taken.error());
  began_receipt();
  if (mutated(stream::mutation::commit_before_the_dead_letter) && envelope_.unended == 1) {
    envelope_.of().tracker.finished(envelope_.ticket);
  }
}

void delivery::on_acknowledged(result<void> answer) {
  --receipts_outstanding_;
  if (!envelope_.still_counts()) return;
  tell_breaker(answer);
  if (!answer && !mutated(stream::mutation::drop_a_failed_dead_letter))
    return on_dead_letter_failure(answer.error());
  events_.on_delivered();
}

void delivery::on_dead_letter_failure(const error& cause) {
  events_.on_delivery_failure(cause);
  if (cause.code() == errc::produce_rejected &&
      mutated(stream::mutation::drop_a_dead_letter_that_is_too_large))
    return events_.on_delivered();
  if (cause.code() == errc::produce_rejected && !without_.everything()) {
    // The dead-letter topic accepts less than the source topic did: headers mark what is missing.
    without_.leave_out_more(envelope_);
    return try_again();
  }
  if (stream::disposition_of(cause.code()) == stream::disposition::retry) return try_again();
  events_.on_undeliverable(cause.in("dead letter to '" + std::string(events_.dead_letter().topic) + "'"));
}

void delivery::try_again() {
  ++failures_;
  if (mutated(stream::mutation::lose_the_wake_up_of_a_retry) && failures_ == 3) return;
  engine_environment& env = host_.environment();
  ++envelope_.outstanding;
  env.ports.loop.start(*this, env.backoff_after(failures_));
}

void delivery::on_timer() {
  if (!envelope_.still_counts()) return;
  if (emits_ == nullptr) return send_dead_letter();
  if (!verdict_) return send_emits();
  if (receipts_outstanding_ == 0 || mutated(stream::mutation::end_before_all_answers)) finish_verdict();
}

void delivery::hurry() {
  cancel();
  on_timer();
}

void delivery::give_up(const error& cause) {
  abandon();
  verdict_ = cause;
  if (receipts_outstanding_ == 0) finish_verdict();
}

void delivery::abandon() noexcept {
  if (!armed()) return;
  cancel();
  --envelope_.outstanding;
}

}  // namespace millrace::engine
