#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include <millrace/base/assert.h>
#include <millrace/stream/record.h>

namespace millrace::stream {
namespace {

// Kept for reuse when little is in use.
constexpr std::size_t kept_bytes_min = 1U << 20U;
constexpr std::size_t smallest_class_bytes = 256;

// Layout behind the block: key, value, then per header: name length (u32), value length (i32, -1 null), name,
// value.
constexpr std::size_t header_prefix_bytes = 8;

std::byte* append(std::byte* at, bytes_view bytes) noexcept {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

struct stored_header {
  header_view view;
  const std::byte* next;
};

stored_header read_header(const std::byte* at) noexcept {
  std::uint32_t name_bytes = 0;
  std::int32_t value_bytes = 0;
  std::memcpy(&name_bytes, at, 4);
  std::memcpy(&value_bytes, at + 4, 4);
  at += header_prefix_bytes;
  header_view view{{reinterpret_cast<const char*>(at), name_bytes}, std::nullopt};
  at += name_bytes;
  if (value_bytes >= 0) {
    view.value = bytes_view(at, static_cast<std::size_t>(value_bytes));
    at += value_bytes;
  }
  return {view, at};
}

std::size_t length_of(std::optional<bytes_view> part) noexcept { return part ? part->size() : 0; }

}  // namespace

std::optional<bytes_view> record_block::header(std::string_view name) const noexcept {
  std::optional<bytes_view> found;
  const std::byte* at = data() + (key_bytes_ > 0 ? key_bytes_ : 0) + (value_bytes_ > 0 ? value_bytes_ : 0);
  for (std::uint32_t i = 0; i < header_count_; ++i) {
    const stored_header header = read_header(at);
    if (header.view.name == name) found = header.view.value;
    at = header.next;
  }
  return found;
}

header_view record_block::header_at(std::uint32_t index) const noexcept {
  invariant(index < header_count_, "a header index is in range");
  const std::byte* at = data() + (key_bytes_ > 0 ? key_bytes_ : 0) + (value_bytes_ > 0 ? value_bytes_ : 0);
  stored_header header = read_header(at);
  for (std::uint32_t i = 0; i < index; ++i) header = read_header(header.next);
  return header.view;
}

void record_ref::release() noexcept {
  if (block_ == nullptr) return;
  if (--block_->references_ == 0) block_->pool_->give_back(block_);
  block_ = nullptr;
}

block_pool::~block_pool() {
  invariant(blocks_in_use_ == 0, "every record is released before its pool ends");
  for (record_block* block : free_) {
    while (block != nullptr) {
      record_block* next = block->next_free_;
      ::operator delete(block);
      block = next;
    }
  }
}

record_block* block_pool::take(std::size_t bytes) {
  const std::size_t capacity = std::bit_ceil(bytes < smallest_class_bytes ? smallest_class_bytes : bytes);
  const auto index =
      static_cast<std::size_t>(std::countr_zero(capacity) - std::countr_zero(smallest_class_bytes));
  record_block* block = nullptr;
  if (index < class_count && free_[index] != nullptr) {
    block = free_[index];
    free_[index] = block->next_free_;
    bytes_kept_ -= capacity;
  } else {
    block = ::new (::operator new(index < class_count ? capacity : bytes)) record_block();
  }
  block->capacity_ = index < class_count ? capacity : bytes;
  block->pool_ = this;
  bytes_in_use_ += block->capacity_;
  ++blocks_in_use_;
  return block;
}

void block_pool::give_back(record_block* block) noexcept {
  bytes_in_use_ -= block->capacity_;
  --blocks_in_use_;
  const auto index =
      static_cast<std::size_t>(std::bit_width(block->capacity_) - std::bit_width(smallest_class_bytes));
  const bool enough_kept = bytes_kept_ + block->capacity_ > std::max(bytes_in_use_, kept_bytes_min);
  if (index >= class_count || !std::has_single_bit(block->capacity_) || enough_kept) {
    ::operator delete(block);
    return;
  }
  bytes_kept_ += block->capacity_;
  block->next_free_ = free_[index];
  free_[index] = block;
}

record_ref block_pool::copy(const record_view& record) {
  std::size_t bytes = sizeof(record_block) + length_of(record.key) + length_of(record.value) + padding_bytes;
  for (const header_view& header : record.headers) {
    bytes += header_prefix_bytes + header.name.size() + length_of(header.value);
  }
  record_block* block = take(bytes);
  block->from_ = record.from;
  block->offset_ = record.offset;
  block->created_ = record.created;
  block->key_bytes_ = record.key ? static_cast<std::int64_t>(record.key->size()) : -1;
  block->value_bytes_ = record.value ? static_cast<std::int64_t>(record.value->size()) : -1;
  block->header_count_ = static_cast<std::uint32_t>(record.headers.size());
  auto* at = reinterpret_cast<std::byte*>(block) + sizeof(record_block);
  if (record.key) at = append(at, *record.key);
  if (record.value) at = append(at, *record.value);
  for (const header_view& header : record.headers) {
    const auto name_bytes = static_cast<std::uint32_t>(header.name.size());
    const auto value_bytes = header.value ? static_cast<std::int32_t>(header.value->size()) : -1;
    std::memcpy(at, &name_bytes, 4);
    std::memcpy(at + 4, &value_bytes, 4);
    at = append(at + header_prefix_bytes, as_bytes(header.name));
    if (header.value) at = append(at, *header.value);
  }
  std::memset(at, 0, padding_bytes);
  return record_ref(block);
}

}  // namespace millrace::stream
