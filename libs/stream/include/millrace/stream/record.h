// A record inside a worker. It is copied once from the source into a pooled block, shared by reference count,
// and released when it is settled.
//
// A copy is made because a librdkafka message shares its fetch buffer: one stalled record would keep
// megabytes in memory, and no byte budget could be enforced.
//
// Example:
//
//   stream::block_pool pool;
//   stream::record_view view;
//   view.offset = 42;
//   view.value = as_bytes("body");
//   const stream::record_ref record = pool.copy(view);
//   invariant(record->offset() == 42 && as_text(*record->value()) == "body", "the record was copied");
//
// Threads: the worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <millrace/base/bytes.h>
#include <millrace/base/values.h>

namespace millrace::stream {

// A partition of a subscribed topic. `topic` is the index that the source gave the topic.
struct partition_id {
  std::uint32_t topic = 0;
  std::int32_t partition = 0;
  friend auto operator<=>(const partition_id&, const partition_id&) = default;
};

// A header of a record.
struct header_view {
  std::string_view name;
  std::optional<bytes_view> value;  // nullopt: a null value
};

// A record as a source hands it over. Valid only during the call.
struct record_view {
  partition_id from;
  std::int64_t offset = 0;
  timestamp created;                // the record's Kafka timestamp; 1970 when it has none
  std::optional<bytes_view> key;    // nullopt: null key
  std::optional<bytes_view> value;  // nullopt: tombstone
  std::span<const header_view> headers;
};

class block_pool;

// A copied record. Immutable. Obtained from block_pool::copy and held by record_ref.
class record_block {
 public:
  record_block(const record_block&) = delete;
  record_block& operator=(const record_block&) = delete;

  // The record's place, Kafka timestamp, key and value. The views are valid as long as a record_ref.
  [[nodiscard]] partition_id from() const noexcept { return from_; }
  [[nodiscard]] std::int64_t offset() const noexcept { return offset_; }
  [[nodiscard]] timestamp created() const noexcept { return created_; }
  [[nodiscard]] std::optional<bytes_view> key() const noexcept { return part(0, key_bytes_); }
  [[nodiscard]] std::optional<bytes_view> value() const noexcept {
    return part(static_cast<std::size_t>(key_bytes_ < 0 ? 0 : key_bytes_), value_bytes_);
  }
  // Returns the last header of that name, as Kafka clients do; nullopt when it is absent or null.
  [[nodiscard]] std::optional<bytes_view> header(std::string_view name) const noexcept;
  [[nodiscard]] std::uint32_t header_count() const noexcept { return header_count_; }
  // Returns a header in the record's order; `index` < header_count(). O(index).
  [[nodiscard]] header_view header_at(std::uint32_t index) const noexcept;
  // Returns the memory of this block in bytes, for the byte budget.
  [[nodiscard]] std::size_t bytes_held() const noexcept { return capacity_; }

 private:
  friend class block_pool;
  friend class record_ref;
  record_block() = default;
  [[nodiscard]] const std::byte* data() const noexcept {
    return reinterpret_cast<const std::byte*>(this) + sizeof(record_block);
  }
  [[nodiscard]] std::optional<bytes_view> part(std::size_t at, std::int64_t length) const noexcept {
    if (length < 0) return std::nullopt;
    return bytes_view(data() + at, static_cast<std::size_t>(length));
  }

  block_pool* pool_ = nullptr;
  record_block* next_free_ = nullptr;
  std::uint32_t references_ = 0;
  std::uint32_t header_count_ = 0;
  std::size_t capacity_ = 0;
  partition_id from_;
  std::int64_t offset_ = 0;
  timestamp created_;
  std::int64_t key_bytes_ = -1;
  std::int64_t value_bytes_ = -1;
};

// A counted reference. The last one returns the block to its pool.
class record_ref {
 public:
  record_ref() = default;
  record_ref(const record_ref& other) noexcept : block_(other.block_) { retain(); }
  record_ref(record_ref&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  record_ref& operator=(record_ref other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~record_ref() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return block_ != nullptr; }
  [[nodiscard]] const record_block& operator*() const noexcept { return *block_; }
  [[nodiscard]] const record_block* operator->() const noexcept { return block_; }

 private:
  friend class block_pool;
  explicit record_ref(record_block* block) noexcept : block_(block) { retain(); }
  void retain() noexcept {
    if (block_ != nullptr) ++block_->references_;
  }
  void release() noexcept;

  record_block* block_ = nullptr;
};

// Blocks by size class: powers of two from 256 B to 64 KiB are kept and reused, as many bytes as are in use
// but at least 1 MiB; larger blocks are returned to the heap. The pool must outlive its blocks. At least `padding_bytes` readable bytes follow the last value
// byte of a block.
class block_pool {
 public:
  static constexpr std::size_t padding_bytes = 16;

  block_pool() = default;
  block_pool(const block_pool&) = delete;
  block_pool& operator=(const block_pool&) = delete;
  ~block_pool();

  // Copies a record. The views of `record` may end afterwards.
  [[nodiscard]] record_ref copy(const record_view& record);
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return bytes_in_use_; }
  [[nodiscard]] std::size_t blocks_in_use() const noexcept { return blocks_in_use_; }
  // The bytes of the blocks that are kept for reuse.
  [[nodiscard]] std::size_t bytes_kept() const noexcept { return bytes_kept_; }

 private:
  friend class record_ref;
  static constexpr std::size_t class_count = 9;
  record_block* take(std::size_t bytes);
  void give_back(record_block* block) noexcept;

  record_block* free_[class_count] = {};
  std::size_t bytes_in_use_ = 0;
  std::size_t bytes_kept_ = 0;
  std::size_t blocks_in_use_ = 0;
};

}  // namespace millrace::stream
