// JSON by a schema: documents into the structs that Avro decodes into, and back. A plan is compiled once per
// (schema, struct) and then decodes every document of that schema.
//
// Example prelude:
//
//   struct payment {
//     std::string_view id;
//     std::int64_t cents = 0;
//     std::optional<std::string_view> note;
//   };
//
//   template <>
//   struct millrace::avro::describe<payment> {
//     static type_descriptor type() {
//       return record_of<payment>("payment", {field("id", &payment::id), field("cents", &payment::cents),
//                                             field("note", &payment::note)});
//     }
//   };
//
// Example:
//
//   const auto decoder = avro::json_decoder<payment>::compile();  // once; by the struct's own schema
//   if (!decoder) return decoder.error();
//   avro::arena memory;
//   payment paid;
//   const auto read = decoder->decode(as_bytes(R"({"id": "p1", "cents": 250})"), memory, paid);
//   if (!read) return read.error();  // "$.cents: byte 22: expected long, found a string"
//   const auto encoder = avro::json_encoder<payment>::compile();
//   if (!encoder) return encoder.error();
//   byte_buffer out;
//   if (const auto written = encoder->encode(paid, out); !written) return written.error();
//   invariant(as_text(out) == R"({"id":"p1","cents":250,"note":null})", "the struct is written back");
//
// Types. A document is one JSON text in UTF-8; a byte order mark in front of it is passed over.
//
//   Avro                    read                                              written
//   null, boolean           null; true, false                                 the same
//   int, long               a whole number in range, also 1.0 and 1e3         a number
//   float, double           a number; "NaN", "Infinity", "-Infinity"          the shortest number; the texts
//   string                  a string                                          a string
//   bytes, fixed            a string, see json_bytes                          see json_bytes
//   enum                    the symbol; another one is the enum's default     the symbol
//   decimal, big-decimal    a number or a string, exactly                     a string, see json_decimals
//   uuid                    a string of 36 characters                         the same
//   date, time, timestamp   the number of the base type, or RFC 3339 text;    the number, see json_times
//                           digits beyond the unit are cut off
//   duration                {"months": 0, "days": 0, "millis": 0}             the same
//   array; map, record      an array; an object                               the same
//   union                   its value alone, or {"branch": value} as in       its value alone, see json_unions
//                           Avro's JSON encoding; null is never wrapped
//
// Records: fields come in any order. A missing field takes its default, and without one null where its type
// has null. Other fields of the object are skipped. A field under one of its aliases is read. A field that is
// given twice is an error. Maps keep equal keys, as Avro does: the last one counts.
//
// Unions: the JSON type of a value decides its branch. An integer is the smallest of int, long, float and
// double that the union has and that holds it; a number with a fraction or an exponent is a double or a
// float. Where a union has a branch that is always a string, its numbers, dates and decimals are read from
// numbers only. In a union with a map, {"branch": value} is a map when `value` may be one of the map's values;
// in a union with a record, when the record has a field of that name. compile() refuses a union of which two
// branches have the same JSON type, such as ["bytes", "string"] or two records, unless `unions` is tagged.
//
// Errors of compile(): errc::schema_incompatible with the path for a union as above, those of plan::compile(),
// errc::schema_invalid and errc::limit_exceeded. Errors of decode(), each with the JSON path, the byte offset,
// the expected and the found type:
//
//   code                  cause
//   errc::truncated       the document ends inside a value, or is empty
//   errc::malformed       not JSON, a value of another type, out of range, a field that is missing
//   errc::invalid_utf8    a string that is not UTF-8, or half of a surrogate pair
//   errc::limit_exceeded  a limit of json_options
//   errc::unresolvable    an unknown enum symbol; a union branch that the struct does not have
//   errc::trailing_bytes  something behind the value
//
// Messages hold no datum. After an error the struct holds unspecified values.
//
// Threads: plans are immutable and may be shared between threads; each thread has its own arena and target.
// Lifetime: decoded structs of views point into the arena and the plan, never into the document.
// Memory: decoding into structs of views allocates only from the arena.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <millrace/avro/arena.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/limits.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// The strings that stand for bytes and fixed: base64 with padding (RFC 4648); the code points 0 to 255 of
// Avro's JSON encoding; hexadecimal digits of either case.
enum class json_bytes : std::uint8_t { base64, latin1, hexadecimal };
// Form in which an encoder writes dates, times and timestamps: the number of the base type, or RFC 3339 text where
// the year has four digits.
enum class json_times : std::uint8_t { number, text };
// Form in which an encoder writes decimals.
enum class json_decimals : std::uint8_t { text, number };
// plain: see above. tagged: null or {"branch": value} only, both read and written; no union is ambiguous.
enum class json_unions : std::uint8_t { plain, tagged };

