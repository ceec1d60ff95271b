// Avro as the format of values: the primary template of value_traits, for structs that `millrace codegen`
// wrote and for structs described by hand (avro/type_descriptor.h). The same structs are read from JSON
// (json_value.h); bytes_view is also read from bytes, and std::string_view from text.
//
// Example prelude:
//
//   struct visit {
//     std::string_view visitor_id;
//   };
//
//   template <>
//   struct millrace::avro::describe<visit> {
//     static type_descriptor type() {
//       return record_of<visit>("visit", {field("visitor_id", &visit::visitor_id)});
//     }
//   };
//
// Example:
//
//   byte_buffer bytes;
//   if (const auto written = engine::value_traits<visit>::encode({"v1"}, bytes); !written) return written.error();
//   invariant(engine::value_traits<visit>::format().type_name() == "visit", "the format names its type");
//
// Threads: the functions are callable from any thread; a slot belongs to one worker.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <millrace/avro/arena.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/assert.h>
#include <millrace/engine/json_value.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/raw_value.h>
#include <millrace/engine/value.h>

namespace millrace::engine {

namespace internal {

class avro_plan final : public value_plan {
 public:
  explicit avro_plan(avro::plan compiled) : code(std::move(compiled)) {}
  avro::plan code;
};

template <class T>
class avro_slot final : public value_slot {
 public:
  [[nodiscard]] result<std::size_t> decode(const value_plan& plan, bytes_view body) override {
    memory_.reset();
    return static_cast<const avro_plan&>(plan).code.decode(body, memory_, &value_);
  }
  [[nodiscard]] const void* value() const noexcept override { return &value_; }
  [[nodiscard]] std::size_t bytes_held() const noexcept override { return memory_.capacity(); }
  void set_bytes_max(std::size_t bytes_max) override { memory_.set_bytes_max(bytes_max); }
  void trim(std::size_t bytes_max) noexcept override { memory_.trim(bytes_max); }

 private:
  T value_{};
  avro::arena memory_;
};

// The part that does not depend on T.
[[nodiscard]] result<std::shared_ptr<const value_plan>> compile_avro(const stream::schema_document& writer,
                                                                     const avro::type_descriptor& target);
[[nodiscard]] result<writer_match> match_avro(const stream::schema_document& writer,
                                              const avro::type_descriptor& target);
// The names of a target's own schema, or of its description; "" for a type without a name.
[[nodiscard]] std::string record_name_of(const avro::type_descriptor& target);
// Empty when the target has none.
[[nodiscard]] std::string schema_text_of(const avro::type_descriptor& target);

template <class T>
class avro_format final : public value_format {
 public:
  [[nodiscard]] std::string_view type_name() const noexcept override { return name_; }
  [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override {
    return std::make_unique<avro_slot<T>>();
  }
  [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
      const stream::schema_document& writer) const override {
    return compile_avro(writer, avro::descriptor_of<T>());
  }
  [[nodiscard]] std::string_view record_name() const noexcept override { return record_name_; }
  [[nodiscard]] result<writer_match> match(const stream::schema_document& writer) const override {
    return match_avro(writer, avro::descriptor_of<T>());
  }
  [[nodiscard]] std::string schema_text() const override { return schema_text_of(avro::descriptor_of<T>()); }

 private:
  const std::string name_ = class_name(typeid(T));
  const std::string record_name_ = record_name_of(avro::descriptor_of<T>());
};

}  // namespace internal

template <class T>
struct value_traits {
  // Returns the format that reads T from an encoding; nullptr: T is not read from it.
  [[nodiscard]] static const value_format* format_as(value_encoding encoding) {
    if (encoding == value_encoding::avro) return &format();
    if constexpr (std::is_same_v<T, bytes_view>) {
      return encoding == value_encoding::bytes ? &bytes_format() : nullptr;
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      return encoding == value_encoding::text ? &text_format() : nullptr;
    } else {
      return encoding == value_encoding::json ? &json_traits<T>::format() : nullptr;
    }
  }
  // Returns the Avro format of T. It lives as long as the program.
  [[nodiscard]] static const value_format& format() {
    static const internal::avro_format<T> instance;
    return instance;
  }

  // Appends the encoding of `value`. A struct without a schema of its own breaks an invariant at its first
  // use, at start-up.
  // Errors: those of avro::encode_plan::encode(), for example errc::unresolvable; `into` is then as it was.
  [[nodiscard]] static result<void> encode(const T& value, byte_buffer& into) {
    return encoder().encode(value, into);
  }
  // Returns the schema under which values are written.
  [[nodiscard]] static std::string_view schema_text() {
    static_cast<void>(encoder());
    return avro::descriptor_of<T>().schema_text;
  }

 private:
  [[nodiscard]] static const avro::encoder<T>& encoder() {
    static const avro::encoder<T> instance = [] {
      auto compiled = avro::encoder<T>::compile();
      invariant(compiled.ok(), "an output's struct can be encoded by its own schema");
      return *std::move(compiled);
    }();
    return instance;
  }
};

}  // namespace millrace::engine
