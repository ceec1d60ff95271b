// Decoding some fields only: each named path into a slot; everything else is skipped on the wire.
//
//   const std::array wanted = {avro::projected_field{"visitor_id"}, avro::projected_field{"page.url"}};
//   auto plan = avro::projection::compile(*writer, wanted);
//   std::array<avro::value, 2> slots;
//   auto used = plan->decode(bytes, memory, slots);       // slots[1].text()
//
// A path names fields of records, also through unions with null: where a record on the way is null (or a
// branch of the union that has no such field), the slot is null. "" is the whole value. Arrays and maps are
// read as a whole: a path ends there.
//
// Immutable once compiled: share it between threads. Decoding allocates only from the arena.
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

struct projected_field {
  std::string path;
  // On: a path that the reader's schema does not have makes a slot that is always null.
  bool optional = false;
};

class projection {
 public:
  // Beyond the errors of plan::compile, errc::schema_incompatible: a path that the schema does not have, or
  // two paths of which one lies inside the other. `reader` resolves names, aliases and defaults; without it
  // the writer's schema does.
  [[nodiscard]] static result<projection> compile(const schema& writer,
                                                  std::span<const projected_field> fields,
                                                  const plan_options& options = {});
  [[nodiscard]] static result<projection> compile(const schema& writer,
                                                  std::span<const projected_field> fields,
                                                  const schema& reader, const plan_options& options = {});

  // As plan::decode. `slots` has one value per field, in their order.
  [[nodiscard]] result<std::size_t> decode(bytes_view in, arena& memory, std::span<value> slots) const;
  [[nodiscard]] std::size_t slot_count() const noexcept { return slot_count_; }

 private:
  projection(plan compiled, std::size_t slots) : plan_(std::move(compiled)), slot_count_(slots) {}

  plan plan_;
  std::size_t slot_count_;
};

}  // namespace millrace::avro
