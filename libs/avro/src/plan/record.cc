// Records: which field of the writer goes where, what is skipped, what takes its default.
#include <algorithm>
#include <unordered_map>

#include <millrace/avro/value.h>

#include "json/encoder.h"
#include "plan/compiler.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

using field_names = std::unordered_map<std::string_view, std::size_t>;

[[nodiscard]] field_names names_of(const schema_node& record) {
  field_names names;
  for (std::size_t i = 0; i < record.fields.size(); ++i) names.emplace(record.fields[i].name, i);
  return names;
}

}  // namespace

result<void> plan_compiler::check_record_name(const schema_node& writer, const target& to) {
  if (options_.ignore_record_names || names_match(writer, to)) return {};
  return mismatch(writer, to);
}

result<void> plan_compiler::record(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.type != schema_type::record) return mismatch(writer, to);
  if (auto same = check_record_name(writer, to); !same) return same;
  const pair_key key{&writer, to.type, to.reader};
  if (!writer.recursive && ++inlined_[key] <= inline_max) return record_body(writer, to, dst);
  auto body = subroutine(writer, to);
  if (!body) return body.error();
  emit(opcode::call, dst, *body);
  return {};
}

// The body of a record as a subroutine, whose base is the record. It stands where it is first needed; the
// operations around it jump over.
result<plan_compiler::pc_t> plan_compiler::subroutine(const schema_node& writer, const target& to) {
  const pair_key key{&writer, to.type, to.reader};
  if (const auto known = subroutines_.find(key); known != subroutines_.end()) return known->second;
  const mark before = save();
  const pc_t over = emit(opcode::jump);
  barrier();
  const pc_t start = here();
  subroutines_.emplace(key, start);
  if (auto body = record_body(writer, to, 0); !body) {
    restore(before);
    return body.error();
  }
  emit(opcode::ret);
  land(over);
  return start;
}

// For each field of the target, the reader's schema of it (nullptr: none); for each field of the writer, the
// target's field that takes it (-1: none).
result<std::vector<const schema_field*>> plan_compiler::bind_fields(const schema_node& writer,
                                                                    const target& to,
                                                                    std::vector<int>& target_of) const {
  const auto& fields = to.type->fields;
  std::vector<const schema_field*> readers(fields.size(), nullptr);
  target_of.assign(writer.fields.size(), -1);
  std::vector<bool> taken(fields.size(), false);
  const field_names written = names_of(writer);
  const field_names known = to.reader != nullptr ? names_of(*to.reader) : field_names();
  const auto take = [&](std::string_view writer_name, std::size_t field) {
    const auto found = written.find(writer_name);
    if (found == written.end() || taken[field] || target_of[found->second] >= 0) return;
    target_of[found->second] = static_cast<int>(field);
    taken[field] = true;
  };
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (to.reader != nullptr) {
      const auto found = known.find(fields[i].name);
      if (found == known.end()) {
        return incompatible("the reader's schema " + in_quotes(to.reader->name) + " has no field " +
                            in_quotes(fields[i].name));
      }
      readers[i] = &to.reader->fields[found->second];
    }
    take(fields[i].name, i);
  }
  // A field's own name goes before anybody's alias for it.
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (readers[i] == nullptr) continue;
    for (const std::string& alias : readers[i]->aliases) take(alias, i);
  }
  return readers;
}

