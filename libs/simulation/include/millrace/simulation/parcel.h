// A small value type for tests of the engine: a number and a word, in an encoding of its own, so that these
// tests say nothing about Avro. The writer's schema is the text "parcel"; any other schema cannot be read.
//
// Example:
//
//   const byte_buffer message = engine::framed_parcel(7, 42, "first");
//   invariant(message.size() == 5 + 8 + 1 + 5, "frame, number, length and word");
//
// Threads: plain values; a slot belongs to one thread.
// Errors: decode() returns errc::truncated, compile() errc::schema_incompatible. encode() does not fail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/engine/value.h>

namespace millrace::engine {

// The value.
struct parcel {
  std::int64_t number = 0;
  std::string_view word;
};

// The format of a parcel: 8 bytes big-endian, one byte for the length of the word, the word.
template <>
struct value_traits<parcel> {
  static constexpr std::string_view schema = "parcel";

  class plan final : public value_plan {};
  class slot final : public value_slot {
   public:
    [[nodiscard]] result<std::size_t> decode(const value_plan&, bytes_view body) override {
      if (body.size() < 9) return error(errc::truncated, "a parcel has at least 9 bytes");
      std::uint64_t number = 0;
      for (std::size_t i = 0; i < 8; ++i) number = (number << 8U) | static_cast<std::uint64_t>(body[i]);
      const auto length = static_cast<std::size_t>(body[8]);
      if (body.size() < 9 + length) return error(errc::truncated, "the word is cut short");
      value_.number = static_cast<std::int64_t>(number);
      value_.word = as_text(body.subspan(9, length));
      return 9 + length;
    }
    [[nodiscard]] const void* value() const noexcept override { return &value_; }

   private:
    parcel value_;
  };
  class parcel_format final : public value_format {
   public:
    [[nodiscard]] std::string_view type_name() const noexcept override { return "parcel"; }
    [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override { return std::make_unique<slot>(); }
    [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
        const stream::schema_document& writer) const override {
      if (writer.text != schema) return error(errc::schema_incompatible, "not a parcel");
      return std::shared_ptr<const value_plan>(std::make_shared<plan>());
    }
  };

  [[nodiscard]] static const value_format& format() {
    static const parcel_format instance;
    return instance;
  }
  [[nodiscard]] static std::string_view schema_text() { return schema; }
  static result<void> encode(const parcel& value, byte_buffer& into) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      into.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value.number) >> shift));
    }
    into.push_back(static_cast<std::byte>(value.word.size()));
    const bytes_view word = as_bytes(value.word);
    into.insert(into.end(), word.begin(), word.end());
    return {};
  }
};

// Returns a parcel in the Confluent wire format.
inline byte_buffer framed_parcel(std::int32_t schema_id, std::int64_t number, std::string_view word) {
  byte_buffer bytes{std::byte{0}};
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes.push_back(static_cast<std::byte>(static_cast<std::uint32_t>(schema_id) >> shift));
  }
  static_cast<void>(value_traits<parcel>::encode({number, word}, bytes));
  return bytes;
}

}  // namespace millrace::engine
