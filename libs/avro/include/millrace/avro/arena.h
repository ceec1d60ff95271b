// Memory for the arrays, maps and recursive records of one decoded record: a bump pointer over few blocks.
//
// Example:
//
//   avro::arena memory;
//   void* const at = memory.allocate(64, 8);
//   invariant(at != nullptr, "the process has memory");
//   memory.reset();  // `at` is invalid from here on
//
// Threads: one thread at a time. A record in flight has an arena of its own.
// Lifetime: an allocation lives until reset() or the destruction of the arena. Destructors of the objects
// inside are never run, so only trivially destructible types go in; the descriptors check it at compile time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::avro {

// The arena.
class arena {
 public:
  // reset() keeps at most `retained_bytes_max` for the next record, so that one very large record does not
  // keep its memory.
  explicit arena(std::size_t retained_bytes_max = std::size_t{1} << 20) noexcept
      : retained_bytes_max_(retained_bytes_max) {}
  ~arena();
  arena(arena&& other) noexcept;
  arena& operator=(arena&& other) noexcept;
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  // Returns `bytes` of uninitialised memory, or nullptr when the process has none left. `align` is a power of
  // two up to 16.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t align) noexcept {
    const std::uintptr_t at = (next_ + align - 1) & ~(static_cast<std::uintptr_t>(align) - 1);
    if (at <= end_ && end_ - at >= bytes) [[likely]] {
      next_ = at + bytes;
      return reinterpret_cast<void*>(at);
    }
    return allocate_block(bytes);
  }

  // Invalidates everything allocated so far. Frees nothing while the sizes of records are steady: several
  // blocks are merged into one that holds them all.
  void reset() noexcept {
    if (only_block_ != 0) [[likely]] {
      next_ = only_block_;
    } else {
      merge_blocks();
    }
  }

  // Limits the bytes held from the system: allocate() returns nullptr instead of exceeding them.
  void set_bytes_max(std::size_t bytes_max) noexcept { bytes_max_ = bytes_max; }
  // Invalidates everything, and gives back what exceeds `bytes_max`.
  void trim(std::size_t bytes_max) noexcept {
    if (capacity() > bytes_max) free_blocks();
    reset();
  }
  // Returns the bytes held from the system.
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
  std::size_t bytes_max_ = SIZE_MAX;
  std::vector<block> blocks_;
};

}  // namespace millrace::avro
