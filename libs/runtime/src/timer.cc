#include <millrace/base/assert.h>
#include <millrace/runtime/timer.h>

namespace millrace::runtime {

timer::~timer() { cancel(); }

void timer::cancel() noexcept {
  if (queue_ != nullptr) queue_->remove(position_);
}

timer_queue::~timer_queue() {
  for (const entry& e : heap_) e.owner->queue_ = nullptr;
}

void timer_queue::start(timer& t, instant deadline) {
  invariant(t.queue_ == nullptr || t.queue_ == this, "a timer belongs to another loop");
  t.cancel();
  heap_.push_back({});
  t.queue_ = this;
  place(heap_.size() - 1, {deadline, sequence_++, &t});
  sift_up(heap_.size() - 1);
}

std::size_t timer_queue::fire_due(instant now) {
  std::size_t fired = 0;
  while (!heap_.empty() && heap_.front().deadline <= now) {
    timer* due = heap_.front().owner;
    remove(0);
    due->on_timer();
    ++fired;
  }
  return fired;
}

std::optional<instant> timer_queue::next_deadline() const noexcept {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().deadline;
}

void timer_queue::place(std::size_t position, entry e) noexcept {
  heap_[position] = e;
  e.owner->position_ = position;
}

void timer_queue::sift_up(std::size_t position) noexcept {
  const entry moving = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!before(moving, heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, moving);
}

void timer_queue::sift_down(std::size_t position) noexcept {
  const entry moving = heap_[position];
  for (;;) {
    std::size_t child = position * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], moving)) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, moving);
}

void timer_queue::remove(std::size_t position) noexcept {
  heap_[position].owner->queue_ = nullptr;
  const entry last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  place(position, last);
  sift_up(position);
  sift_down(last.owner->position_);
}

}  // namespace millrace::runtime
