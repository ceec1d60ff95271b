// The format of values: how the bytes of a record become the struct that a processor reads, and back. The
// engine knows neither Avro nor the struct.
//
// `value_traits<T>` names the format of T. The primary template (avro_value.h) is Avro for generated and
// described structs. A specialisation serves tests, or a struct with an encoding of its own;
// simulation/parcel.h is one.
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
// Failure: an exception that a format throws is an error. decode(): errc::internal of that record, which goes
// to the dead-letter topic. compile(): errc::internal of that schema, which is compiled again after a
// backoff. encode(): the exception leaves the emit.
#pragma once

#include <cstddef>
#include <memory>
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

// The format of one struct type. Stateless; one object per type, whose address identifies the type.
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
};

// Members that a specialisation provides:
//
//   static const value_format& format();
//   static result<void> encode(const T&, byte_buffer&);   for outputs; appends
//   static std::string_view schema_text();                for outputs
template <class T>
struct value_traits;

}  // namespace millrace::engine
