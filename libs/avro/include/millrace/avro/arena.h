// Memory for the arrays, maps and recursive records of one decoded record: a bump pointer over few blocks.
//
// Owned by whoever owns the record (one arena per record in flight, pooled); one thread at a time. What was
// allocated lives until reset() or destruction; destructors of the objects inside are never run, so only
// trivially destructible types go in (the descriptors check it at compile time).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::avro {

class arena {
 public:
  // reset() keeps at most `retained_bytes_max` for the next record: one giant record must not pin its memory.
  explicit arena(std::size_t retained_bytes_max = std::size_t{1} << 20) noexcept
      : retained_bytes_max_(retained_bytes_max) {}
  ~arena();
  arena(arena&& other) noexcept;
  arena& operator=(arena&& other) noexcept;
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  // Uninitialised; nullptr when the process has no memory left. `align` is a power of two up to 16.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t align) noexcept {
    const std::uintptr_t at = (next_ + align - 1) & ~(static_cast<std::uintptr_t>(align) - 1);
    if (at <= end_ && end_ - at >= bytes) [[likely]] {
      next_ = at + bytes;
      return reinterpret_cast<void*>(at);
    }
    return allocate_block(bytes);
  }

  // Everything allocated so far becomes invalid. Frees nothing while the record sizes are steady: several
  // blocks are merged into one that holds them all.
  void reset() noexcept {
    if (only_block_ != 0) [[likely]] {
      next_ = only_block_;
    } else {
      merge_blocks();
    }
  }

  // Bytes held from the system.
  [[nodiscard]] std::size_t capacity() const noexcept;

 private:
  struct block {
    std::byte* data;
    std::size_t size;
  };
  [[nodiscard]] void* allocate_block(std::size_t bytes) noexcept;
  void merge_blocks() noexcept;
  void free_blocks() noexcept;

  std::uintptr_t next_ = 0;
  std::uintptr_t end_ = 0;
  std::uintptr_t only_block_ = 0;  // where the one block starts that is kept as it is; 0: there is none
  std::size_t retained_bytes_max_;
  std::vector<block> blocks_;
};

}  // namespace millrace::avro
