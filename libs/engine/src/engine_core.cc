#include "engine_core.h"

namespace millrace::engine {

engine_core::engine_core(engine_ports ports, engine_options options, processors work)
    : ports_(ports),
      options_(std::move(options)),
      work_(std::move(work)),
      metrics_(ports.metrics),
      lease_(ports.budget),
      pool_(*this, work_.all.front()->input(), work_.all.size()),
      plans_(ports.loop, ports.schemas, work_.all.front()->input(), options_, *this),
      barrier_(options_.in_flight_records_max),
      dead_letter_limiter_(options_.dead_letter_limit),
      breakers_{circuit_breaker(options_.breaker), circuit_breaker(options_.breaker)},
      random_(options_.seed),
      barrier_seed_(random_.next()) {
  invariant(options_.in_flight_records_max > 0 && options_.take_records_max > 0,
            "an engine may take at least one record");
  for (const auto& each : work_.all) metrics_.may_throw(each->name());
}

engine_core::~engine_core() {
  invariant(quiescent(), "an engine ends after everything it started has ended");
  if (state_ != engine_state::idle) {
    ports_.loop.remove_step(intake_step_);
    ports_.loop.remove_step(settle_step_);
  }
}

void engine_core::start() {
  invariant(state_ == engine_state::idle, "an engine is started once");
  state_ = engine_state::running;
  ports_.loop.add_step(runtime::phase::intake, intake_step_);
  ports_.loop.add_step(runtime::phase::settle, settle_step_);
  next_commit_at_ = ports_.loop.time().now() + options_.commit_interval;
  tick();
  ports_.loop.wake();
}

bool engine_core::quiescent() const noexcept {
  const bool at_rest =
      state_ == engine_state::idle || state_ == engine_state::stopped || state_ == engine_state::failed;
  return at_rest && pool_.in_use() == 0 && plans_.outstanding() == 0;
}

void engine_core::note_failure(work_stage where, const error& cause) {
  metrics_.error(where, cause.code());
  last_error_ = cause.in(to_string(where));
}

void engine_core::note_exception(std::string_view processor, std::string_view type, const error& cause) {
  metrics_.threw(processor);
  if (options_.on_exception) options_.on_exception({processor, type, cause});
}

bool engine_core::may_dead_letter(envelope& e) {
  if (e.dead_counted) return true;
  e.dead_counted = true;
  if (!dead_letter_limiter_.dead_letter(ports_.loop.now())) return true;
  fail(error(errc::limit_exceeded,
             "the dead-letter rate limit is exceeded: too large a share of the records of the last " +
                 std::to_string(options_.dead_letter_limit.window.count()) +
                 " s would go to the dead-letter topic; the last error was " +
                 (last_error_ ? last_error_->to_string() : "unknown")));
  return false;
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
engine_state record_engine::state() const noexcept { return engine_->state(); }
bool record_engine::finished() const noexcept {
  return engine_->state() == engine_state::stopped || engine_->state() == engine_state::failed;
}
bool record_engine::quiescent() const noexcept { return engine_->quiescent(); }
const std::optional<error>& record_engine::failure() const noexcept { return engine_->failure(); }
std::uint64_t record_engine::abandoned_by_stop() const noexcept { return engine_->abandoned_by_stop(); }
std::uint64_t record_engine::uncommitted_by_stop() const noexcept { return engine_->uncommitted_by_stop(); }
bool record_engine::left_group() const noexcept { return engine_->left_group(); }
const record_accounting& record_engine::counts() const noexcept { return engine_->counts(); }
std::size_t record_engine::in_flight_records() const noexcept { return engine_->in_flight_records(); }
engine_status record_engine::status() const { return engine_->status(); }
std::optional<entered_processor> record_engine::entered() const noexcept { return engine_->entered(); }
engine_status record_engine::status_now() const { return engine_->status_now(); }

}  // namespace millrace::engine
