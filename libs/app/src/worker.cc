#include "worker.h"

namespace millrace::app {
namespace {

// After the engine has ended, requests of the store and the sink are answered within their own timeouts.
constexpr seconds quiescent_within{30};

}  // namespace

worker::~worker() { invariant(!thread_.joinable(), "a worker's thread ends before the worker"); }

void worker::launch(worker_ports ports, engine::engine_options options, engine::processors work,
                    engine::byte_budget& budget, engine::retry_budget& retries, metrics::shard& counts,
                    engine::record_observer* observer, std::function<void()> on_end) {
  ports_ = std::move(ports);
  on_end_ = std::move(on_end);
  const engine::engine_ports all{loop_,  *ports_.source, *ports_.sink, *ports_.store, *ports_.schemas,
                                 budget, retries,        counts,       observer};
  engine_ = std::make_unique<engine::record_engine>(all, std::move(options), std::move(work));
  loop_.add_step(runtime::phase::settle, *this);
  thread_ = std::thread([this] {
    engine_->start();
    loop_.run();
    over_.store(true, std::memory_order_relaxed);
    loop_.remove_step(*this);
  });
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
  const bool overdue = loop_.now() - ended_at_ > quiescent_within;
  invariant(!overdue || engine_->quiescent(),
            "the database and Kafka answer or cancel everything within their timeouts");
  if (engine_->quiescent()) loop_.stop();
  return false;
}

}  // namespace millrace::app
