#include "worker.h"

#include <cstdlib>
#include <exception>
#include <system_error>

#include <millrace/app/exit_code.h>

#include "log.h"

namespace millrace::app {
namespace {

// After the engine has ended: for answers to requests of the store and the sink, and for abandoned attempts. Everything
// is committed then, and the process ends without them.
constexpr seconds quiescent_within{2};

}  // namespace

worker::~worker() {
  invariant(!launched_ || !thread_.joinable(), "a worker's thread ends before the worker");
  if (!thread_.joinable()) return;
  may_begin_.release();
  thread_.join();
}

result<void> worker::start_thread() {
  try {
    thread_ = std::thread([this] {
      may_begin_.acquire();
      if (launched_) work();
    });
  } catch (const std::system_error& refused) {
    return error(errc::io_error,
                 std::string("cannot start the thread of a worker: ") + refused.what() +
                     "; raise the limit of threads of the process, or lower `engine.workers`");
  }
  return {};
}

// Records that are in flight are repeated by the next owner. Nothing can be finished or committed here: what the
// exception passed through is in an unknown state.
void worker::work() try {
  engine_->start();
  loop_.run();
  over_.store(true, std::memory_order_relaxed);
  loop_.remove_step(*this);
} catch (const std::exception& thrown) {
  log_event(log_level::error, "failed",
            {{"error", std::string("an exception left the event loop: ") + thrown.what()},
             {"consequence", "the process ends at once and commits nothing more"},
             {"exit", exit_failure}});
  std::_Exit(exit_failure);
}

void worker::launch(worker_ports ports, engine::engine_options options, engine::processors work,
                    engine::byte_budget& budget, engine::retry_budget& retries, metrics::shard& counts,
                    engine::record_observer* observer, std::function<void()> on_end) {
  ports_ = std::move(ports);
  on_end_ = std::move(on_end);
  const engine::engine_ports all{loop_,  *ports_.source, *ports_.sink, *ports_.store, *ports_.schemas,
                                 budget, retries,        counts,       observer,      ports_.log.get()};
  engine_ = std::make_unique<engine::record_engine>(all, std::move(options), std::move(work));
  loop_.add_step(runtime::phase::settle, *this);
  invariant(thread_.joinable(), "start_thread() comes before launch()");
  launched_ = true;
  may_begin_.release();
}

void worker::add_lookups(std::map<std::string, statements::lookup_statistics>& sums) const {
  if (!ports_.lookups) return;
  for (const auto& [name, state] : ports_.lookups->states) sums[name] += state->statistics();
}

void worker::request_stop() noexcept {
  command expected = command::none;
  wanted_.compare_exchange_strong(expected, command::stop);
  loop_.wake();
}

void worker::request_abort() noexcept {
  wanted_.store(command::abort);
  loop_.wake();
}

std::optional<engine::command_answer> worker::ask(const engine::record_name& which,
                                                  engine::operator_command command, nanoseconds timeout) {
  if (over_.load(std::memory_order_relaxed)) return std::nullopt;
  auto request = std::make_shared<command_request>(which, command);
  if (!requests_.post(std::shared_ptr<command_request>(request))) return std::nullopt;
  return request->wait(timeout);
}

void worker::answer_requests() {
  requests_.take(requests_taken_);
  for (const auto& request : requests_taken_) {
    request->answer([this](const engine::record_name& which, engine::operator_command command) {
      return engine_->act_on(which, command);
    });
  }
  requests_taken_.clear();
}

worker_pulse worker::pulse_at(instant now) const {
  worker_pulse pulse;
  if (over_.load(std::memory_order_relaxed)) return pulse;
  pulse.since_turn = now - loop_.last_turn_at();
  if (const auto in = engine_->entered()) {
    pulse.running = "processor '" + std::string(in->name) + "' on partition " +
                    std::to_string(in->partition) + " offset " + std::to_string(in->offset);
  }
  return pulse;
}

void worker::join() {
  if (thread_.joinable()) thread_.join();
}

bool worker::on_turn() {
  answer_requests();
  const command wanted = wanted_.load(std::memory_order_relaxed);
  if (wanted != obeyed_) {
    obeyed_ = wanted;
    if (wanted == command::stop) engine_->request_stop();
    if (wanted == command::abort) engine_->abort();
  }
  if (!engine_->finished()) return false;
  if (!ended_) {
    ended_ = true;
    ended_at_ = loop_.now();
    on_end_();
  }
  left_running_ = !engine_->quiescent();
  if (!left_running_ || loop_.now() - ended_at_ > quiescent_within) loop_.stop();
  return false;
}

}  // namespace millrace::app
