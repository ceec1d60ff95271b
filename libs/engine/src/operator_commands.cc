#include "operator_commands.h"

#include <string>
#include <utility>

#include <millrace/engine/operator_command.h>

#include "attempt.h"
#include "envelope.h"

namespace millrace::engine {
namespace {

using kind = command_answer::kind;

constexpr std::string_view by_operator = "operator";
constexpr std::string_view waits_for_limit =
    "the attempt waits for the limit of its processor (engine.processors); it starts when the limit allows";

}  // namespace

std::string_view to_string(operator_command v) noexcept {
  switch (v) {
    case operator_command::retry:
      return "retry";
    case operator_command::skip:
      return "skip";
    case operator_command::dead_letter:
      return "dead-letter";
  }
  return "dead-letter";
}

assignment* operator_commands::find(const record_name& which) const {
  for (const auto& [id, a] : partitions_) {
    if (id.partition == which.partition && a->topic == which.topic && a->counts()) return &*a;
  }
  return nullptr;
}

command_answer operator_commands::act_on(const record_name& which, operator_command command) {
  assignment* const a = find(which);
  if (a == nullptr) return {kind::not_here, "the partition is not assigned to this process"};
  auto* const oldest = static_cast<envelope*>(a->unsettled.front());
  if (oldest == nullptr || which.offset < oldest->block().offset()) {
    return {kind::not_here, "the record is not in flight: it is finished or was not taken yet"};
  }
  if (which.offset != oldest->block().offset()) {
    return {kind::not_now,
            "a command applies to the oldest unfinished record of a partition only, which is offset " +
                std::to_string(oldest->block().offset())};
  }
  return act_on(*oldest, command);
}

command_answer operator_commands::act_on(envelope& e, operator_command command) {
  if (static_cast<waiting_hook&>(e).linked()) return act_on_waiting(e, command);
  if (e.queued) return {kind::not_now, "the record waits for an earlier record of its key or partition"};
  command_answer all{kind::not_now, {}};
  e.retain();  // the last run to end settles it
  for (processor_run& run : e.runs) {
    if (run.state() == processor_run::stage::ended) continue;
    if (e.condemned && run.state() == processor_run::stage::idle) continue;
    const command_answer one = run.handle(command);
    if (one.what == kind::obeyed) all.what = kind::obeyed;
    if (!all.text.empty()) all.text += "; ";
    all.text += e.condemned ? one.text : "processor '" + std::string(run.name()) + "': " + one.text;
  }
  e.release();
  env_.ports.loop.wake();
  return all;
}

// No processor has seen it: its schema is not known yet.
command_answer operator_commands::act_on_waiting(envelope& e, operator_command command) {
  if (command == operator_command::retry) {
    return {kind::not_now,
            "the record waits for its schema; requests to the registry are retried automatically"};
  }
  taking_.stop_waiting(e);
  if (command == operator_command::skip) {
    records_.skip(e, by_operator);
  } else {
    records_.condemn(e, error(errc::rejected, "by an operator, before its schema was known"),
                     work_stage::schema);
  }
  e.release();
  env_.ports.loop.wake();
  return {kind::obeyed, command == operator_command::skip
                            ? "skipped before its schema was known"
                            : "the dead letter is being sent; the schema of the record was not known"};
}

command_answer processor_run::handle(operator_command command) {
  switch (command) {
    case operator_command::retry:
      return obey_retry();
    case operator_command::skip:
    case operator_command::dead_letter:
      return obey_end(command);
  }
  return {};
}

command_answer processor_run::obey_retry() {
  switch (stage_) {
    case stage::backing_off: {
      // As the timer would: the state of the dependency still applies.
      const std::uint32_t before = attempts_;
      cancel();
      hurried_ = true;
      on_timer();
      if (stage_ == stage::limited) return {kind::not_now, std::string(waits_for_limit)};
      if (attempts_ == before)
        return {kind::not_now,
                "the dependency is unhealthy; the attempt starts when its circuit breaker allows requests"};
      return {kind::obeyed, "attempt " + std::to_string(before + 1) + " started now"};
    }
    case stage::emitting:
    case stage::dead_lettering:
      if (!delivery_.waits()) return {kind::not_now, "the broker has not answered yet"};
      delivery_.hurry();
      return {kind::obeyed, "sent to the broker again"};
    case stage::limited:
      return {kind::not_now, std::string(waits_for_limit)};
    case stage::running:
      return {kind::not_now, "attempt " + std::to_string(attempts_) + " is running"};
    case stage::idle:
    case stage::stuck:
    case stage::ended:
      break;
  }
  return {kind::not_now, "the engine is stopping because of this record; restart the process to retry it"};
}

command_answer processor_run::obey_end(operator_command command) {
  const bool skips = command == operator_command::skip;
  switch (stage_) {
    case stage::running:
      ordered_ = command;
      return {kind::obeyed, "attempt " + std::to_string(attempts_) + " is running; if it fails, " +
                                (skips ? "the record is skipped" : "the dead letter is sent")};
    case stage::limited:
      limit_.stop();
      if (std::exchange(took_retry_, false)) host_.needs().give_back_retry();
      end_as_ordered(command);
      return {kind::obeyed, skips ? "skipped" : "the dead letter is being sent"};
    case stage::backing_off:
      cancel_wake();
      stop_backing_off();
      end_as_ordered(command);
      return {kind::obeyed, skips ? "skipped" : "the dead letter is being sent"};
    case stage::dead_lettering:
      if (!skips) return {kind::not_now, "the dead letter is already being sent"};
      if (!delivery_.waits())
        return {kind::not_now, "the dead letter was sent; the broker has not answered yet"};
      delivery_.abandon();
      end_as_ordered(command);
      return {kind::obeyed, "skipped; the dead-letter topic had not accepted the record"};
    case stage::emitting:
      if (!delivery_.waits())
        return {kind::not_now, "the record is processed; the broker has not answered yet for its emits"};
      ordered_ = command;
      delivery_.give_up(*cause_);
      return {kind::obeyed, skips ? "skipped; not all of its emits were acknowledged"
                                  : "the dead letter is being sent; not all emits were acknowledged"};
    case stage::idle:
    case stage::stuck:
    case stage::ended:
      break;
  }
  return {kind::not_now, "the engine is stopping because of this record and starts with it again"};
}

void processor_run::end_as_ordered(operator_command command) {
  ordered_.reset();
  if (command == operator_command::skip) {
    cause_ = error(errc::rejected, std::string(by_operator));
    return end(ending::skipped);
  }
  const error why = cause_ ? cause_->in("dead-lettered by an operator")
                           : error(errc::rejected, "dead-lettered by an operator, before its first attempt");
  bury(why, to_string(work_stage::process));
}

}  // namespace millrace::engine
