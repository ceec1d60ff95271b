// Structs with a format of their own, for the tests of inputs: a number of eight bytes, big-endian. The text of a
// writer's schema is the name of its record.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/engine/value.h>

namespace millrace::engine {

struct crate {
  static constexpr std::string_view record_name = "crate";
  std::int64_t number = 0;
};
struct barrel {
  static constexpr std::string_view record_name = "barrel";
  std::int64_t number = 0;
};
// Its records cannot be distinguished from others.
struct thing {
  static constexpr std::string_view record_name = "";
  std::int64_t number = 0;
};
// Another struct for the same records.
struct small_crate {
  static constexpr std::string_view record_name = "crate";
  std::int64_t number = 0;
};

inline std::size_t numbers_decoded = 0;

template <class T>
class numbered_format final : public value_format {
  class plan final : public value_plan {};
  class slot final : public value_slot {
   public:
    [[nodiscard]] result<std::size_t> decode(const value_plan&, bytes_view body) override {
      ++numbers_decoded;
      if (body.size() < 8) return error(errc::truncated, "a number has 8 bytes");
      std::uint64_t number = 0;
      for (std::size_t i = 0; i < 8; ++i) number = (number << 8U) | static_cast<std::uint64_t>(body[i]);
      value_.number = static_cast<std::int64_t>(number);
      return std::size_t{8};
    }
    [[nodiscard]] const void* value() const noexcept override { return &value_; }

   private:
    T value_;
  };

 public:
  [[nodiscard]] std::string_view type_name() const noexcept override {
    return T::record_name.empty() ? "thing" : T::record_name;
  }
  [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override { return std::make_unique<slot>(); }
  [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
      const stream::schema_document& writer) const override {
    if (writer.text == "nonsense") return error(errc::schema_invalid, "nonsense");
    return std::shared_ptr<const value_plan>(std::make_shared<plan>());
  }
  [[nodiscard]] std::string_view record_name() const noexcept override { return T::record_name; }
  [[nodiscard]] result<writer_match> match(const stream::schema_document& writer) const override {
    return writer_match{writer.text == T::record_name, writer.text};
  }
};

template <class T>
struct numbered_traits {
  [[nodiscard]] static const value_format& format() {
    static const numbered_format<T> instance;
    return instance;
  }
  [[nodiscard]] static std::string_view schema_text() { return T::record_name; }
  static result<void> encode(const T& value, byte_buffer& into) {
    if (value.number < 0) return error(errc::unresolvable, "a number is not negative");
    for (int shift = 56; shift >= 0; shift -= 8)
      into.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value.number) >> shift));
    return {};
  }
};

template <>
struct value_traits<crate> : numbered_traits<crate> {};
template <>
struct value_traits<barrel> : numbered_traits<barrel> {};
template <>
struct value_traits<thing> : numbered_traits<thing> {};
template <>
struct value_traits<small_crate> : numbered_traits<small_crate> {};

}  // namespace millrace::engine
