#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>
#include <unordered_map>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <millrace/runtime/loop.h>

namespace millrace::runtime {
namespace {

constexpr int events_per_wait_max = 64;
// A turn that keeps making work for itself would starve descriptors and timers; after this many resumptions
// the turn goes on and the rest waits for the next one.
constexpr std::size_t resumptions_per_drain_max = 100'000;
// Enough for any honest cascade of steps; more means two of them wake each other for ever.
constexpr std::size_t simulated_turns_max = 1'000'000;

constexpr std::size_t resumed_ahead = 2;
constexpr std::size_t line_bytes = 64;
constexpr std::size_t lines_prefetched = 5;  // a small frame, a record's state

void prefetch(const void* object) noexcept {
  for (std::size_t i = 0; i < lines_prefetched; ++i) {
    __builtin_prefetch(static_cast<const char*>(object) + i * line_bytes, 1);
  }
}

int wait_nanoseconds(int epoll, epoll_event* events, nanoseconds at_most) {
  timespec timeout{};
  timeout.tv_sec = at_most.count() / 1'000'000'000;
  timeout.tv_nsec = at_most.count() % 1'000'000'000;
  return ::epoll_pwait2(epoll, events, events_per_wait_max, &timeout, nullptr);
}

// Rounded up: a wait that ends before the deadline of a timer would be repeated without a sleep.
int wait_milliseconds(int epoll, epoll_event* events, nanoseconds at_most) {
  const auto whole = std::min<std::int64_t>(std::chrono::ceil<milliseconds>(at_most).count(),
                                            std::numeric_limits<int>::max());
  return ::epoll_pwait(epoll, events, events_per_wait_max, static_cast<int>(whole), nullptr);
}

}  // namespace

class loop::kernel {
 public:
  kernel() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    invariant(epoll_ >= 0 && event_ >= 0, "epoll and eventfd are available (raise the limit of open files)");
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.fd = event_;
    invariant(::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &interest) == 0,
              "the wake descriptor can be watched");
    probe();
  }
  kernel(const kernel&) = delete;
  kernel& operator=(const kernel&) = delete;
  ~kernel() {
    invariant(watches_.empty(), "every watched descriptor is unwatched before its loop ends");
    ::close(event_);
    ::close(epoll_);
  }

  [[nodiscard]] result<void> watch(int fd, std::function<void()> on_ready) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0) {
      return error(errc::io_error,
                   "cannot watch descriptor " + std::to_string(fd) + ": " + std::strerror(errno));
    }
    watches_[fd] = std::make_shared<std::function<void()>>(std::move(on_ready));
    return {};
  }

  void watch_writable(int fd, bool wanted) const noexcept {
    epoll_event interest{};
    interest.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
    interest.data.fd = fd;
    invariant(::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &interest) == 0, "a watched descriptor stays watched");
  }

  void unwatch(int fd) noexcept {
    if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  }

  void wake() const noexcept {
    const std::uint64_t one = 1;
    // The counter can only be full when the loop has very many wakes to see already.
    [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
  }

  void wait(nanoseconds at_most) {
    epoll_event events[events_per_wait_max];
    const int count = has_nanoseconds_ ? wait_nanoseconds(epoll_, events, at_most)
                                       : wait_milliseconds(epoll_, events, at_most);
    invariant(count >= 0 || errno == EINTR, "the kernel waits for the loop's descriptors");
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == event_) {
        std::uint64_t wakes = 0;
        [[maybe_unused]] const ssize_t got = ::read(event_, &wakes, sizeof wakes);
        continue;
      }
      const auto found = watches_.find(events[i].data.fd);
      if (found == watches_.end()) continue;
      const auto on_ready = found->second;  // kept alive: the callback may unwatch itself
      (*on_ready)();
    }
  }

 private:
  // Linux before 5.11 does not have epoll_pwait2 (ENOSYS), and seccomp profiles of that time refuse it (EPERM).
  void probe() {
    epoll_event events[events_per_wait_max];
    if (wait_nanoseconds(epoll_, events, nanoseconds(0)) >= 0 || errno == EINTR) return;
    invariant(errno == ENOSYS || errno == EPERM, "epoll_pwait2 works, or the kernel does not have it");
    has_nanoseconds_ = false;
  }

  int epoll_;
  int event_;
  bool has_nanoseconds_ = true;
  std::unordered_map<int, std::shared_ptr<std::function<void()>>> watches_;
};

