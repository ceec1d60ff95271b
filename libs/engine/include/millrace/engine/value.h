// How the bytes of a record become the struct a processor asks for, and back. The engine sees values only
// through this seam: it knows neither Avro nor the struct.
//
// `value_traits<T>` names the format of T. The primary template (avro_value.h) is Avro for generated and
// bound structs; a specialisation serves tests, or a struct with an encoding of its own. What they throw is
// an error: of decode(), errc::internal of that record, a dead letter; of compile(), errc::internal of that
// schema, which is compiled again after a backoff; of encode(), it leaves the emit.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/stream/schemas.h>

namespace millrace::engine {

// What one writer's schema compiles to. Immutable; shared by all records of a schema id.
class value_plan {
 public:
  value_plan() = default;
  value_plan(const value_plan&) = delete;
  value_plan& operator=(const value_plan&) = delete;
  virtual ~value_plan() = default;
};

// Room for one decoded value, reused record after record together with the memory its arrays and maps need.
class value_slot {
 public:
  value_slot() = default;
  value_slot(const value_slot&) = delete;
  value_slot& operator=(const value_slot&) = delete;
  virtual ~value_slot() = default;

  // Decodes `body` in place of what was there; returns the bytes consumed. The value may view `body`. `plan`
  // was compiled by the format that made this slot. After an error the value is unspecified.
  [[nodiscard]] virtual result<std::size_t> decode(const value_plan& plan, bytes_view body) = 0;
  [[nodiscard]] virtual const void* value() const noexcept = 0;
};

// The format of one struct type. Stateless, one object per type, so that its address names the type.
class value_format {
 public:
  value_format() = default;
  value_format(const value_format&) = delete;
  value_format& operator=(const value_format&) = delete;
  virtual ~value_format() = default;

  // For messages: "tracking::navigation".
  [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
  [[nodiscard]] virtual std::unique_ptr<value_slot> make_slot() const = 0;
  // errc::schema_invalid: not a schema; errc::schema_incompatible: can never be read as this type.
  [[nodiscard]] virtual result<std::shared_ptr<const value_plan>> compile(
      const stream::schema_document& writer) const = 0;
};

// Members used: `static const value_format& format()`; for outputs `static result<void> encode(const T&,
// byte_buffer&)` (appends) and `static std::string_view schema_text()`.
template <class T>
struct value_traits;

}  // namespace millrace::engine
