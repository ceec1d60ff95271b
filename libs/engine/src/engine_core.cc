#include "engine_core.h"

#include <algorithm>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>

namespace millrace::engine {

engine_core::engine_core(engine_ports ports, engine_options options, processors work)
    : env_(ports, std::move(options), std::move(work)),
      accounts_(env_),
      state_(env_, accounts_),
      needs_(env_),
      committer_(env_, accounts_, state_, partitions_),
      flow_(env_, state_, needs_, committer_, partitions_),
      records_(env_, accounts_, needs_, state_, flow_),
      assignments_(env_, accounts_, state_, needs_, committer_, flow_, records_, partitions_),
      intake_(env_, accounts_, state_, committer_, flow_, records_, partitions_),
      shutdown_(env_, accounts_, state_, needs_, committer_, records_, partitions_, assignments_, intake_),
      status_(env_, accounts_, state_, needs_, flow_, partitions_, assignments_, intake_),
      commands_(env_, records_, partitions_, intake_) {
  invariant(env_.options.in_flight_records_max > 0 && env_.options.take_records_max > 0,
            "an engine may take at least one record");
  invariant(check_inputs(env_.work, env_.options.inputs).empty(),
            "an engine is made with inputs that check_inputs() accepts");
  for (const auto& each : env_.work.all) env_.metrics.shows(each->name());
  for (statements::metric_declaration* each : env_.work.declared.metrics) each->bind(ports.metrics);
}

engine_core::~engine_core() {
  invariant(quiescent(), "an engine ends after everything it started has ended");
  if (state_.now() != engine_state::idle) {
    env_.ports.loop.remove_step(intake_step_);
    env_.ports.loop.remove_step(settle_step_);
  }
}

void engine_core::start() {
  state_.start();
  env_.ports.loop.add_step(runtime::phase::intake, intake_step_);
  env_.ports.loop.add_step(runtime::phase::settle, settle_step_);
  committer_.start();
  tick();
  env_.ports.loop.wake();
}

void engine_core::request_stop() {
  state_.request_stop();
  if (state_.ended()) status_.publish();
}

void engine_core::fail(error cause) {
  state_.fail(std::move(cause));
  if (state_.ended()) status_.publish();
}

void engine_core::abort() {
  state_.abort();
  if (state_.ended()) status_.publish();
}

bool engine_core::quiescent() const noexcept {
  const bool at_rest = state_.now() == engine_state::idle || state_.ended();
  return at_rest && records_.in_use() == 0 && intake_.schemas_outstanding() == 0;
}

bool engine_core::take_in() {
  records_.forget_entered();
  accounts_.begin_turn();
  intake_.admit_waiting_if_any();
  if (state_.ended()) return false;
  const std::size_t wanted = flow_.room(records_.in_use());
  const std::size_t taken = env_.ports.source.poll(*this, wanted);
  invariant(taken <= wanted, "a source hands over no more records than requested");
  flow_.took(taken, wanted);
  // Once more before every sleep: records that arrived meanwhile wake nothing.
  return taken > 0 && flow_.room(records_.in_use()) > 0;
}

bool engine_core::settle_turn() {
  if (state_.ended()) return false;
  intake_.admit_waiting_if_any();
  fail_with_the_sink();
  if (assignments_.is_revoking()) assignments_.advance_revocations();
  if (state_.stopping()) shutdown_.advance();
  if (state_.ended()) return ended(), false;
  flow_.update_if_outdated();
  committer_.commit_if_due();
  arm_deadline();
  return flow_.was_short() && flow_.room(records_.in_use()) > 0;
}

void engine_core::fail_with_the_sink() {
  const error* const dead = env_.ports.sink.failure();
  if (dead == nullptr || !state_.running() || mutated(stream::mutation::ignore_a_dead_producer)) return;
  accounts_.failed(work_stage::emit, *dead);
  state_.fail(*dead);
}

void engine_core::ended() {
  tick_.cancel();
  deadline_.cancel();
  if (env_.limited_database) env_.limited_database->cancel_waiting();
  status_.publish();
}

void engine_core::tick() {
  env_.ports.loop.start(tick_, std::min(env_.options.status_interval, env_.options.commit_interval));
  records_.expire_attempts(partitions_);
  records_.trim_if_idle();
  flow_.outdated();  // a partition may have stalled meanwhile
  needs_.forgive_the_unasked();
  needs_.report_first_tries();
  status_.publish();
}

void engine_core::on_source_error(const error& failure, bool fatal) {
  accounts_.failed(work_stage::source, failure);
  if (fatal) state_.fail(failure);
}

void engine_core::arm_deadline() {
  std::optional<instant> next;
  const auto consider = [&next](std::optional<instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(assignments_.next_deadline());
  consider(shutdown_.next_deadline());
  consider(committer_.next_deadline(state_.now() == engine_state::leaving || assignments_.is_revoking()));
  if (state_.running()) {
    consider(flow_.next_deadline());
    consider(needs_.next_probe());
  }
  if (!next) return deadline_.cancel();
  env_.ports.loop.start_at(deadline_, *next);
}

record_engine::record_engine(engine_ports ports, engine_options options, processors work)
    : engine_(std::make_unique<engine_core>(ports, std::move(options), std::move(work))) {}
record_engine::~record_engine() = default;

void record_engine::start() { engine_->start(); }
void record_engine::request_stop() { engine_->request_stop(); }
void record_engine::abort() { engine_->abort(); }
void record_engine::fail(error cause) { engine_->fail(std::move(cause)); }
command_answer record_engine::act_on(const record_name& which, operator_command verb) {
  return engine_->act_on(which, verb);
}
engine_state record_engine::state() const noexcept { return engine_->state().now(); }
bool record_engine::finished() const noexcept { return engine_->state().ended(); }
bool record_engine::quiescent() const noexcept { return engine_->quiescent(); }
const std::optional<error>& record_engine::failure() const noexcept { return engine_->state().failure(); }
std::uint64_t record_engine::abandoned_by_stop() const noexcept {
  return engine_->accounts().abandoned_by_stop();
}
std::uint64_t record_engine::uncommitted_by_stop() const noexcept {
  return engine_->accounts().uncommitted_by_stop();
}
bool record_engine::left_group() const noexcept { return engine_->stopping().left_group(); }
const record_accounting& record_engine::counts() const noexcept { return engine_->accounts().counts(); }
std::size_t record_engine::in_flight_records() const noexcept { return engine_->records().in_use(); }
engine_status record_engine::status() const { return engine_->status().published(); }
std::optional<entered_processor> record_engine::entered() const noexcept {
  return engine_->records().entered();
}
engine_status record_engine::status_now() const { return engine_->status().now(); }

}  // namespace millrace::engine
