// One worker: a loop, its store, and what calls statements outside of an engine.
//
// Threads: one at a time; the session that it is attached to is shared.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/cql/session.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/task.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/context.h>

namespace millrace::app::certify {

// Failures by code and warnings by text, of all workers. Thread-safe.
class tallies {
 public:
  struct failure {
    std::uint64_t count = 0;
    std::string first;
  };

  void note(const error& why);
  void warn(std::string_view text);
  [[nodiscard]] std::map<errc, failure> failures() const;
  [[nodiscard]] std::map<std::string, std::uint64_t> warnings() const;

 private:
  mutable std::mutex mutex_;
  std::map<errc, failure> failures_;
  std::map<std::string, std::uint64_t> warnings_;
};

// What a closed loop came to.
struct load {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::vector<nanoseconds> latencies;  // of what succeeded, ascending
  nanoseconds took{0};
  nanoseconds cpu{0};  // of the thread

  [[nodiscard]] nanoseconds percentile(double share) const noexcept;
};
// CPU time of this thread so far.
[[nodiscard]] nanoseconds thread_cpu() noexcept;

class worker final : private stream::execution {
 public:
  // The session and the tallies outlive the worker.
  [[nodiscard]] static result<std::unique_ptr<worker>> attach(cql::session& by, tallies& counts);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker();

  // Makes statements (a struct of them, or one), and prepares them. They live as long as the worker.
  template <typename Statements, typename... Args>
  [[nodiscard]] result<Statements*> declare(const Args&... args) {
    statements::declarations declared;
    std::shared_ptr<Statements> made;
    {
      const statements::declaration_scope collecting(declared);
      made = std::make_shared<Statements>(args...);
    }
    kept_.push_back(made);
    for (statements::statement_declaration* each : declared.statements) {
      if (auto prepared = store_->prepare(*each); !prepared) return prepared.error();
    }
    return made.get();
  }

  [[nodiscard]] stream::context context() { return stream::context(*this); }
  [[nodiscard]] instant now() const { return loop_.time().now(); }
  template <typename T>
  T finish(runtime::task<T> call) {
    flag done;
    call.start(loop_, done);
    turn_until([&done] { return done.finished; });
    return call.take();
  }
  // As above; a failure is counted.
  template <typename T>
  result<T> tell(runtime::task<stream::answer<T>> call) {
    result<T> answer = finish(std::move(call));
    if (!answer) counts_.note(answer.error());
    return answer;
  }
  // Turns the loop until `done` holds, or for a while.
  template <typename Done>
  void turn_until(const Done& done) {
    while (!done()) loop_.run_turn(milliseconds(1));
  }
  void turn_for(nanoseconds time) {
    const instant until = now() + time;
    turn_until([&] { return now() >= until; });
  }
  // Runs `work`, which may block, on another thread, and turns the loop meanwhile.
  [[nodiscard]] result<void> beside(const std::function<result<void>()>& work);

  struct loop_of {
    unsigned width = 8;                // calls at a time
    std::uint64_t calls = UINT64_MAX;  // at most
    nanoseconds time = seconds(600);   // at most
  };
  // Calls `call(k)`, which returns a task<result<void>>, for k = 0, 1, ... Failures are counted.
  template <typename Call>
  [[nodiscard]] load run(const loop_of& how, const Call& call) {
    lanes all{.calls = how.calls, .until = now() + how.time};
    const instant began = now();
    const nanoseconds cpu = thread_cpu();
    std::vector<std::unique_ptr<flag>> done;
    std::vector<runtime::task<void>> running;
    for (unsigned each = 0; each < how.width; ++each) {
      done.push_back(std::make_unique<flag>());
      running.push_back(lane(this, &all, &call));
      running.back().start(loop_, *done.back());
    }
    for (const auto& each : done) {
      turn_until([&each] { return each->finished; });
    }
    for (runtime::task<void>& each : running) each.take();
    all.out.took = now() - began;
    all.out.cpu = thread_cpu() - cpu;
    sort(all.out.latencies);
    return std::move(all.out);
  }

  // The traces since the last call.
  [[nodiscard]] std::vector<uuid> take_traces() { return std::exchange(traces_, {}); }
  [[nodiscard]] tallies& counts() noexcept { return counts_; }

 private:
  struct flag final : runtime::deferred {
    bool finished = false;
    void run() override { finished = true; }
  };
  struct lanes {
    std::uint64_t calls;
    instant until;
    std::uint64_t next = 0;
    load out = {};
  };

  explicit worker(tallies& counts) : counts_(counts), loop_(system_clock()) {}

  template <typename Call>
  static runtime::task<void> lane(worker* self, lanes* all, const Call* call) {
    while (all->next < all->calls && self->now() < all->until) {
      const std::uint64_t k = all->next++;
      const instant began = self->now();
      const result<void> answer = co_await (*call)(k);
      if (answer) {
        ++all->out.done;
        all->out.latencies.push_back(self->now() - began);
      } else {
        ++all->out.failed;
        self->counts_.note(answer.error());
      }
    }
  }
  static void sort(std::vector<nanoseconds>& latencies);

  runtime::loop& loop() noexcept override { return loop_; }
  stream::store& database() noexcept override { return *store_; }
  const stream::record_block& record() const noexcept override { return *record_; }
  std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const stream::emit_request& what) override;
  void emit_failed(const error& cause) override { counts_.note(cause); }
  std::int64_t write_time_us() const noexcept override { return 0; }

  tallies& counts_;
  std::vector<uuid> traces_;
  runtime::loop loop_;
  std::vector<std::shared_ptr<void>> kept_;
  stream::record_ref record_;
  std::unique_ptr<stream::store> store_;
};

}  // namespace millrace::app::certify
