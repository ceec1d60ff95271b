// A record that can never succeed, until its dead letter is acknowledged: the untouched key, value and
// headers, and why, where, when and how often it failed.
#include <algorithm>
#include <array>
#include <vector>

#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

#include "engine_core.h"
#include "envelope.h"

namespace millrace::engine {
namespace {

constexpr std::size_t message_bytes_max = 1'024;

stream::header_view text_header(std::string_view name, std::string_view value) {
  return {name, as_bytes(value)};
}

std::int64_t to_millis(timestamp_micros at) {
  return std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count();
}

}  // namespace

void processor_run::condemn(const error& cause, std::string_view stage_name) {
  envelope_.condemned = true;
  engine_.began_work();
  stage_ = stage::running;
  first_failed_wall_ = engine_.wall();
  dead_letter(cause, stage_name);
}

void processor_run::dead_letter(const error& cause, std::string_view stage_name) {
  cause_ = cause;
  dead_lettered_at_ = stage_name;
  if (!first_failed_wall_) first_failed_wall_ = engine_.wall();
  if (!engine_.may_dead_letter(envelope_)) {
    stage_ = stage::stuck;
    return engine_.ended_work();
  }
  stage_ = stage::dead_lettering;
  stage_began_ = loop().time().now();
  produce_failures_ = 0;
  send_dead_letter();
}

void processor_run::send_dead_letter() {
  const result<void> taken = produce_dead_letter();
  if (!taken) return on_refused(taken.error()), on_dead_letter_failure(taken.error());
  engine_.try_began(dependency::broker);
  ++receipts_outstanding_;
  ++envelope_.outstanding;
  if (mutated(stream::mutation::commit_before_the_dead_letter) && envelope_.unended == 1) {
    envelope_.of().tracker.finished(envelope_.ticket);
  }
}

void processor_run::on_dead_letter_answer(const result<void>& answer) {
  --receipts_outstanding_;
  if (!still_counts()) return;
  tell_breaker(answer);
  if (!answer && !mutated(stream::mutation::drop_a_failed_dead_letter))
    return on_dead_letter_failure(answer.error());
  waited(wait::dead_letter_ack);
  end(ending::dead);
}

void processor_run::on_dead_letter_failure(const error& cause) {
  engine_.note_failure(work_stage::dead_letter, cause);
  if (cause.code() == errc::produce_rejected && !dead_letter_truncated_) {
    // The dead-letter topic accepts less than the source topic did: a header marks the missing value.
    dead_letter_truncated_ = true;
    ++produce_failures_;
    return wake_after(1);
  }
  if (stream::disposition_of(cause.code()) == stream::disposition::retry) {
    ++produce_failures_;
    return wake_after(produce_failures_);
  }
  get_stuck(cause.in("dead letter to '" + engine_.options().dead_letter_topic + "'"));
}

// What the headers view.
struct processor_run::dead_letter_text {
  std::string offset;
  std::string created;
  std::string schema_id;
  std::string attempts;
  std::string first_failed;
  std::string trace;
  std::string_view message;
};

void processor_run::describe_dead_letter(dead_letter_text& text) const {
  const stream::record_block& original = record();
  text.offset = std::to_string(original.offset());
  text.created = std::to_string(original.created().time_since_epoch().count());
  text.schema_id = std::to_string(envelope_.schema_id);
  text.attempts = std::to_string(attempt_);
  text.first_failed = std::to_string(to_millis(*first_failed_wall_));
  text.message = std::string_view(cause_->message()).substr(0, message_bytes_max);
  text.trace = "stage " + std::string(dead_lettered_at_);
  if (!envelope_.condemned) text.trace += ", processor " + std::string(name()) + ", attempt " + text.attempts;
}

void processor_run::add_own_headers(const dead_letter_text& text,
                                    std::vector<stream::header_view>& to) const {
  const engine_options& options = engine_.options();
  const bool by_user = cause_->code() == errc::rejected;
  to.push_back(text_header("millrace.dlq.reason", by_user ? text.message : describe(cause_->code())));
  to.push_back(text_header("millrace.dlq.code", to_string(cause_->code())));
  to.push_back(text_header("millrace.dlq.stage", dead_lettered_at_));
  to.push_back(text_header("millrace.dlq.message", text.message));
  to.push_back(text_header("millrace.dlq.topic", envelope_.topic()));
  to.push_back(text_header("millrace.dlq.partition", envelope_.of().number));
  to.push_back(text_header("millrace.dlq.offset", text.offset));
  to.push_back(text_header("millrace.dlq.timestamp", text.created));
  if (envelope_.schema_id >= 0) to.push_back(text_header("millrace.dlq.schema_id", text.schema_id));
  to.push_back(text_header("millrace.dlq.attempts", text.attempts));
  to.push_back(text_header("millrace.dlq.first_failed_at", text.first_failed));
  if (!envelope_.condemned) {
    to.push_back(text_header("millrace.dlq.processor", name()));
  } else if (const std::optional<bytes_view> wanted = record().header(redrive_processor_header)) {
    // The others are done with it: the next redrive must not run them.
    to.push_back({"millrace.dlq.processor", wanted});
  }
  const std::optional<bytes_view> redriven_for = original_group();
  to.push_back(redriven_for ? stream::header_view{"millrace.dlq.group", redriven_for}
                            : text_header("millrace.dlq.group", options.group));
  to.push_back(text_header("millrace.dlq.version", options.version));
}

// Set: the unknown group that the record was redriven for. It stays the owner of the
// record.
std::optional<bytes_view> processor_run::original_group() const {
  if (!envelope_.condemned || cause_->code() != errc::redrive_target_unknown) return std::nullopt;
  const std::optional<bytes_view> group = record().header(redrive_group_header);
  const std::vector<std::string>& former = engine_.options().former_groups;
  if (!group || std::find(former.begin(), former.end(), as_text(*group)) != former.end()) return std::nullopt;
  return group;
}

// KIP-1034. A class name stands in `exception` there; here it is the error's code.
void processor_run::add_streams_headers(const dead_letter_text& text,
                                        std::vector<stream::header_view>& to) const {
  to.push_back(text_header("__streams.errors.exception", to_string(cause_->code())));
  to.push_back(text_header("__streams.errors.stacktrace", text.trace));
  to.push_back(text_header("__streams.errors.message", text.message));
  to.push_back(text_header("__streams.errors.topic", envelope_.topic()));
  to.push_back(text_header("__streams.errors.partition", envelope_.of().number));
  to.push_back(text_header("__streams.errors.offset", text.offset));
}

result<void> processor_run::produce_dead_letter() {
  const engine_options& options = engine_.options();
  if (options.dead_letter_topic.empty()) {
    return error(errc::config_invalid,
                 "no dead-letter topic is configured; the record failed with " + cause_->to_string());
  }
  const stream::record_block& original = record();
  dead_letter_text text;
  describe_dead_letter(text);
  std::vector<stream::header_view> headers;
  headers.reserve(original.header_count() + 24);
  for (std::uint32_t i = 0; i < original.header_count(); ++i) headers.push_back(original.header_at(i));
  if (options.dead_letter_headers != dead_letter_header_names::streams) add_own_headers(text, headers);
  if (options.dead_letter_headers != dead_letter_header_names::millrace) add_streams_headers(text, headers);
  if (dead_letter_truncated_) headers.push_back(text_header("millrace.dlq.value_dropped", "too large"));

  stream::outgoing out{options.dead_letter_topic, original.key(), original.value(), headers};
  if (dead_letter_truncated_) out.value.reset();
  return engine_.ports().sink.produce(out, letter_);
}

}  // namespace millrace::engine
