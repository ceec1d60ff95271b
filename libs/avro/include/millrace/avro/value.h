// A value of any schema, for tools: compact, in the arena, without a C++ type of its own.
//
// Example, at namespace scope:
//
//   #include <millrace/avro/plan.h>
//
//   result<std::string> url_of(const avro::schema& writer, bytes_view datum) {
//     const auto decoder = avro::decoder<avro::value>::compile(writer);
//     if (!decoder) return decoder.error();
//     avro::arena memory;
//     avro::value page_view;
//     const auto used = decoder->decode(datum, memory, page_view);
//     if (!used) return used.error();
//     const avro::value* const url = page_view.find("page.url");
//     return std::string(url != nullptr ? url->text() : "");
//   }
//
// A `value` may also be a member of a described struct: it takes any type of the writer. Encoding:
// `encoder<avro::value>::compile(schema)`. JSON: json.h.
//
// Threads: a plain value.
// Lifetime: 24 bytes, trivially copyable, a view. Strings and bytes point into the message, the rest into the
// arena, types into the schemas that the decoder keeps. A value is valid as long as all three.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/avro/values.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>

namespace millrace::avro {

// The value.
class value {
 public:
  // Null.
  value() noexcept;
  // Makes a value for encoding, of a node of the schema by which it will be encoded. The objects that it
  // views must outlive it. The node's type must be the one of the content and is never a union: the value of
  // a union is that of its branch.
  explicit value(const schema_node& null) noexcept;
  value(const schema_node& type, bool content) noexcept;
  value(const schema_node& type, std::int32_t content) noexcept;  // int; enum: the symbol's index
  value(const schema_node& type, std::int64_t content) noexcept;
  value(const schema_node& type, float content) noexcept;
  value(const schema_node& type, double content) noexcept;
  value(const schema_node& type, std::string_view content) noexcept;
  value(const schema_node& type, bytes_view content) noexcept;         // bytes; fixed, of its size
  value(const schema_node& type, array_view<value> content) noexcept;  // array; record: one per field
  value(const schema_node& type, map_view<value> content) noexcept;

  // The reader's type: logical type, names, scale. Never a union.
  [[nodiscard]] const schema_node& type() const noexcept { return *type_; }
  [[nodiscard]] bool is_null() const noexcept { return type_->type == schema_type::null; }

  // The content. Reading the content of another type breaks an invariant and aborts.
  [[nodiscard]] bool boolean() const noexcept;
  [[nodiscard]] std::int32_t int32() const noexcept;
  [[nodiscard]] std::int64_t int64() const noexcept;  // of an int too
  [[nodiscard]] float float32() const noexcept;
  [[nodiscard]] double float64() const noexcept;  // of a float too
  [[nodiscard]] std::string_view text() const noexcept;
  [[nodiscard]] bytes_view bytes() const noexcept;  // of bytes and fixed
  // The number of a decimal or big-decimal. Returns errc::malformed for bytes that are not a big-decimal.
  [[nodiscard]] result<decimal_view> decimal() const;
  [[nodiscard]] std::string_view symbol() const noexcept;
  [[nodiscard]] std::int32_t symbol_index() const noexcept;
  [[nodiscard]] array_view<value> items() const noexcept;   // of an array
  [[nodiscard]] map_view<value> entries() const noexcept;   // of a map, in the order of the wire
  [[nodiscard]] array_view<value> fields() const noexcept;  // of a record, in the order of type().fields
  // Returns the field of a record by name; nullptr when there is none, or when this is not a record.
  [[nodiscard]] const value* field(std::string_view name) const noexcept;
  // Returns a field of nested records: "page.url". nullptr also when a record on the path is null.
  [[nodiscard]] const value* find(std::string_view path) const noexcept;

 private:
  void expect(schema_type type) const noexcept;

  union payload {
    payload() noexcept : number(0) {}
    bool boolean;
    std::int32_t int32;  // also the index of an enum's symbol
    std::int64_t number;
    float float32;
    double float64;
    std::string_view text;
    bytes_view bytes;         // of fixed too
    array_view<value> items;  // of an array; the fields of a record
    map_view<value> entries;
  };

  const schema_node* type_;
  payload content_;

 public:
  // Offsets of the members, for the interpreter.
  static constexpr std::size_t type_offset = 0;
  static constexpr std::size_t content_offset = sizeof(const schema_node*);
};
static_assert(sizeof(value) == 24 && std::is_trivially_copyable_v<value>);

// Returns whether types (of equal names) and content are equal. NaN equals NaN; maps are compared entry by
// entry in order.
[[nodiscard]] bool equal(const value& left, const value& right) noexcept;

template <>
struct describe<value> {
  // The descriptor of value.
  static type_descriptor type();
};

}  // namespace millrace::avro
