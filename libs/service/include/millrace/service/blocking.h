// Functions that block, called by a processor and run on threads of their own: files, client libraries that wait,
// long computations. Declared as a member; applications write millrace::blocking.
//
// Example prelude:
//
//   #include <millrace/engine/processor.h>
//   #include <millrace/simulation/parcel.h>
//   #include <millrace/stream/must.h>
//
//   result<std::int64_t> weight_of(const std::string& word);  // blocks
//
// Example, at namespace scope:
//
//   class weigh final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       auto ask = [word = std::string(parcel->word)] { return weight_of(word); };
//       const std::int64_t weight = co_await stream::must(scales_(ctx, std::move(ask)));
//       if (weight == 0) co_return stream::outcome::skipped("no weight");
//       co_return stream::outcome::done();
//     }
//
//    private:
//     service::blocking scales_{"scales"};
//   };
//
// The name is that of the settings (`blocking` in the configuration: threads, timeout, limits), of the label
// `dependency` of metrics, and of the circuit breaker. The threads of one name are shared by all workers of the process;
// another name has threads of its own, so that a service that hangs takes none from another.
//
// The function takes nothing, or a std::stop_token that is set when nobody waits for its result any more; callbacks of the token run on the worker's thread. It returns T,
// nothing, or a millrace::result<T>; the call awaits to answer<T>. An exception that leaves it is thrown where the call
// is awaited.
//
// Captured values: the function runs on another thread while process() waits. It must own what it captures: copies of
// strings, not string_views, spans, records or contexts; a record and what it views belong to the worker's thread.
// Objects that several calls use, such as a client library, must be safe for several threads. The function and what it
// captures are destroyed on the thread that ran it; the value that it returned is moved to the worker.
//
// With GCC 12 a co_await expression has no temporary with a destructor: a function that captures strings is a named
// variable, which is moved into the call.
//
// Deadline: the call ends after its timeout. A function that runs then is not interrupted: its token is set, it keeps its
// thread until it returns, and its result is dropped. A function that has not begun never does. Errors of a call:
//
//   code                        cause                                                              disposition
//   errc::service_timeout       the function ran longer than the timeout                           retry
//   errc::service_overloaded    no thread was free within the timeout, or no turn within            retry
//                               queue_timeout
//   errc::service_unavailable   no thread can be started                                           retry
//   errc::cancelled             the attempt was cancelled                                          retry
//   the error of the function   of those of a service, service_unavailable, service_overloaded,    by its code
//                               service_timeout, service_failed and service_protocol count for
//                               the breaker: return one of them when what it calls is down
//
// Stop: when an attempt is cancelled (a stop after its drain, a partition that is given up, engine.attempt_timeout) the
// call ends at once, as after a timeout. The process does not wait for functions that still run: it ends within the
// timeouts of the stop whatever they do, and they end with it.
//
// Tests: simulation::processor_runner and the engine on simulated ports run functions inline, in order, on the test's
// thread.
//
// Threads: the worker's thread, except for the function.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <millrace/base/result.h>
#include <millrace/runtime/task.h>
#include <millrace/service/channel.h>
#include <millrace/statement/service.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>

namespace millrace::service {

// One call of a function, shared by the worker that waits and the thread that runs it.
class blocking_job {
 public:
  blocking_job() = default;
  blocking_job(const blocking_job&) = delete;
  blocking_job& operator=(const blocking_job&) = delete;
  virtual ~blocking_job() = default;

  // The thread: runs the function. False: the call was given up before.
  [[nodiscard]] bool perform() noexcept;
  // The thread, instead: the function cannot be run.
  void refuse(error why) { refused_ = std::move(why); }
  [[nodiscard]] bool was_given_up() const noexcept { return state_.load() == state::given_up; }

  // The worker. Sets who is notified by ended(), on the worker; nullptr: nobody.
  struct waiter {
    virtual void job_ended() = 0;

   protected:
    ~waiter() = default;
  };
  void waited_for_by(waiter* who) noexcept { waiter_ = who; }
  // The worker: the port reports the end.
  void ended();
  // The worker: nobody waits any more. True: the function runs, or has run; `counting` counts it until it has ended.
  [[nodiscard]] bool give_up(channel& counting) noexcept;
  [[nodiscard]] const std::optional<error>& refused() const noexcept { return refused_; }

 protected:
  virtual void call(const std::stop_token& given_up) noexcept = 0;

 private:
  enum class state : std::uint8_t { queued, running, given_up };

  std::atomic<state> state_{state::queued};
  std::stop_source stop_;
  waiter* waiter_ = nullptr;
  channel* abandoned_in_ = nullptr;
  std::optional<error> refused_;
};

// The port to the threads; implemented by blocking_threads and by the simulation.
class blocking_port {
 public:
  blocking_port() = default;
  blocking_port(const blocking_port&) = delete;
  blocking_port& operator=(const blocking_port&) = delete;
  virtual ~blocking_port() = default;

