// Projections: paths become a tree of descriptors that name a record's wanted fields; every leaf's offset is
// that of its slot, counted from the first.
#include <algorithm>

#include <millrace/avro/projection.h>

#include "plan/compiler.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

[[nodiscard]] error refused(const std::string& path, const std::string& why) {
  return {errc::schema_incompatible, "projection of " + in_quotes(path) + ": " + why};
}

// Owns the descriptors; they are needed while the plan is compiled.
class projection_tree {
 public:
  projection_tree() { grow(); }

  [[nodiscard]] result<void> add(std::string_view path, std::size_t slot) {
    type_descriptor* at = nodes_.front().get();
    for (std::string_view rest = path;;) {
      const std::size_t dot = rest.find('.');
      const std::string_view name = rest.substr(0, dot);
      const bool last = dot == std::string_view::npos;
      const auto known = std::find_if(at->fields.begin(), at->fields.end(),
                                      [&](const field_descriptor& field) { return field.name == name; });
      if (known != at->fields.end()) {
        if (last || known->type->kind == type_kind::value)
          return refused(std::string(path), "another path is the same or lies inside of it");
        at = const_cast<type_descriptor*>(&*known->type);  // one of ours
      } else if (last) {
        at->fields.push_back({name, slot * sizeof(value), type_ref(descriptor_of<value>()), std::nullopt});
      } else {
        type_descriptor& inner = grow();
        at->fields.push_back({name, 0, type_ref(inner), std::nullopt});
        at = &inner;
      }
      if (last) return {};
      rest.remove_prefix(dot + 1);
    }
  }
  [[nodiscard]] const type_descriptor& root() const { return *nodes_.front(); }

 private:
  type_descriptor& grow() {
    nodes_.push_back(std::make_unique<type_descriptor>());
    nodes_.back()->kind = type_kind::projection;
    nodes_.back()->align = alignof(value);
    return *nodes_.back();
  }

  std::vector<std::unique_ptr<type_descriptor>> nodes_;
};

}  // namespace

void plan_compiler::null_slots(const type_descriptor& type, std::size_t dst) {
  static const avro::value null;
  if (type.kind == type_kind::value) {
    code_->images.push_back(&null);
    emit(opcode::constant, dst, code_->images.size() - 1, sizeof null);
    return;
  }
  for (const field_descriptor& field : type.fields) null_slots(*field.type, dst + field.offset);
}

result<void> plan_compiler::projected(const schema_node& writer, const target& to, std::size_t dst) {
  const target inner{to.type, to.reader != nullptr ? to.reader : &writer};
  if (inner.reader->type == schema_type::union_of) {
    return first_branch(writer, inner, [&](const target& one) { return projected(writer, one, dst); });
  }
  if (inner.reader->type == schema_type::record) {
    if (writer.type != schema_type::record) return mismatch(writer, inner);
    if (auto same = check_record_name(writer, inner); !same) return same;
    return projected_record(writer, inner, dst);
  }
  if (&writer == raw_root_) return incompatible("raw bytes have no fields");
  // Nothing of this branch is wanted, but it has to be one that the reader can have.
  plan_compiler judge(options_, code_->constants);
  judge.path_ = path_;
  judge.work_ = work_;
  auto readable = judge.compile(writer, {&descriptor_of<avro::value>(), inner.reader});
  work_ = judge.work_;
  if (!readable) return readable.error();
  if (auto skipped = skip(writer); !skipped) return skipped;
  null_slots(*to.type, dst);
  return {};
}

result<void> plan_compiler::projected_record(const schema_node& writer, const target& to, std::size_t dst) {
  auto subset = std::make_unique<type_descriptor>(*to.type);
  std::erase_if(subset->fields, [&](const field_descriptor& wanted) {
    const auto& fields = to.reader->fields;
    const bool known = std::any_of(fields.begin(), fields.end(),
                                   [&](const schema_field& field) { return field.name == wanted.name; });
    if (!known) null_slots(*wanted.type, dst + wanted.offset);
    if (known && wanted.type->kind == type_kind::value)
      reached_.insert((dst + wanted.offset) / sizeof(avro::value));
    return !known;
  });
  subsets_.push_back(std::move(subset));
  return record_body(writer, {subsets_.back().get(), to.reader}, dst);
}

result<projection> projection::compile(const schema& writer, std::span<const projected_field> fields,
                                       const plan_options& options) {
  return compile(writer, fields, writer, options);
}

result<projection> projection::compile(const schema& writer, std::span<const projected_field> fields,
                                       const schema& reader, const plan_options& options) {
  plan_compiler compiler(options);
  compiler.keep(reader);
  projection_tree tree;
  const bool whole = fields.size() == 1 && fields[0].path.empty();
  for (std::size_t slot = 0; slot < fields.size() && !whole; ++slot) {
    if (auto added = tree.add(fields[slot].path, slot); !added) return added.error();
  }
  const type_descriptor& root = whole ? descriptor_of<value>() : tree.root();
  auto code = compiler.compile(writer, {&root, &reader.root()});
  if (!code) return code.error();
  for (std::size_t slot = 0; slot < fields.size() && !whole; ++slot) {
    if (!fields[slot].optional && !compiler.reached(slot))
      return refused(fields[slot].path, "the schema has no such field");
  }
  return projection(plan(*std::move(code)), fields.size());
}

result<std::size_t> projection::decode(bytes_view in, arena& memory, std::span<value> slots) const {
  invariant(slots.size() == slot_count_, "a projection is decoded into a slot per field");
  return plan_.decode(in, memory, slots.data());
}

}  // namespace millrace::avro
