#include <millrace/engine/record_engine.h>

#include "engine_core.h"

namespace millrace::engine {

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
