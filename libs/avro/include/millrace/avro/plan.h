// Decoding: a plan is compiled once from the writer's schema and the target struct, then decodes every
// message of that schema. Everything the specification calls schema resolution (reordered, added, dropped and
// renamed fields, promotions, enums, unions, defaults) is settled while compiling.
//
//   auto decoder = avro::decoder<tracking::Navigation>::compile(*writer_schema);     // once per schema id
//   tracking::Navigation nav;
//   avro::arena memory;
//   auto used = decoder->decode(payload, memory, nav);     // per message; then memory.reset()
//
// Compile errors: errc::schema_incompatible naming the path of both sides, when no datum could ever be read;
// errc::limit_exceeded. What depends on the datum fails for that datum: errc::unresolvable (a union branch or
// enum symbol that the target does not have). Decode errors, each with the path and the byte offset:
// errc::truncated (end of input is an error, never a null), errc::malformed, errc::invalid_utf8,
// errc::limit_exceeded, errc::unresolvable. Messages hold no datum.
//
// A plan is immutable: share it between threads, each with its own arena and target. Decoding into structs of
// views allocates only from the arena.
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

struct plan_options {
  avro::limits limits;
  // Off: strings are taken as they are. On costs little while text is ASCII.
  bool validate_utf8 = true;
  // On: refuse what a careful writer never sends: varints longer than needed, array blocks whose byte size is
  // wrong.
  bool strict = false;
  // On: a datum whose schema is "bytes" itself is all of the message, without a length in front, as
  // Confluent's format has it.
  bool raw_root_bytes = false;
  // On: records whose names differ still match, as they do in Java.
  bool ignore_record_names = false;
};

class plan {
 public:
  // `target` must outlive the plan (descriptors made by descriptor_of do). Its embedded schema, if any, is
  // the reader's.
  [[nodiscard]] static result<plan> compile(const schema& writer, const type_descriptor& target,
                                            const plan_options& options = {});
  // With an explicit reader's schema: it names aliases, defaults and union branches of `target`'s fields.
  [[nodiscard]] static result<plan> compile(const schema& writer, const type_descriptor& target,
                                            const schema& reader, const plan_options& options = {});

  // Decodes one datum from the start of `in` into the object at `out`; returns the bytes it took. Trailing
  // bytes are the caller's to judge. What is decoded views `in`, `memory` and this plan. After an error the
  // object holds unspecified values: it may only be destroyed or decoded into again.
  [[nodiscard]] result<std::size_t> decode(bytes_view in, arena& memory, void* out) const;

  // How many operations; for tests and curiosity.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  friend class projection;
  explicit plan(std::shared_ptr<const plan_code> code) : code_(std::move(code)) {}

  std::shared_ptr<const plan_code> code_;
};

// A plan whose target is T.
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
  // Trailing bytes are errc::trailing_bytes.
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
