// Types that only Avro structs use. Types that several libraries share (uuid, decimal_view, timestamps) are
// in base/values.h.
//
// Example:
//
//   const std::vector<std::string_view> tags = {"new", "mobile"};
//   const avro::array_view<std::string_view> view(tags);
//   invariant(view.size() == 2 && view[0] == "new", "a view of the vector");
//
// Example prelude:
//
//   #include <vector>
//
// Threads: plain values.
// Lifetime: all types here are views: they own nothing and are trivially copyable. A decoded view is valid as
// long as the message, the arena and the decoder it came from; a view made for encoding, as long as the
// objects that it views.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string_view>
#include <type_traits>

#include <millrace/base/assert.h>

namespace millrace::avro {

// An array, like std::span<const T>. T may still be incomplete where it is a member (recursive records). An
// index out of range breaks an invariant.
template <class T>
class array_view {
 public:
  using value_type = T;
  using iterator = const T*;
  using const_iterator = const T*;

  constexpr array_view() noexcept = default;
  constexpr array_view(const T* first, std::size_t size) noexcept : data_(first), size_(size) {}
  // NOLINTBEGIN(google-explicit-constructor): a view of a container, as std::span is.
  // Any contiguous container that outlives the view: vectors, arrays, spans.
  template <class Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, array_view> && std::ranges::contiguous_range<Range> &&
             std::ranges::sized_range<Range> && std::ranges::borrowed_range<Range &&> &&
             std::same_as<std::ranges::range_value_t<Range>, T>)
  constexpr array_view(Range&& items) noexcept
      : data_(std::ranges::data(items)), size_(static_cast<std::size_t>(std::ranges::size(items))) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] constexpr const T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const T* begin() const noexcept { return data_; }
  [[nodiscard]] constexpr const T* end() const noexcept { return data_ + size_; }
  [[nodiscard]] constexpr const T& operator[](std::size_t i) const noexcept {
    invariant(i < size_, "array_view index in range");
    return data_[i];
  }
  [[nodiscard]] constexpr const T& front() const noexcept { return (*this)[0]; }
  [[nodiscard]] constexpr const T& back() const noexcept { return (*this)[size_ - 1]; }

 private:
  const T* data_ = nullptr;
  std::size_t size_ = 0;
};

// An entry of a map.
template <class V>
struct map_entry {
  std::string_view key;
  V value;
};

// A map: its entries in the order of the wire. `for (const auto& [key, value] : page.query)`. A message may
// repeat a key, although no writer should: iteration yields every entry, and find() returns the last one,
// which every map-building reader keeps.
template <class V>
class map_view {
 public:
  using value_type = map_entry<V>;
  using iterator = const map_entry<V>*;
  using const_iterator = const map_entry<V>*;

  constexpr map_view() noexcept = default;
  constexpr map_view(const map_entry<V>* first, std::size_t size) noexcept : data_(first), size_(size) {}
  // NOLINTBEGIN(google-explicit-constructor): a view of a container, as std::span is.
  template <class Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, map_view> && std::ranges::contiguous_range<Range> &&
             std::ranges::sized_range<Range> && std::ranges::borrowed_range<Range &&> &&
             std::same_as<std::ranges::range_value_t<Range>, map_entry<V>>)
  constexpr map_view(Range&& entries) noexcept
      : data_(std::ranges::data(entries)), size_(static_cast<std::size_t>(std::ranges::size(entries))) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const map_entry<V>* begin() const noexcept { return data_; }
  [[nodiscard]] constexpr const map_entry<V>* end() const noexcept { return data_ + size_; }
  [[nodiscard]] constexpr const map_entry<V>* data() const noexcept { return data_; }

  // Returns the value of the last entry with this key, or nullptr. Linear: maps on the wire are small.
  [[nodiscard]] constexpr const V* find(std::string_view key) const noexcept {
    for (std::size_t i = size_; i > 0; --i) {
      if (data_[i - 1].key == key) return &data_[i - 1].value;
    }
    return nullptr;
  }
  [[nodiscard]] constexpr bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }

 private:
  const map_entry<V>* data_ = nullptr;
  std::size_t size_ = 0;
};

// A record inside itself: the inner record lives in the arena. nullptr stands for the null of ["null", T].
template <class T>
class arena_ptr {
 public:
  using element_type = T;

  constexpr arena_ptr() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a pointer that does not own, as T* is.
  constexpr arena_ptr(const T* pointee) noexcept : pointee_(pointee) {}

  [[nodiscard]] constexpr const T* get() const noexcept { return pointee_; }
  [[nodiscard]] constexpr const T& operator*() const noexcept {
    invariant(pointee_ != nullptr, "arena_ptr is not null");
    return *pointee_;
  }
  [[nodiscard]] constexpr const T* operator->() const noexcept { return &**this; }
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return pointee_ != nullptr; }

 private:
  const T* pointee_ = nullptr;
};

// Logical type "duration": three unsigned counts, which cannot be converted into each other.
struct duration {
  std::uint32_t months = 0;
  std::uint32_t days = 0;
  std::uint32_t millis = 0;

  friend constexpr bool operator==(const duration&, const duration&) = default;
};

}  // namespace millrace::avro

template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<millrace::avro::array_view<T>> = true;
template <class V>
inline constexpr bool std::ranges::enable_borrowed_range<millrace::avro::map_view<V>> = true;
