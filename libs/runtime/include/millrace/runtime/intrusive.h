// An intrusive FIFO list. Elements carry their own links, so queues allocate nothing and removal is O(1).
//
// Example prelude:
//
//   struct waiting : runtime::list_hook {
//     int number = 0;
//   };
//
// Example:
//
//   runtime::intrusive_list<waiting> queue;
//   waiting first;
//   queue.push_back(first);
//   waiting* const next = queue.pop_front();
//   invariant(next == &first, "the list is first in, first out");
//
// Threads: a list and its elements belong to one thread.
// Lifetime: a list owns nothing. Destroying a list with elements, or an element inside a list, breaks an
// invariant.
#pragma once

#include <cstddef>

#include <millrace/base/assert.h>

namespace millrace::runtime {

// Base class of an element. An element is in at most one list and must be out of it when destroyed.
class list_hook {
 public:
  list_hook() = default;
  list_hook(const list_hook&) = delete;
  list_hook& operator=(const list_hook&) = delete;
  ~list_hook() { invariant(!linked(), "an element was destroyed while in a list"); }

  [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }
  // Removes the element from its list. Does nothing when it is in none.
  void unlink() noexcept {
    if (!linked()) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

 private:
  template <typename T>
  friend class intrusive_list;

  list_hook* previous_ = nullptr;
  list_hook* next_ = nullptr;
};

// The list; T derives from list_hook. `front()` and `pop_front()` return nullptr when the list is empty.
// `push_back()` of an element that is in a list breaks an invariant.
template <typename T>
class intrusive_list {
 public:
  intrusive_list() noexcept { head_.previous_ = head_.next_ = &head_; }
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;
  ~intrusive_list() {
    invariant(empty(), "a list was destroyed with elements in it");
    head_.previous_ = head_.next_ = nullptr;
  }

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  [[nodiscard]] T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  // The element behind `element`, which is in this list; nullptr when it is the last.
  [[nodiscard]] T* next(T& element) noexcept {
    list_hook* const behind = static_cast<list_hook&>(element).next_;
    return behind == &head_ ? nullptr : static_cast<T*>(behind);
  }
  void push_back(T& element) noexcept {
    list_hook& hook = element;
    invariant(!hook.linked(), "an element is already in a list");
    hook.previous_ = head_.previous_;
    hook.next_ = &head_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }
  T* pop_front() noexcept {
    T* first = front();
    if (first != nullptr) static_cast<list_hook*>(first)->unlink();
    return first;
  }
  // Moves all elements to the back of `other`.
  void splice_into(intrusive_list& other) noexcept {
    while (T* element = pop_front()) other.push_back(*element);
  }

 private:
  list_hook head_;
};

}  // namespace millrace::runtime
