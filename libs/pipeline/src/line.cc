#include <millrace/pipeline/line.h>

#include "engine.h"

namespace millrace::pipeline {

line::line(line_ports ports, line_options options, processors work)
    : engine_(std::make_unique<engine>(ports, std::move(options), std::move(work))) {}
line::~line() = default;

void line::start() { engine_->start(); }
void line::request_stop() { engine_->request_stop(); }
void line::abort() { engine_->abort(); }
void line::fail(error cause) { engine_->fail(std::move(cause)); }
verb_answer line::act_on(const record_name& which, record_verb verb) { return engine_->act_on(which, verb); }
line_state line::state() const noexcept { return engine_->state(); }
bool line::finished() const noexcept {
  return engine_->state() == line_state::stopped || engine_->state() == line_state::failed;
}
bool line::quiescent() const noexcept { return engine_->quiescent(); }
const std::optional<error>& line::failure() const noexcept { return engine_->failure(); }
std::uint64_t line::abandoned_by_stop() const noexcept { return engine_->abandoned_by_stop(); }
std::uint64_t line::uncommitted_by_stop() const noexcept { return engine_->uncommitted_by_stop(); }
bool line::left_group() const noexcept { return engine_->left_group(); }
const books& line::counts() const noexcept { return engine_->counts(); }
std::size_t line::in_flight_records() const noexcept { return engine_->in_flight_records(); }
line_status line::status() const { return engine_->status(); }
std::optional<entered_processor> line::entered() const noexcept { return engine_->entered(); }
line_status line::status_now() const { return engine_->status_now(); }

}  // namespace millrace::pipeline
