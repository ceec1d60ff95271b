#include <array>
#include <new>

#include <millrace/runtime/frame_pool.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MILLRACE_POOL_FRAMES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MILLRACE_POOL_FRAMES 0
#endif
#endif
#ifndef MILLRACE_POOL_FRAMES
#define MILLRACE_POOL_FRAMES 1
#endif

namespace millrace::runtime {
namespace {

constexpr std::size_t class_bytes = 64;
constexpr std::size_t pooled_bytes_max = 4096;
constexpr std::size_t class_count = pooled_bytes_max / class_bytes + 1;

struct free_block {
  free_block* next;
};

class pool {
 public:
  pool() = default;
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;
  ~pool() {
    for (free_block* head : lists_) {
      while (head != nullptr) {
        free_block* next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
  }

  void* allocate(std::size_t bytes) {
    ++stats_.frames_live;
    const std::size_t index = class_of(bytes);
    if (MILLRACE_POOL_FRAMES != 0 && index < class_count && lists_[index] != nullptr) {
      free_block* block = lists_[index];
      lists_[index] = block->next;
      return block;
    }
    ++stats_.heap_allocations;
    return ::operator new(index < class_count ? index * class_bytes : bytes);
  }

  void release(void* frame, std::size_t bytes) noexcept {
    --stats_.frames_live;
    const std::size_t index = class_of(bytes);
    if (MILLRACE_POOL_FRAMES == 0 || index >= class_count) {
      ::operator delete(frame);
      return;
    }
    lists_[index] = ::new (frame) free_block{lists_[index]};
  }

  [[nodiscard]] frame_pool_stats stats() const noexcept { return stats_; }

 private:
  static std::size_t class_of(std::size_t bytes) noexcept { return (bytes + class_bytes - 1) / class_bytes; }

  std::array<free_block*, class_count> lists_{};
  frame_pool_stats stats_;
};

pool& this_threads_pool() noexcept {
  thread_local pool instance;
  return instance;
}

}  // namespace

void* allocate_frame(std::size_t bytes) { return this_threads_pool().allocate(bytes); }
void free_frame(void* frame, std::size_t bytes) noexcept { this_threads_pool().release(frame, bytes); }
frame_pool_stats frame_stats() noexcept { return this_threads_pool().stats(); }

}  // namespace millrace::runtime
