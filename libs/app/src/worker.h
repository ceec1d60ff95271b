// One worker: a thread with a loop, a group member, a producer and an engine. Built and destroyed on the main
// thread; in between everything it owns belongs to its own thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/engine/record_engine.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/mailbox.h>
#include <millrace/service/worker_services.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/log.h>
#include <millrace/stream/schemas.h>
#include <millrace/stream/sink.h>
#include <millrace/stream/source.h>
#include <millrace/stream/store.h>

#include "command_request.h"
#include "watchdog.h"

namespace millrace::app {

// The ports of a worker. Destroyed in reverse order, after the engine.
struct worker_ports {
  std::unique_ptr<stream::log_sink> log;  // of processors
  std::unique_ptr<statements::lookup_room> lookups;
  std::unique_ptr<stream::schemas> schemas;
  std::unique_ptr<stream::store> store;
  std::unique_ptr<stream::sink> sink;
  std::unique_ptr<stream::source> source;
  std::unique_ptr<service::worker_services> services;
};

class worker final : private runtime::step {
 public:
  explicit worker(const clock& time) : loop_(time), requests_(loop_, requests_max) {}
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  // A thread that was launched must have ended.
  ~worker();

  // Starts the thread, which waits for launch(). errc::io_error when the system refuses it.
  [[nodiscard]] result<void> start_thread();

  // Before launch(): for building the ports and preparing the processors.
  [[nodiscard]] runtime::loop& loop() noexcept { return loop_; }

  // Starts the engine on the thread, once. `on_end` is called on the worker's thread when the engine has ended.
  // An exception that leaves the engine there (memory, descriptors) ends the process.
  void launch(worker_ports ports, engine::engine_options options, engine::processors work,
              engine::byte_budget& budget, engine::retry_budget& retries, metrics::shard& counts,
              engine::record_observer* observer, std::function<void()> on_end);

  // Any thread.
  void request_stop() noexcept;
  void request_abort() noexcept;
  [[nodiscard]] engine::engine_status status() const { return engine_->status(); }
  // Adds up with what is in `sums`, by name.
  void add_lookups(std::map<std::string, statements::lookup_statistics>& sums) const;
  // Runs an operator command on the worker's thread, in its next turn. nullopt: the worker has ended, or
  // did not turn its loop within `patience`; then the command was not and will not be executed.
  [[nodiscard]] std::optional<engine::command_answer> ask(const engine::record_name& which,
                                                          engine::operator_command command,
                                                          nanoseconds timeout);
  // For the watchdog. A worker whose thread has ended is not blocked.
  [[nodiscard]] worker_pulse pulse_at(instant now) const;

  // Waits for the thread's end; afterwards the engine may be read.
  void join();
  [[nodiscard]] const engine::record_engine& engine() const noexcept { return *engine_; }
  // Attempts or requests have not ended, so that the worker cannot be destroyed. After join().
  [[nodiscard]] bool left_running() const noexcept { return left_running_; }

 private:
  enum class command : std::uint8_t { none, stop, abort };
  static constexpr std::size_t requests_max = 16;

  bool on_turn() override;
  void work();
  void answer_requests();

  runtime::loop loop_;
  runtime::mailbox<std::shared_ptr<command_request>> requests_;
  std::vector<std::shared_ptr<command_request>> requests_taken_;
  worker_ports ports_;
  std::unique_ptr<engine::record_engine> engine_;
  std::function<void()> on_end_;
  std::atomic<command> wanted_{command::none};
  std::atomic<bool> over_{false};  // the loop has ended by itself
  command obeyed_ = command::none;
  bool ended_ = false;
  bool left_running_ = false;
  instant ended_at_;
  bool launched_ = false;
  std::binary_semaphore may_begin_{0};
  std::thread thread_;
};

}  // namespace millrace::app
