#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include <millrace/base/assert.h>
#include <millrace/service/blocking_threads.h>

namespace millrace::service {
namespace {

// The jobs of one worker that have ended.
class inbox {
 public:
  explicit inbox(runtime::loop& l) : loop_(&l) {}

  void post(std::shared_ptr<blocking_job> job) {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) return;
    ended_.push_back(std::move(job));
    has_any_.store(true, std::memory_order_release);
    loop_->wake();
  }
  // Almost always there is nothing, which costs no lock.
  void take(std::vector<std::shared_ptr<blocking_job>>& into) {
    if (!has_any_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    has_any_.store(false, std::memory_order_relaxed);
    ended_.swap(into);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  runtime::loop* loop_;  // nullptr: the worker has ended
  std::vector<std::shared_ptr<blocking_job>> ended_;
  std::atomic<bool> has_any_{false};
};

struct queued_job {
  std::shared_ptr<blocking_job> what;
  std::shared_ptr<inbox> to;
};

}  // namespace

struct blocking_threads::shared {
  explicit shared(std::size_t most) : threads_max(most) {}

  void submit(queued_job next);
  void work();
  // With the lock. Empty: a thread will take the job.
  std::optional<error> start_thread();

  const std::size_t threads_max;
  std::mutex mutex;
  std::condition_variable more;
  std::condition_variable fewer;  // a thread has ended
  std::deque<queued_job> queue;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  std::size_t alive = 0;
  bool ending = false;
};

std::optional<error> blocking_threads::shared::start_thread() {
  try {
    threads.emplace_back([this] { work(); });
    ++alive;
  } catch (const std::system_error& refused) {
    if (alive == 0) {
      return error(errc::service_unavailable,
                   std::string("no thread for blocking functions can be started: ") + refused.what() +
                       "; raise the limit of threads of the process");
    }
  }
  return std::nullopt;
}

void blocking_threads::shared::submit(queued_job next) {
  std::unique_lock lock(mutex);
  // Given up while every thread was at work.
  std::erase_if(queue, [](const queued_job& each) { return each.what->was_given_up(); });
  std::optional<error> refused;
  if (ending) {
    refused = error(errc::cancelled, "the process ends");
  } else if (idle <= queue.size() && alive < threads_max) {
    refused = start_thread();
  }
  if (refused) {
    lock.unlock();
    next.what->refuse(*std::move(refused));
    return next.to->post(std::move(next.what));
  }
  queue.push_back(std::move(next));
  more.notify_one();
}

void blocking_threads::shared::work() {
  ::pthread_setname_np(::pthread_self(), "blocking");
  std::unique_lock lock(mutex);
  while (!ending) {
    if (queue.empty()) {
      ++idle;
      more.wait(lock, [this] { return ending || !queue.empty(); });
      --idle;
      continue;
    }
    queued_job next = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    if (next.what->perform()) next.to->post(std::move(next.what));
    next = {};  // its captures end without the lock
    lock.lock();
  }
  --alive;
  fewer.notify_all();
}

class blocking_threads::lane final : public blocking_port, private runtime::step {
 public:
  lane(runtime::loop& l, std::shared_ptr<shared> threads)
      : loop_(l), threads_(std::move(threads)), inbox_(std::make_shared<inbox>(l)) {
    loop_.add_step(runtime::phase::intake, *this);
  }
  ~lane() override {
    inbox_->close();
    loop_.remove_step(*this);
  }
  void submit(std::shared_ptr<blocking_job> job) override { threads_->submit({std::move(job), inbox_}); }

 private:
  bool on_turn() override {
    inbox_->take(taken_);
    for (const auto& each : taken_) each->ended();
    taken_.clear();
    return false;
  }

  runtime::loop& loop_;
  std::shared_ptr<shared> threads_;
  std::shared_ptr<inbox> inbox_;
  std::vector<std::shared_ptr<blocking_job>> taken_;
};

blocking_threads::blocking_threads(std::size_t threads_max) : shared_(std::make_shared<shared>(threads_max)) {
  invariant(threads_max > 0, "a blocking function has a thread");
}

blocking_threads::~blocking_threads() {
  static_cast<void>(end_within(nanoseconds(0)));
  for (std::thread& each : shared_->threads) each.join();
}

std::unique_ptr<blocking_port> blocking_threads::attach(runtime::loop& l) {
  return std::make_unique<lane>(l, shared_);
}

bool blocking_threads::end_within(nanoseconds time) {
  std::deque<queued_job> never_begun;  // destroyed without the lock
  std::unique_lock lock(shared_->mutex);
  shared_->ending = true;
  never_begun.swap(shared_->queue);
  shared_->more.notify_all();
  const bool ended = shared_->fewer.wait_for(lock, time, [this] { return shared_->alive == 0; });
  lock.unlock();
  return ended;
}

}  // namespace millrace::service