result<void> plan_compiler::record_body(const schema_node& writer, const target& to, std::size_t dst) {
  target self = to;
  if (self.reader != nullptr && self.reader->type != schema_type::record) self.reader = nullptr;
  std::vector<int> target_of;
  auto readers = bind_fields(writer, self, target_of);
  if (!readers) return readers.error();
  std::vector<bool> read(self.type->fields.size(), false);
  for (std::size_t i = 0; i < writer.fields.size(); ++i) {
    const schema_field& from = writer.fields[i];
    const step inside(*this, from.name);
    if (target_of[i] < 0) {
      if (auto skipped = skip(*from.type); !skipped) return skipped;
      continue;
    }
    const auto at = static_cast<std::size_t>(target_of[i]);
    const field_descriptor& field = self.type->fields[at];
    const schema_field* reader = (*readers)[at];
    read[at] = true;
    const target inner{&*field.type, reader != nullptr ? reader->type : nullptr};
    if (auto done = value(*from.type, inner, dst + field.offset); !done) return done;
  }
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (read[i]) continue;
    const field_descriptor& field = self.type->fields[i];
    const schema_field* reader = (*readers)[i];
    const step inside(*this, field.name);
    const target inner{&*field.type, reader != nullptr ? reader->type : nullptr};
    result<void> done;
    if (reader != nullptr && reader->default_json) {
      done = default_value(*reader->type, *reader->default_json, inner, dst + field.offset);
    } else if (field.default_json) {
      auto derived = derive_schema(*field.type, options_.limits);
      if (!derived) return derived.error().in(path_);
      keep(*derived);
      done = default_value(derived->root(), *field.default_json, {inner.type, nullptr}, dst + field.offset);
    } else {
      done = incompatible("the writer's " + writer.name +
                          " lacks this field, and the reader has no default for it");
    }
    if (!done) return done;
  }
  return {};
}

// The default is written as the reader's schema would write it and read like any other value: once, now,
// where the result may be copied as bytes; for every record where it owns memory.
result<void> plan_compiler::default_value(const schema_node& reader, std::string_view json, const target& to,
                                          std::size_t dst) {
  byte_buffer encoded;
  if (auto done = encode_default(reader, json, options_.limits, budget_left_, encoded); !done) {
    return error(
        done.error().code() == errc::limit_exceeded ? errc::limit_exceeded : errc::schema_incompatible,
        path_ + ": " + done.error().message());
  }
  const auto keep = [&](std::size_t size, std::size_t align) {
    void* kept = code_->constants->allocate(std::max<std::size_t>(size, 1), align);
    invariant(kept != nullptr, "memory for a default of bounded size");
    return static_cast<std::byte*>(kept);
  };
  std::byte* bytes = keep(encoded.size(), 1);
  std::copy(encoded.begin(), encoded.end(), bytes);
  const bytes_view stored(bytes, encoded.size());

  if (!to.type->trivial) {
    code_->defaults.push_back(stored);
    emit(opcode::enter_default, 0, code_->defaults.size() - 1);
    barrier();
    if (auto done = value(reader, to, dst); !done) return done;
    barrier();
    emit(opcode::leave_default);
    return {};
  }
  plan_compiler inner(options_, code_->constants);
  inner.path_ = path_;
  const target whole{to.type == &typed_value() ? &descriptor_of<avro::value>() : to.type, to.reader};
  inner.work_ = work_;
  auto plan = inner.compile(reader, whole);
  work_ = inner.work_;
  if (!plan) return plan.error();
  std::byte* image = keep(to.type->size, to.type->align);
  std::fill_n(image, to.type->size, std::byte{0});
  if (needs_construction(*to.type)) to.type->operations.construct(image, 1);
  fault failed;
  static_cast<void>(run(**plan, stored, *code_->constants, image, failed));
  if (failed.why != nullptr) return incompatible(std::string("the default cannot be read: ") + failed.why);
  code_->images.push_back(image);
  emit(opcode::constant, dst, code_->images.size() - 1, to.type->size);
  return {};
}

result<void> plan_compiler::pointer(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.type == schema_type::null) {
    emit(opcode::null_pointer, dst);
    return {};
  }
  const type_descriptor& item = *to.type->item;
  target inner{&item, to.reader};
  if (to.reader != nullptr && to.reader->type == schema_type::union_of) {
    inner.reader = nullptr;
    for (const schema_node* branch : to.reader->branches) {
      if (branch->type != schema_type::null && affinity(*branch, {&item, nullptr}) > 0) inner.reader = branch;
    }
  }
  if (writer.type != schema_type::record || item.kind != type_kind::record) return mismatch(writer, to);
  if (auto same = check_record_name(writer, inner); !same) return same;
  auto body = subroutine(writer, inner);
  if (!body) return body.error();
  point_target made;
  made.size = static_cast<std::uint32_t>(item.size);
  made.align = static_cast<std::uint32_t>(item.align);
  made.operations = needs_construction(item) ? &item.operations : nullptr;
  code_->points.push_back(made);
  emit(opcode::point, dst, *body, code_->points.size() - 1);
  return {};
}

}  // namespace millrace::avro
