// Threads of a process that run blocking functions, shared by its workers.
//
// Example, at namespace scope:
//
//   // For each worker.
//   std::unique_ptr<service::blocking_port> attach(service::blocking_threads& threads, runtime::loop& loop) {
//     return threads.attach(loop);
//   }
//   // At the end of the process.
//   bool end(service::blocking_threads& threads) { return threads.end_within(milliseconds(100)); }
//
// Threads start with the first function that finds no idle one, at most `threads_max`. Functions begin in the order in
// which they were submitted.
//
// Threads: any thread; a port belongs to the thread of its loop.
#pragma once

#include <cstddef>
#include <memory>

#include <millrace/base/clock.h>
#include <millrace/runtime/loop.h>
#include <millrace/service/blocking.h>

namespace millrace::service {

class blocking_threads {
 public:
  explicit blocking_threads(std::size_t threads_max);
  blocking_threads(const blocking_threads&) = delete;
  blocking_threads& operator=(const blocking_threads&) = delete;
  // Ends the threads, and waits for the functions that run: end_within() comes first.
  ~blocking_threads();

  // The port of one worker. It may be destroyed while functions run, whose ends are then reported to nobody. The loop
  // and the threads outlive it.
  [[nodiscard]] std::unique_ptr<blocking_port> attach(runtime::loop& l);

  // Begins no further function. False: after `time` a function still runs, and the process has to end without it.
  [[nodiscard]] bool end_within(nanoseconds time);

 private:
  struct shared;
  class lane;
  std::shared_ptr<shared> shared_;
};

}  // namespace millrace::service
