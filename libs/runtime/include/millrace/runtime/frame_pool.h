// Memory of coroutine frames. A frame is allocated per record and per wait, so frames are recycled: each
// thread keeps free lists by size class and returns no memory to the system until the thread ends.
//
// Example:
//
//   void* const frame = runtime::allocate_frame(256);
//   runtime::free_frame(frame, 256);
//   const std::uint64_t from_heap = runtime::frame_stats().heap_allocations;
//   invariant(from_heap <= 1, "a freed frame is used again");
//
// Threads: any. A frame may be freed on another thread than the one that allocated it; it then joins the free
// lists of the thread that freed it. Sanitizers: in sanitizer builds every frame is a heap block of its own,
// so that a use after free is detected.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

// Counters of one thread.
struct frame_pool_stats {
  std::uint64_t frames_live = 0;       // allocated and not yet freed (by this thread's count)
  std::uint64_t heap_allocations = 0;  // frames that were not served from a free list
};

// Returns `bytes` of uninitialised memory, aligned for any object. Throws std::bad_alloc when the system has
// none.
[[nodiscard]] void* allocate_frame(std::size_t bytes);
// Recycles a frame. `bytes` is the size that was allocated.
void free_frame(void* frame, std::size_t bytes) noexcept;
// Returns the counters of the calling thread.
[[nodiscard]] frame_pool_stats frame_stats() noexcept;

}  // namespace millrace::runtime