loop::loop(const clock& time) : time_(time), now_(time.now()), kernel_(std::make_unique<kernel>()) {
  last_turn_ns_.store(now_.ns, std::memory_order_relaxed);
}

loop::~loop() {
  for (const auto& steps : steps_) invariant(steps.empty(), "every step is removed before its loop ends");
}

void loop::add_step(phase at, step& s) { steps_[static_cast<std::size_t>(at)].push_back(&s); }

void loop::remove_step(step& s) noexcept {
  for (auto& steps : steps_) std::erase(steps, &s);
}

result<void> loop::watch(int fd, std::function<void()> on_ready) {
  return kernel_->watch(fd, std::move(on_ready));
}
void loop::watch_writable(int fd, bool wanted) noexcept { kernel_->watch_writable(fd, wanted); }
void loop::unwatch(int fd) noexcept { kernel_->unwatch(fd); }

void loop::run() {
  constexpr nanoseconds idle_turn_every = milliseconds(500);  // bounds the watchdog's view of an idle loop
  while (!stop_requested_.load(std::memory_order_acquire)) run_turn(idle_turn_every);
  stop_requested_.store(false, std::memory_order_relaxed);
}

void loop::stop() noexcept {
  stop_requested_.store(true, std::memory_order_release);
  wake();
}

void loop::wake() noexcept {
  // Only the first wake since the loop last looked costs a system call.
  if (!woken_.exchange(true, std::memory_order_acq_rel)) kernel_->wake();
}

void loop::run_turn(nanoseconds sleep_max) {
  begin_turn();
  drain_ready();
  timers_.fire_due(now_);
  const bool more = turn_steps();
  const instant done = time_.now();
  if (turn_times_ != nullptr) turn_times_->observe(done - now_);
  nanoseconds sleep = sleep_max;
  if (more || again_ || has_pending() || stop_requested_.load(std::memory_order_acquire)) {
    sleep = nanoseconds(0);
  } else if (const auto deadline = timers_.next_deadline()) {
    sleep = std::clamp(*deadline - done, nanoseconds(0), sleep_max);
  }
  kernel_->wait(sleep);
  // Cleared after the wait and before the next turn looks at its mailboxes: a wake from here on is seen there
  // or writes the descriptor again.
  woken_.store(false, std::memory_order_seq_cst);
}

std::size_t loop::run_pending() {
  std::size_t turns = 0;
  bool more = true;
  while (more) {
    invariant(turns < simulated_turns_max, "a simulated instant ends");
    begin_turn();
    drain_ready();
    const std::size_t fired = timers_.fire_due(now_);
    const bool steps_have_more = turn_steps();
    const bool was_woken = woken_.exchange(false, std::memory_order_acq_rel);
    more = steps_have_more || again_ || has_pending() || fired > 0 || was_woken;
    ++turns;
  }
  return turns;
}

void loop::begin_turn() noexcept {
  now_ = time_.now();
  last_turn_ns_.store(now_.ns, std::memory_order_relaxed);
  turns_.fetch_add(1, std::memory_order_relaxed);
  phases_begun_ = 0;
  again_ = false;
}

void loop::drain_ready() {
  std::size_t resumptions = 0;
  // With thousands in flight what comes next was touched long ago: it is fetched while this one runs.
  while (has_pending() && resumptions < resumptions_per_drain_max) {
    ++resumptions;
    if (!ready_.empty()) {
      const std::coroutine_handle<> next = ready_.front();
      ready_.pop_front();
      if (ready_.size() > resumed_ahead) prefetch(ready_[resumed_ahead].address());
      next.resume();
    } else if (deferred* call = deferred_.pop_front()) {
      if (deferred* after = deferred_.front()) prefetch(after);
      call->run();
    }
  }
}

bool loop::turn_steps() {
  bool more = false;
  for (auto& steps : steps_) {
    ++phases_begun_;
    // By index: a step may add or remove steps.
    for (std::size_t i = 0; i < steps.size(); ++i) more = steps[i]->on_turn() || more;
    drain_ready();
  }
  return more;
}

}  // namespace millrace::runtime
