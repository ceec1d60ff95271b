// Decoding: a plan is compiled once from the writer's schema and the target struct, and then decodes every
// message of that schema. Schema resolution (reordered, added, dropped and renamed fields, promotions, enums,
// unions, defaults) happens while compiling.
//
// Example:
//
//   const auto writer = avro::schema::parse(R"("string")");
//   if (!writer) return writer.error();
//   const auto decoder = avro::decoder<std::string_view>::compile(*writer);  // once per schema id
//   if (!decoder) return decoder.error();
//   avro::arena memory;
//   std::string_view text;
//   const std::array datum = {std::byte{4}, std::byte{'h'}, std::byte{'i'}};
//   const auto used = decoder->decode(datum, memory, text);  // per message; then memory.reset()
//   if (!used) return used.error();
//   invariant(text == "hi" && *used == 3, "the datum was decoded");
//
// Example prelude:
//
//   #include <array>
//
// Errors of compile(): errc::schema_incompatible with the path of both sides when no datum can ever be read,
// and errc::limit_exceeded. Errors of decode(), each with the path and the byte offset:
//
//   code                  cause
//   errc::truncated       the input ends inside a value; the end of the input is never a null
//   errc::malformed       bytes that the format does not allow
//   errc::invalid_utf8    a string that is not UTF-8
//   errc::limit_exceeded  a limit of plan_options
//   errc::unresolvable    a union branch or enum symbol that the target does not have
//
// Messages hold no datum.
//
// Threads: a plan is immutable and may be shared between threads; each thread has its own arena and target.
// Memory: decoding into structs of views allocates only from the arena.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>

#include <millrace/avro/arena.h>
#include <millrace/avro/limits.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/type_descriptor.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

struct plan_code;

// Options of a plan.
struct plan_options {
  avro::limits limits;
  // false: strings are not checked. true costs little while text is ASCII.
  bool validate_utf8 = true;
  // true: refuses the forms that a careful writer never sends: varints longer than needed, array blocks with
  // a wrong byte size.
  bool strict = false;
  // true: a datum whose schema is "bytes" itself is the whole message, without a length in front, as in
  // Confluent's format.
  bool raw_root_bytes = false;
  // true: records whose names differ still match, as in Java.
  bool ignore_record_names = false;
};

// The compiled form of one (writer's schema, target).
class plan {
 public:
  // Compiles. `target` must outlive the plan; descriptors made by descriptor_of() do. Its embedded schema, if
  // any, is the reader's.
  [[nodiscard]] static result<plan> compile(const schema& writer, const type_descriptor& target,
                                            const plan_options& options = {});
  // Compiles with an explicit reader's schema, which gives aliases, defaults and union branches of the fields
  // of `target`.
  [[nodiscard]] static result<plan> compile(const schema& writer, const type_descriptor& target,
                                            const schema& reader, const plan_options& options = {});

  // Decodes one datum from the start of `in` into the object at `out` and returns the number of bytes it
  // took. The caller decides about trailing bytes. The decoded object views `in`, `memory` and this plan.
  // After an error it holds unspecified values: it may only be destroyed or decoded into again.
  [[nodiscard]] result<std::size_t> decode(bytes_view in, arena& memory, void* out) const;

  // Returns the number of operations; for tests.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  friend class projection;
  explicit plan(std::shared_ptr<const plan_code> code) : code_(std::move(code)) {}

  std::shared_ptr<const plan_code> code_;
};

// A plan whose target is T. The functions are those of `plan`.
template <class T>
class decoder {
 public:
  [[nodiscard]] static result<decoder> compile(const schema& writer, const plan_options& options = {}) {
    auto compiled = plan::compile(writer, descriptor_of<T>(), options);
    if (!compiled) return std::move(compiled).error();
    return decoder(*std::move(compiled));
  }
  [[nodiscard]] static result<decoder> compile(const schema& writer, const schema& reader,
                                               const plan_options& options = {}) {
    auto compiled = plan::compile(writer, descriptor_of<T>(), reader, options);
    if (!compiled) return std::move(compiled).error();
    return decoder(*std::move(compiled));
  }

  [[nodiscard]] result<std::size_t> decode(bytes_view in, arena& memory, T& out) const {
    return plan_.decode(in, memory, &out);
  }
  // Decodes one datum that is all of `in`. Trailing bytes are errc::trailing_bytes.
  [[nodiscard]] result<void> decode_exactly(bytes_view in, arena& memory, T& out) const {
    auto used = decode(in, memory, out);
    if (!used) return std::move(used).error();
    if (*used != in.size()) {
      return error(errc::trailing_bytes, std::to_string(in.size() - *used) + " bytes after the value");
    }
    return {};
  }
  [[nodiscard]] const plan& untyped() const noexcept { return plan_; }

 private:
  explicit decoder(plan compiled) : plan_(std::move(compiled)) {}

  plan plan_;
};

}  // namespace millrace::avro
