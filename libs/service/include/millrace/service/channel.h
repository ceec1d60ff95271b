// The way of one worker to one service: limits, the order of calls, and metrics. Processors use http_client.h and
// blocking.h.
//
// A call waits for its turn when `concurrency_max` calls are at work, when the rate is used up, or while the service has
// asked for a pause. Calls have their turn in the order in which they came. The wait is the back-pressure: it holds the
// record, and with enough records in flight intake stops. It ends early when the attempt is cancelled, and after
// queue_timeout with errc::service_overloaded, which costs the record no attempt.
//
// Example, at namespace scope:
//
//   #include <millrace/runtime/task.h>
//
//   runtime::task<result<void>> call(service::channel& to, stream::context ctx) {
//     service::turn wait(to, ctx);
//     const service::turn::end how = co_await wait;
//     if (how != service::turn::end::taken) co_return error(errc::service_overloaded);
//     // the call
//     to.leave();
//     co_return result<void>();
//   }
//
// Threads: the worker's thread.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>
#include <millrace/statement/service.h>
#include <millrace/stream/context.h>

namespace millrace::service {

// Declares the metrics of services, for the reference and for checks of dashboards.
void declare_metrics(metrics::catalogue& into);

struct channel_options {
  std::size_t concurrency_max = 16;  // calls at work, of this worker
  double requests_per_second = 0;    // of this worker; 0: no limit
  milliseconds timeout{5'000};       // of a call, from its turn to its end
  milliseconds queue_timeout{30'000};
  // Period in which refused credentials are retried before they stop the engine: they may be about to be rotated.
  milliseconds unauthorized_after{60'000};
};

// The longest pause that a service may ask for.
inline constexpr seconds pause_max{60};

class service_metrics;
class turn;

class channel final : private runtime::timer {
 public:
  // `counts` may be null: nothing is shown. The loop must outlive the channel, and so must the shard.
  channel(runtime::loop& l, const std::string& name, const channel_options& options, metrics::shard* counts);
  ~channel() override;

  // Returns the limits, the loop, and the number of calls at work.
  [[nodiscard]] const channel_options& options() const noexcept { return options_; }
  [[nodiscard]] runtime::loop& loop() const noexcept { return loop_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }

  // A call that had its turn has ended.
  void leave();
  // No call has its turn for this long, at most pause_max: the service has asked for it.
  void pause_for(nanoseconds time);

  // The service has refused the credentials. Returns whether it has done so for unauthorized_after.
  [[nodiscard]] bool refused_for_long();

  // For the metrics. nullptr: it succeeded.
  void count(nanoseconds took, const error* failure);
  void count_refused(const error& failure);
  // Blocking functions that still run and whose call has ended.
  void abandoned(int change);

 private:
  friend class turn;
  struct place : runtime::list_hook {
    turn* of = nullptr;
  };

  [[nodiscard]] bool try_enter();
  // Whether the next call may have its turn now; otherwise when, in `opens_at_`.
  [[nodiscard]] bool is_open();
  void admit();
  void show();
  void on_timer() override { admit(); }

  runtime::loop& loop_;
  const channel_options options_;
  std::unique_ptr<service_metrics> metrics_;
  runtime::intrusive_list<place> waiting_;
  std::size_t waiting_count_ = 0;
  std::size_t in_flight_ = 0;
  instant paused_until_;
  instant rate_used_until_;
  std::optional<instant> refused_since_;
  instant refused_last_;
  instant opens_at_;
};

// The wait for a turn. With end::taken the caller has to leave() the channel.
class [[nodiscard]] turn final : private runtime::timer, private stream::cancellable {
 public:
  enum class end : std::uint8_t { taken, late, cancelled };

  turn(channel& of, stream::context ctx) noexcept : channel_(of), ctx_(ctx) { place_.of = this; }

  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  end await_resume();

 private:
  friend class channel;
  void granted();
  void on_timer() override { give_up(end::late); }
  void on_cancelled() override { give_up(end::cancelled); }
  void give_up(end how);

  channel& channel_;
  stream::context ctx_;
  channel::place place_;
  std::coroutine_handle<> waiting_;
  instant began_;
  end end_ = end::taken;
};

// The error of a call without a turn.
[[nodiscard]] error without_turn(turn::end how, const channel& of, const std::string& name);

}  // namespace millrace::service
