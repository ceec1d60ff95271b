// The format of values and keys: how the bytes of a record become the struct that a processor reads, and back.
// The engine knows neither Avro nor the struct.
//
// `value_traits<T>` names the formats of T. The primary template (avro_value.h) reads Avro into generated and
// described structs, JSON by a schema into the same structs, and bytes and text into views. An application writes
// a format of its own as a specialisation of value_traits for its struct; simulation/parcel.h is one, and
// docs/guide/inputs-and-formats.md shows another.
//
// Frame and encoding. The `format` of an input (input_options.h) says two things: which frame names the writer's
// schema, and how the datum behind the frame is encoded. The engine splits the frame, gets the schema's document,
// lets the format compile() it once, and decodes every datum of that schema with the plan. Without a frame there
// is one plan, compiled from the schema that the configuration names, or from a document with an empty text.
// A specialisation of value_traits without format_as() decodes whatever the frame holds, for every encoding.
//
// Example, at namespace scope:
//
//   result<std::size_t> decode(const engine::value_format& format, const stream::schema_document& writer,
//                              engine::value_slot& slot, bytes_view body) {
//     const auto plan = format.compile(writer);
//     if (!plan) return plan.error();
//     return slot.decode(**plan, body);
//   }
//
// Threads: formats and plans are immutable and shared; a slot belongs to one worker.
// Lifetime: a format lives as long as the program; its address is the identity of the type and encoding.
// Failure: an exception that a format throws is an error. decode(): errc::internal of that record, which goes
// to the dead-letter topic. compile(): errc::internal of that schema, which is compiled again after a
// backoff. encode(): the exception leaves the emit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/stream/schemas.h>

namespace millrace::engine {

// The compiled form of one writer's schema. Immutable; shared by all records of a schema id.
class value_plan {
 public:
  value_plan() = default;
  value_plan(const value_plan&) = delete;
  value_plan& operator=(const value_plan&) = delete;
  virtual ~value_plan() = default;
};

// Storage for one decoded value. It is reused for record after record, with the memory of its arrays and
// maps.
class value_slot {
 public:
  value_slot() = default;
  value_slot(const value_slot&) = delete;
  value_slot& operator=(const value_slot&) = delete;
  virtual ~value_slot() = default;

  // Decodes `body` in place of the previous value and returns the number of bytes consumed. The value may
  // view `body`. `plan` was compiled by the format that made this slot. After an error the value is
  // unspecified.
  [[nodiscard]] virtual result<std::size_t> decode(const value_plan& plan, bytes_view body) = 0;
  // Returns the decoded struct.
  [[nodiscard]] virtual const void* value() const noexcept = 0;
  // Returns the bytes of memory that the slot holds for the value's arrays and maps. They count against the
  // byte budget.
  [[nodiscard]] virtual std::size_t bytes_held() const noexcept { return 0; }
  // Limits bytes_held(): decode() returns errc::limit_exceeded instead of exceeding it.
  virtual void set_bytes_max(std::size_t bytes_max) { static_cast<void>(bytes_max); }
  // The value is not used any more: gives back memory until bytes_held() is at most `bytes_max`.
  virtual void trim(std::size_t bytes_max) noexcept { static_cast<void>(bytes_max); }
};

// How a datum is encoded.
enum class value_encoding : std::uint8_t { avro, json, bytes, text };
// Returns the name in the configuration: "avro".
[[nodiscard]] std::string_view to_string(value_encoding encoding) noexcept;

// The answer of a format about the schema of a writer.
struct writer_match {
  bool accepted = false;    // the writer's values are of the format's type
  std::string record_name;  // of the writer, for messages; "" when its schema has none
};

// The format of one struct type in one encoding. Stateless; one object per type and encoding.
class value_format {
 public:
  value_format() = default;
  value_format(const value_format&) = delete;
  value_format& operator=(const value_format&) = delete;
  virtual ~value_format() = default;

  // The name of the type for messages: "tracking::navigation".
  [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
  // Makes a slot for values of this type.
  [[nodiscard]] virtual std::unique_ptr<value_slot> make_slot() const = 0;
  // Compiles a writer's schema. Returns errc::schema_invalid when it is not a schema, and
  // errc::schema_incompatible when its values can never be read as this type.
  [[nodiscard]] virtual result<std::shared_ptr<const value_plan>> compile(
      const stream::schema_document& writer) const = 0;

  // The name of the record by which values of this type are distinguished from those of other types in one topic:
  // "shop.Order". Default: none, and the type cannot share a topic with another one.
  [[nodiscard]] virtual std::string_view record_name() const noexcept { return {}; }
  // Says whether a writer's values are of this type, by the name of its record. Called once per schema, where
  // several types share a topic or `unmatched` is set. Returns errc::schema_invalid when it is not a schema.
  [[nodiscard]] virtual result<writer_match> match(const stream::schema_document& writer) const {
    static_cast<void>(writer);
    return writer_match{true, {}};
  }
  // The schema of this type itself, by whose fingerprint single objects are known without a registry. Default:
  // "", none.
  [[nodiscard]] virtual std::string schema_text() const { return {}; }
};

// Members that a specialisation provides:
//
//   static const value_format& format();                     the identity of the type, and its usual format
//   static const value_format* format_as(value_encoding);    optional; nullptr: not in that encoding
//   static result<void> encode(const T&, byte_buffer&);      for outputs and their keys; appends
//   static std::string_view schema_text();                   for outputs and their keys
template <class T>
struct value_traits;

// Returns the format that reads T from an encoding; nullptr when there is none.
template <class T>
[[nodiscard]] const value_format* format_as(value_encoding encoding) {
  if constexpr (requires { value_traits<T>::format_as(encoding); }) {
    return value_traits<T>::format_as(encoding);
  } else {
    return &value_traits<T>::format();
  }
}

}  // namespace millrace::engine
