// A projection decodes some fields only: each named path into a slot. All other fields are skipped on the
// wire.
//
// Example, at namespace scope:
//
//   #include <array>
//
//   result<std::string> url_of(const avro::schema& writer, bytes_view datum) {
//     const std::array wanted = {avro::projected_field{"visitor_id"}, avro::projected_field{"page.url"}};
//     const auto plan = avro::projection::compile(writer, wanted);
//     if (!plan) return plan.error();
//     avro::arena memory;
//     std::array<avro::value, 2> slots;
//     const auto used = plan->decode(datum, memory, slots);
//     if (!used) return used.error();
//     return slots[1].is_null() ? std::string() : std::string(slots[1].text());
//   }
//
// A path names fields of records, also through unions with null. The slot is null when a record on the path
// is null, or when it is a branch of a union without that field. "" is the whole value. Arrays and maps are
// read as a whole: a path ends there.
//
// Errors: those of plan::compile() and plan::decode(), and errc::schema_incompatible; see compile().
// Threads: a projection is immutable and may be shared between threads; each has its own arena and slots.
// Decoding allocates only from the arena.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <millrace/avro/arena.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/value.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// A requested path.
struct projected_field {
  std::string path;
  // true: a path that the reader's schema does not have makes a slot that is always null.
  bool optional = false;
};

// A compiled projection.
class projection {
 public:
  // Compiles. `reader` resolves names, aliases and defaults; without it the writer's schema does. Returns
  // errc::schema_incompatible for a path that the schema does not have, and for two paths of which one lies
  // inside the other.
  [[nodiscard]] static result<projection> compile(const schema& writer,
                                                  std::span<const projected_field> fields,
                                                  const plan_options& options = {});
  [[nodiscard]] static result<projection> compile(const schema& writer,
                                                  std::span<const projected_field> fields,
                                                  const schema& reader, const plan_options& options = {});

  // Decodes one datum as plan::decode() does. `slots` has one value per field, in their order.
  [[nodiscard]] result<std::size_t> decode(bytes_view in, arena& memory, std::span<value> slots) const;
  [[nodiscard]] std::size_t slot_count() const noexcept { return slot_count_; }

 private:
  projection(plan compiled, std::size_t slots) : plan_(std::move(compiled)), slot_count_(slots) {}

  plan plan_;
  std::size_t slot_count_;
};

}  // namespace millrace::avro
