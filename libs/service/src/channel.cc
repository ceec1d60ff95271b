#include <algorithm>
#include <cmath>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/service/channel.h>

#include "service_metrics.h"

namespace millrace::service {
namespace {

// The rate is kept over this time, so that calls need not be spread evenly.
constexpr milliseconds burst_time{100};
// Without a refusal for so long, and for unauthorized_after, the next one is the first: retries are further apart.
constexpr seconds refusals_forgotten_after{60};

}  // namespace

channel::channel(runtime::loop& l, const std::string& name, const channel_options& options,
                 metrics::shard* counts)
    : loop_(l), options_(options), metrics_(std::make_unique<service_metrics>(counts, name)) {
  invariant(options.concurrency_max > 0, "a service can be called");
}
channel::~channel() = default;

bool channel::is_open() {
  const instant now = loop_.time().now();
  if (now < paused_until_) {
    opens_at_ = paused_until_;
    return false;
  }
  if (options_.requests_per_second <= 0) return true;
  const nanoseconds each(std::llround(1e9 / options_.requests_per_second));
  const nanoseconds ahead = std::max<nanoseconds>(nanoseconds(burst_time) - each, nanoseconds(0));
  if (rate_used_until_ > now + ahead) {
    opens_at_ = rate_used_until_ + (-ahead);
    return false;
  }
  rate_used_until_ = std::max(rate_used_until_, now) + each;
  return true;
}

bool channel::try_enter() {
  if (!waiting_.empty() || in_flight_ >= options_.concurrency_max || !is_open()) return false;
  ++in_flight_;
  show();
  return true;
}

void channel::admit() {
  while (!waiting_.empty() && in_flight_ < options_.concurrency_max) {
    if (!is_open()) {
      loop_.start_at(*this, opens_at_);
      break;
    }
    place* const next = waiting_.pop_front();
    --waiting_count_;
    ++in_flight_;
    next->of->granted();
  }
  show();
}

void channel::show() {
  metrics_->in_flight.set(static_cast<double>(in_flight_));
  metrics_->waiting.set(static_cast<double>(waiting_count_));
}

void channel::leave() {
  invariant(in_flight_ > 0, "a call that leaves had its turn");
  --in_flight_;
  admit();
}

void channel::pause_for(nanoseconds time) {
  const instant until = loop_.time().now() + std::clamp<nanoseconds>(time, nanoseconds(0), pause_max);
  paused_until_ = std::max(paused_until_, until);
}

bool channel::refused_for_long() {
  const instant now = loop_.time().now();
  if (!refused_since_ || now - refused_last_ > options_.unauthorized_after + refusals_forgotten_after)
    refused_since_ = now;
  refused_last_ = now;
  return now - *refused_since_ >= options_.unauthorized_after;
}

void channel::count(nanoseconds took, const error* failure) {
  metrics_->requests.add();
  if (failure == nullptr) return metrics_->seconds.observe(took);
  metrics_->failed_seconds.observe(took);
  metrics_->failures(failure->code());
}

void channel::count_refused(const error& failure) {
  metrics_->requests.add();
  metrics_->failures(failure.code());
}

void channel::abandoned(int change) { metrics_->abandoned.add(change); }

bool turn::await_ready() {
  if (ctx_.is_cancelled()) {
    end_ = end::cancelled;
    return true;
  }
  began_ = channel_.loop_.time().now();
  return channel_.try_enter();
}

void turn::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  ctx_.begin_wait(*this);
  channel_.waiting_.push_back(place_);
  ++channel_.waiting_count_;
  channel_.loop_.start(*this, channel_.options_.queue_timeout);
  channel_.admit();  // arms the timer of what opens the channel
}

turn::end turn::await_resume() {
  if (end_ != end::cancelled) channel_.metrics_->wait.observe(channel_.loop_.time().now() - began_);
  if (waiting_) ctx_.resumed();
  return end_;
}

void turn::granted() {
  cancel();
  unlink();
  end_ = end::taken;
  channel_.loop_.resume_later(waiting_);
}

void turn::give_up(end how) {
  cancel();
  unlink();
  place_.unlink();
  --channel_.waiting_count_;
  channel_.show();
  end_ = how;
  channel_.loop_.resume_later(waiting_);
}

error without_turn(turn::end how, const channel& of, const std::string& name) {
  if (how == turn::end::cancelled) return {errc::cancelled, name + ": the attempt was cancelled"};
  return {errc::service_overloaded,
          name + ": the call had no turn within " + std::to_string(of.options().queue_timeout.count()) +
              " ms (`queue_timeout`): " + std::to_string(of.in_flight()) + " calls are at work"};
}

}  // namespace millrace::service
