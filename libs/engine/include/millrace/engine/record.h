// record<T>: the parameter of process(), and deletion: that of deleted(). Both are handles: a copy costs an
// increment. The decoded struct, the bytes that it views and the record's memory live as long as any handle
// does, and count against the worker's budget. Handles should be kept during process() or deleted() only.
//
// Example, at namespace scope:
//
//   #include <millrace/simulation/parcel.h>
//
//   std::string describe(const engine::record<engine::parcel>& parcel) {
//     return std::string(parcel.topic()) + "/" + std::to_string(parcel.partition()) + "@" +
//            std::to_string(parcel.offset()) + ": " + std::string(parcel->word);
//   }
//
// Threads: the worker's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/bytes.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>

namespace millrace::engine {

// The record behind a handle, with its decoded value. Implemented by the engine and by the simulation.
class held_record {
 public:
  held_record(const held_record&) = delete;
  held_record& operator=(const held_record&) = delete;

  [[nodiscard]] const stream::record_block& block() const noexcept { return *block_; }
  [[nodiscard]] const void* value() const noexcept { return value_; }
  // nullptr: the key is null, or no processor of its topic declares the type of the keys (input.h).
  [[nodiscard]] const void* key_value() const noexcept { return key_value_; }
  [[nodiscard]] std::string_view topic() const noexcept { return topic_; }

  void retain() noexcept { ++references_; }
  void release() noexcept {
    invariant(references_ > 0, "a record is released as often as it was retained");
    if (--references_ == 0) recycle();
  }

 protected:
  held_record() = default;
  ~held_record() = default;
  // Called when the last handle is released.
  virtual void recycle() noexcept = 0;

  stream::record_ref block_;
  const void* value_ = nullptr;
  const void* key_value_ = nullptr;
  std::string_view topic_;

 private:
  std::uint32_t references_ = 0;
};

// The part of a handle that does not depend on the value: the record's place, key and headers.
class record_handle {
 public:
  // The record's place in the log.
  [[nodiscard]] std::string_view topic() const noexcept { return held_->topic(); }
  [[nodiscard]] std::int32_t partition() const noexcept { return held_->block().from().partition; }
  [[nodiscard]] std::int64_t offset() const noexcept { return held_->block().offset(); }
  // The record's Kafka timestamp; 1970 when it has none.
  [[nodiscard]] timestamp created() const noexcept { return held_->block().created(); }
  // The key; nullopt for a null key.
  [[nodiscard]] std::optional<bytes_view> key() const noexcept { return held_->block().key(); }
  // The decoded key, which an input with a type of keys returns typed: input<T, K>::key().
  [[nodiscard]] const void* decoded_key() const noexcept { return held_->key_value(); }
  // The last header of that name; nullopt when it is absent or null.
  [[nodiscard]] std::optional<bytes_view> header(std::string_view name) const noexcept {
    return held_->block().header(name);
  }

 protected:
  explicit record_handle(held_record& held) noexcept : held_(&held) { held.retain(); }
  record_handle(const record_handle& other) noexcept : held_(other.held_) {
    if (held_ != nullptr) held_->retain();
  }
  record_handle(record_handle&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  record_handle& operator=(const record_handle& other) noexcept {  // NOLINT(bugprone-*)
    if (other.held_ != nullptr) other.held_->retain();
    if (held_ != nullptr) held_->release();
    held_ = other.held_;
    return *this;
  }
  record_handle& operator=(record_handle&& other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~record_handle() {
    if (held_ != nullptr) held_->release();
  }
  [[nodiscard]] const void* value() const noexcept { return held_->value(); }

 private:
  held_record* held_;
};

// A handle of a record whose value is a T.
template <class T>
class record : public record_handle {
 public:
  explicit record(held_record& held) noexcept : record_handle(held) {}

  // The decoded struct. Its views point into this record.
  [[nodiscard]] const T& operator*() const noexcept { return *static_cast<const T*>(value()); }
  [[nodiscard]] const T* operator->() const noexcept { return static_cast<const T*>(value()); }
};

// A handle of a record without a value, a tombstone: its key is deleted. The parameter of deleted().
class deletion : public record_handle {
 public:
  explicit deletion(held_record& held) noexcept : record_handle(held) {}
};

}  // namespace millrace::engine
