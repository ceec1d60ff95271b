// Encoding: from described structs to Avro's binary form.
//
// Example prelude:
//
//   struct visit {
//     std::string_view visitor_id;
//   };
//
//   template <>
//   struct millrace::avro::describe<visit> {
//     static type_descriptor type() { return record_of<visit>("visit", {field("visitor_id", &visit::visitor_id)}); }
//   };
//
// Example:
//
//   const auto encoder = avro::encoder<visit>::compile();  // once; by the struct's own schema
//   if (!encoder) return encoder.error();
//   byte_buffer out;  // reused: no allocation once it is large enough
//   if (const auto written = encoder->encode({"v1"}, out); !written) return written.error();
//
// Errors: compile() returns errc::schema_incompatible, errc::schema_invalid or errc::limit_exceeded; encode()
// see encode_plan::encode().
// Threads: an encoder is immutable and may be shared between threads.
#pragma once

#include <memory>

#include <millrace/avro/limits.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// Returns the schema of a type: the text that code generation embedded, or the schema that the description of
// a hand-written struct implies.
[[nodiscard]] result<schema> schema_of(const type_descriptor& type, const limits& limit = {});
// The schema of T.
template <class T>
[[nodiscard]] result<schema> schema_of(const limits& limit = {}) {
  return schema_of(descriptor_of<T>(), limit);
}

// Options of an encoder.
struct encode_options {
  avro::limits limits;
  // true: a datum whose schema is "bytes" itself is written without its length, as Confluent's format
  // requires.
  bool raw_root_bytes = false;
};

struct encode_code;

// The compiled form of one (schema, struct).
class encode_plan {
 public:
  // Compiles. Returns errc::schema_incompatible when the schema cannot hold every value of the type: every
  // member of the struct must be a field, and every other field of the schema needs a default.
  [[nodiscard]] static result<encode_plan> compile(const schema& writer, const type_descriptor& source,
                                                   const encode_options& options = {});

  // Appends one datum. After an error `out` is as it was.
  // Errors: errc::unresolvable for an enum value without symbol, a decimal that is too wide or of another
  // scale, and an arena_ptr that is null where the schema has no null; errc::invalid_utf8;
  // errc::limit_exceeded for too deep nesting.
  [[nodiscard]] result<void> encode(const void* value, byte_buffer& out) const;

 private:
  explicit encode_plan(std::shared_ptr<const encode_code> code) : code_(std::move(code)) {}

  std::shared_ptr<const encode_code> code_;
};

// An encode_plan whose source is T.
template <class T>
class encoder {
 public:
  [[nodiscard]] static result<encoder> compile(const encode_options& options = {}) {
    auto own = schema_of<T>(options.limits);
    if (!own) return std::move(own).error();
    return compile(*own, options);
  }
  [[nodiscard]] static result<encoder> compile(const schema& writer, const encode_options& options = {}) {
    auto compiled = encode_plan::compile(writer, descriptor_of<T>(), options);
    if (!compiled) return std::move(compiled).error();
    return encoder(*std::move(compiled));
  }

  [[nodiscard]] result<void> encode(const T& value, byte_buffer& out) const {
    return plan_.encode(&value, out);
  }
  [[nodiscard]] const encode_plan& untyped() const noexcept { return plan_; }

 private:
  explicit encoder(encode_plan compiled) : plan_(std::move(compiled)) {}

  encode_plan plan_;
};

}  // namespace millrace::avro