// Options of decoders and encoders.
struct json_options {
  // `json_text_bytes_max` limits a document. Brackets and braces nest at most 2 × `depth_max` + 2 deep.
  avro::limits limits;
  json_bytes bytes = json_bytes::base64;
  json_times times = json_times::number;
  json_decimals decimals = json_decimals::text;
  json_unions unions = json_unions::plain;
};

struct json_code;

// The compiled form of one (schema of the documents, target).
class json_plan {
 public:
  // Compiles. `target` must outlive the plan; descriptors made by descriptor_of() do. Fields of the schema
  // that the target lacks are checked and passed over; a member of the target without a field needs a default.
  [[nodiscard]] static result<json_plan> compile(const schema& documents, const type_descriptor& target,
                                                 const json_options& options = {});

  // Decodes one document, which is all of `in`, into the object at `out`.
  [[nodiscard]] result<void> decode(bytes_view in, arena& memory, void* out) const;

 private:
  json_plan(std::shared_ptr<const json_code> code, plan binary)
      : code_(std::move(code)), binary_(std::move(binary)) {}

  std::shared_ptr<const json_code> code_;
  plan binary_;
};

// A json_plan whose target is T. The functions are those of json_plan.
template <class T>
class json_decoder {
 public:
  // By the struct's own schema: what its fields do not name is skipped fast.
  [[nodiscard]] static result<json_decoder> compile(const json_options& options = {}) {
    auto own = schema_of<T>(options.limits);
    if (!own) return std::move(own).error();
    return compile(*own, options);
  }
  [[nodiscard]] static result<json_decoder> compile(const schema& documents,
                                                    const json_options& options = {}) {
    auto compiled = json_plan::compile(documents, descriptor_of<T>(), options);
    if (!compiled) return std::move(compiled).error();
    return json_decoder(*std::move(compiled));
  }

  [[nodiscard]] result<void> decode(bytes_view in, arena& memory, T& out) const {
    return plan_.decode(in, memory, &out);
  }
  [[nodiscard]] const json_plan& untyped() const noexcept { return plan_; }

 private:
  explicit json_decoder(json_plan compiled) : plan_(std::move(compiled)) {}

  json_plan plan_;
};

// The compiled form of one (schema, struct) for writing.
class json_encode_plan {
 public:
  // Compiles. Errors: those above, and those of encode_plan::compile().
  [[nodiscard]] static result<json_encode_plan> compile(const schema& documents,
                                                        const type_descriptor& source,
                                                        const json_options& options = {});

  // Appends one document without white space; every field is written, in the order of the schema. After an
  // error `out` is as it was.
  // Errors: those of encode_plan::encode(); errc::limit_exceeded for more text than the limit;
  // errc::unresolvable for a value that the union would not be read back from (a NaN beside strings and a map
  // of them), and a decimal that is too large to print.
  [[nodiscard]] result<void> encode(const void* value, byte_buffer& out) const;

 private:
  json_encode_plan(std::shared_ptr<const json_code> code, encode_plan binary)
      : code_(std::move(code)), binary_(std::move(binary)) {}

  std::shared_ptr<const json_code> code_;
  encode_plan binary_;
};

// A json_encode_plan whose source is T. The functions are those of json_encode_plan.
template <class T>
class json_encoder {
 public:
  [[nodiscard]] static result<json_encoder> compile(const json_options& options = {}) {
    auto own = schema_of<T>(options.limits);
    if (!own) return std::move(own).error();
    return compile(*own, options);
  }
  [[nodiscard]] static result<json_encoder> compile(const schema& documents,
                                                    const json_options& options = {}) {
    auto compiled = json_encode_plan::compile(documents, descriptor_of<T>(), options);
    if (!compiled) return std::move(compiled).error();
    return json_encoder(*std::move(compiled));
  }

  [[nodiscard]] result<void> encode(const T& value, byte_buffer& out) const {
    return plan_.encode(&value, out);
  }
  [[nodiscard]] const json_encode_plan& untyped() const noexcept { return plan_; }

 private:
  explicit json_encoder(json_encode_plan compiled) : plan_(std::move(compiled)) {}

  json_encode_plan plan_;
};

}  // namespace millrace::avro