  // Performs the job elsewhere, then calls job->ended() on the worker's loop, later and once. A job that was given up is
  // not performed, and may be dropped.
  virtual void submit(std::shared_ptr<blocking_job> job) = 0;
};

namespace internal {

template <class Fn>
inline constexpr bool takes_token = std::invocable<Fn&, std::stop_token>;

template <class Fn, bool = takes_token<Fn>>
struct returned {
  using type = std::invoke_result_t<Fn&>;
};
template <class Fn>
struct returned<Fn, true> {
  using type = std::invoke_result_t<Fn&, std::stop_token>;
};

template <class R>
struct value_in {
  static_assert(!std::is_reference_v<R>,
                "a blocking function returns a value: a reference would be shared by threads");
  using type = R;
};
template <class T>
struct value_in<result<T>> {
  using type = T;
};

// The value that a call awaits to.
template <class Fn>
using value_of = typename value_in<typename returned<Fn>::type>::type;

template <class Fn>
class job_of final : public blocking_job {
 public:
  explicit job_of(Fn what) : what_(std::move(what)) {}

  // After the end, once. Throws what the function threw.
  [[nodiscard]] result<value_of<Fn>> take() {
    if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (refused()) return *refused();
    if (!value_) return error(errc::internal, "a blocking function has not run");
    return *std::move(value_);
  }

 private:
  void call(const std::stop_token& given_up) noexcept override {
    try {
      if constexpr (std::is_void_v<typename returned<Fn>::type>) {
        invoke(given_up);
        value_.emplace();
      } else {
        value_.emplace(invoke(given_up));
      }
    } catch (...) {
      thrown_ = std::current_exception();
    }
    what_.reset();  // what it captured ends on this thread
  }
  decltype(auto) invoke([[maybe_unused]] const std::stop_token& given_up) {
    if constexpr (takes_token<Fn>) {
      return (*what_)(given_up);
    } else {
      return (*what_)();
    }
  }

  std::optional<Fn> what_;
  std::optional<result<value_of<Fn>>> value_;
  std::exception_ptr thrown_;
};

}  // namespace internal

// A function that a thread can call: it takes nothing or a std::stop_token.
template <class Fn>
concept blocking_function = std::is_object_v<Fn> && std::move_constructible<Fn> &&
                            (std::invocable<Fn&> || std::invocable<Fn&, std::stop_token>);

// Options of one call.
struct blocking_call_options {
  std::optional<milliseconds> timeout = {};  // none: that of the settings
};

class blocking final : public statements::service_declaration {
 public:
  // Registers the service with the declaration_scope of the thread.
  explicit blocking(std::string name)
      : service_declaration(std::move(name), statements::service_kind::blocking) {}

  // Runs `what` on a thread.
  template <class F>
    requires blocking_function<std::remove_cvref_t<F>>
  [[nodiscard]] runtime::task<stream::answer<internal::value_of<std::remove_cvref_t<F>>>> operator()(
      stream::context ctx, F&& what, blocking_call_options options = {}) const {
    using function = std::remove_cvref_t<F>;
    return run<function>(this, ctx, std::make_shared<internal::job_of<function>>(std::forward<F>(what)),
                         options);
  }

  // Connects the declaration, once, before the first record. Both must outlive it.
  void bind(channel& through, blocking_port& to) noexcept {
    channel_ = &through;
    to_ = &to;
  }

 private:
  // Waits for the end of the job, and yields how long it took. The error of a call whose function has no result.
  static runtime::task<result<nanoseconds>> finished(const blocking* self, stream::context ctx,
                                                     std::shared_ptr<blocking_job> job,
                                                     std::optional<milliseconds> timeout);
  // Reports the end of a call whose function has ended, or has thrown.
  void report(stream::context ctx, nanoseconds took, const error* failure) const;
  void report_thrown(nanoseconds took) const;

  template <class Fn>
  [[nodiscard]] result<internal::value_of<Fn>> taken_from(internal::job_of<Fn>& job, nanoseconds took) const {
    try {
      return job.take();
    } catch (...) {
      report_thrown(took);
      throw;
    }
  }

  template <class Fn>
  static runtime::task<stream::answer<internal::value_of<Fn>>> run(const blocking* self, stream::context ctx,
                                                                   std::shared_ptr<internal::job_of<Fn>> job,
                                                                   blocking_call_options options) {
    using value = internal::value_of<Fn>;
    runtime::task<result<nanoseconds>> wait = finished(self, ctx, job, options.timeout);
    const result<nanoseconds> took = co_await std::move(wait);
    if (!took) co_return stream::answer<value>(took.error(), ctx.duty_for(*self));
    result<value> taken = self->taken_from(*job, *took);
    const error* const failure = taken ? nullptr : &taken.error();
    self->report(ctx, *took, failure);
    co_return stream::answer<value>(std::move(taken), ctx.duty_for(*self));
  }

  channel* channel_ = nullptr;
  blocking_port* to_ = nullptr;
};

}  // namespace millrace::service
