// JSON as the format of values: documents by the schema of the struct (avro/json_plan.h), for the same structs
// that Avro is read into.
//
// An input with value_encoding::json (input_options.h) reads structs with the format of json_traits. A struct that is
// JSON everywhere, also in outputs, gets its value_traits from there. A json_format with options serves what chooses
// the format at run time.
//
// Example prelude:
//
//   struct payment {
//     std::string_view id;
//     std::int64_t cents = 0;
//   };
//
//   template <>
//   struct millrace::avro::describe<payment> {
//     static type_descriptor type() {
//       return record_of<payment>("payment", {field("id", &payment::id), field("cents", &payment::cents)});
//     }
//   };
//
//   template <>
//   struct millrace::engine::value_traits<payment> : millrace::engine::json_traits<payment> {};
//
// Example:
//
//   const engine::value_format& format = engine::value_traits<payment>::format();
//   const auto plan = format.compile({});  // by the struct's own schema
//   if (!plan) return plan.error();
//   const auto slot = format.make_slot();
//   const auto used = slot->decode(**plan, as_bytes(R"({"id": "p1", "cents": 250})"));
//   if (!used) return used.error();
//   invariant(static_cast<const payment*>(slot->value())->cents == 250, "the document was decoded");
//
// compile() takes the schema of the documents, or an empty text for the schema of the struct. Fields of the
// documents that the schema does not name are skipped. decode() takes the whole body; something behind the
// document is errc::trailing_bytes. The value views the slot's memory and the plan, not the body.
//
// Threads: the functions are callable from any thread; a slot belongs to one worker.
// Errors: those of avro::json_plan.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <millrace/avro/arena.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/json_plan.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/assert.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/value.h>

namespace millrace::engine {

namespace internal {

class json_value_plan final : public value_plan {
 public:
  explicit json_value_plan(avro::json_plan compiled) : code(std::move(compiled)) {}
  avro::json_plan code;
};

template <class T>
class json_slot final : public value_slot {
 public:
  [[nodiscard]] result<std::size_t> decode(const value_plan& plan, bytes_view body) override {
    memory_.reset();
    auto read = static_cast<const json_value_plan&>(plan).code.decode(body, memory_, &value_);
    if (!read) return std::move(read).error();
    return body.size();
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
[[nodiscard]] result<std::shared_ptr<const value_plan>> compile_json(const stream::schema_document& documents,
                                                                     const avro::type_descriptor& target,
                                                                     const avro::json_options& options);

}  // namespace internal

// The format of T as JSON. An object of it lives as long as the program.
template <class T>
class json_format final : public value_format {
 public:
  explicit json_format(const avro::json_options& options = {}) : options_(options) {}

  [[nodiscard]] std::string_view type_name() const noexcept override { return name_; }
  [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override {
    return std::make_unique<internal::json_slot<T>>();
  }
  [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
      const stream::schema_document& documents) const override {
    return internal::compile_json(documents, avro::descriptor_of<T>(), options_);
  }

 private:
  const std::string name_ = internal::class_name(typeid(T));
  const avro::json_options options_;
};

// The members of value_traits for a struct whose format is JSON with the default options.
template <class T>
struct json_traits {
  // Returns the format of T. It lives as long as the program.
  [[nodiscard]] static const value_format& format() {
    static const json_format<T> instance;
    return instance;
  }

  // Appends `value` as a document. A struct of which no document can be written, for example because of an
  // ambiguous union, breaks an invariant at its first use, at start-up.
  // Errors: those of avro::json_encode_plan::encode(); `into` is then as it was.
  [[nodiscard]] static result<void> encode(const T& value, byte_buffer& into) {
    return encoder().encode(value, into);
  }
  // Returns the schema by which documents are written.
  [[nodiscard]] static std::string_view schema_text() {
    static_cast<void>(encoder());
    return avro::descriptor_of<T>().schema_text;
  }

 private:
  [[nodiscard]] static const avro::json_encoder<T>& encoder() {
    static const avro::json_encoder<T> instance = [] {
      auto compiled = avro::json_encoder<T>::compile();
      invariant(compiled.ok(), "an output's struct can be written as JSON by its own schema");
      return *std::move(compiled);
    }();
    return instance;
  }
};

}  // namespace millrace::engine
