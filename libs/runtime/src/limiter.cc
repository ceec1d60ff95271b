#include <algorithm>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/runtime/limiter.h>

namespace millrace::runtime {
namespace {

// Once in eleven days: any lower rate would overflow.
constexpr double interval_ns_max = 1e15;
// Between two wake-ups at a high rate; well within the burst, so that none of the rate is lost.
constexpr nanoseconds wake_interval = milliseconds(1);

}  // namespace

limiter::limiter(loop& on, work_limits limits) : loop_(on), limits_(limits) {
  if (limits_.rate_max <= 0) return;
  interval_ = nanoseconds(static_cast<std::int64_t>(std::min(1e9 / limits_.rate_max, interval_ns_max)));
  tolerance_ = interval_ < nanoseconds(burst) ? nanoseconds(burst) : nanoseconds(0);
  next_ = loop_.time().now();
}

bool limiter::enter(waiter& w, place where) {
  const instant now = loop_.time().now();
  if (waiting_ == 0 && has_room() && (limits_.rate_max <= 0 || now >= next_at())) {
    take(now);
    return true;
  }
  (where == place::ahead ? ahead_ : behind_).push_back(w);
  ++waiting_;
  if (!armed()) admit();
  return false;
}

void limiter::take(instant now) noexcept {
  ++under_way_;
  if (limits_.rate_max > 0) next_ = std::max(next_, now) + interval_;
}

void limiter::leave() {
  invariant(under_way_ > 0, "what leaves a limiter was admitted");
  --under_way_;
  if (waiting_ > 0) admit();
}

void limiter::forget(waiter& w) noexcept {
  if (!w.linked()) return;
  w.unlink();
  --waiting_;
}

// One that ends at once lets the next one in: in a loop, not from within its own end.
void limiter::admit() {
  if (std::exchange(admitting_, true)) return;
  while (waiting_ > 0 && has_room()) {
    const instant now = loop_.time().now();
    if (limits_.rate_max > 0 && now < next_at()) {
      loop_.start_at(*this, next_at() + (tolerance_.count() > 0 ? wake_interval : nanoseconds(0)));
      break;
    }
    waiter* w = ahead_.pop_front();
    if (w == nullptr) w = behind_.pop_front();
    --waiting_;
    take(now);
    w->on_admitted();
  }
  admitting_ = false;
}

}  // namespace millrace::runtime
