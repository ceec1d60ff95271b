#include <algorithm>
#include <new>
#include <utility>

#include <millrace/avro/arena.h>

namespace millrace::avro {
namespace {

constexpr std::size_t first_block_bytes = 4096;
constexpr std::size_t block_bytes_max = std::size_t{1}
                                        << 20;  // of a block not requested by a single allocation

}  // namespace

arena::~arena() { free_blocks(); }

arena::arena(arena&& other) noexcept
    : next_(std::exchange(other.next_, 0)),
      end_(std::exchange(other.end_, 0)),
      only_block_(std::exchange(other.only_block_, 0)),
      retained_bytes_max_(other.retained_bytes_max_),
      bytes_max_(other.bytes_max_),
      blocks_(std::exchange(other.blocks_, {})) {}

arena& arena::operator=(arena&& other) noexcept {
  if (this != &other) {
    free_blocks();
    next_ = std::exchange(other.next_, 0);
    end_ = std::exchange(other.end_, 0);
    only_block_ = std::exchange(other.only_block_, 0);
    retained_bytes_max_ = other.retained_bytes_max_;
    bytes_max_ = other.bytes_max_;
    blocks_ = std::exchange(other.blocks_, {});
  }
  return *this;
}

void* arena::allocate_block(std::size_t bytes) noexcept {
  const std::size_t wanted =
      blocks_.empty() ? first_block_bytes : std::min(2 * blocks_.back().size, block_bytes_max);
  const std::size_t held = capacity();
  const std::size_t left = bytes_max_ > held ? bytes_max_ - held : 0;
  if (bytes > left) return nullptr;
  const std::size_t size = std::max(std::min(wanted, left), bytes);
  auto* data = static_cast<std::byte*>(::operator new(size, std::nothrow));
  if (data == nullptr) return nullptr;
  blocks_.push_back({data, size});
  next_ = reinterpret_cast<std::uintptr_t>(data) + bytes;
  end_ = reinterpret_cast<std::uintptr_t>(data) + size;
  only_block_ =
      blocks_.size() == 1 && size <= retained_bytes_max_ ? reinterpret_cast<std::uintptr_t>(data) : 0;
  return data;
}

void arena::merge_blocks() noexcept {
  if (blocks_.empty()) return;
  const std::size_t held = capacity();
  if (blocks_.size() > 1 || held > retained_bytes_max_) {
    free_blocks();
    if (allocate_block(std::max(std::min(held, retained_bytes_max_), first_block_bytes)) == nullptr) return;
  }
  next_ = reinterpret_cast<std::uintptr_t>(blocks_.front().data);
}

std::size_t arena::capacity() const noexcept {
  std::size_t held = 0;
  for (const block& one : blocks_) held += one.size;
  return held;
}

void arena::free_blocks() noexcept {
  for (const block& one : blocks_) ::operator delete(one.data);
  blocks_.clear();
  next_ = end_ = only_block_ = 0;
}

}  // namespace millrace::avro
