// Memory of coroutine frames. Frames come and go once per record and per wait, so they are recycled: each
// thread keeps free lists by size class and never returns them to the system until the thread ends.
//
// A frame may be freed on another thread than the one that allocated it; it then joins the freeing thread's
// lists. In sanitizer builds every frame is a fresh heap block, so that use after free is seen.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

struct frame_pool_stats {
  std::uint64_t frames_live = 0;       // allocated and not yet freed (by this thread's count)
  std::uint64_t heap_allocations = 0;  // frames that were not served from a free list
};

[[nodiscard]] void* allocate_frame(std::size_t bytes);
void free_frame(void* frame, std::size_t bytes) noexcept;
// Of the calling thread.
[[nodiscard]] frame_pool_stats frame_stats() noexcept;

}  // namespace millrace::runtime
