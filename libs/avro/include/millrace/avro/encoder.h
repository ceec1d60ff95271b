// Encoding: from described structs to Avro's binary form.
//
//   auto encoder = avro::encoder<tracking::EnrichedVisit>::compile();     // by the struct's own schema; once
//   byte_buffer out;                                                      // reused: no allocation once it is
//   large enough avro::append_frame(schema_id, out); auto written = encoder->encode(visit, out);
//
// Immutable once compiled: share it between threads.
#pragma once

#include <memory>

#include <millrace/avro/limits.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// The schema of T: the text that codegen embedded; for a struct described by hand, the one its description
// implies.
[[nodiscard]] result<schema> schema_of(const type_descriptor& type, const limits& limit = {});
template <class T>
[[nodiscard]] result<schema> schema_of(const limits& limit = {}) {
  return schema_of(descriptor_of<T>(), limit);
}

struct encode_options {
  avro::limits limits;
  // On: a datum whose schema is "bytes" itself is written without its length, as Confluent's format wants it.
  bool raw_root_bytes = false;
};

struct encode_code;

class encode_plan {
 public:
  // errc::schema_incompatible when the schema cannot take every value of the type: every member of the struct
  // must be a field, and every other field of the schema needs a default.
  [[nodiscard]] static result<encode_plan> compile(const schema& writer, const type_descriptor& source,
                                                   const encode_options& options = {});

  // Appends one datum. errc::unresolvable: an enum value without symbol, a decimal that is too wide or of
  // another scale, an arena_ptr that is null where the schema has no null; errc::invalid_utf8;
  // errc::limit_exceeded: nested too deep. After an error `out` is as it was.
  [[nodiscard]] result<void> encode(const void* value, byte_buffer& out) const;

 private:
  explicit encode_plan(std::shared_ptr<const encode_code> code) : code_(std::move(code)) {}

  std::shared_ptr<const encode_code> code_;
};

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
