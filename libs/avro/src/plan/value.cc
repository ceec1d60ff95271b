// Values of any schema. The type that a value shows is the reader's; where no reader is given, the writer's.
// Its content is read by the operations that structs use, behind the type.
#include <new>

#include <millrace/avro/value.h>

#include "plan/compiler.h"

namespace millrace::avro {
namespace {

// A number of another unit or meaning is never reinterpreted; without a meaning it is a number.
[[nodiscard]] bool meanings_differ(const schema_node& writer, const schema_node& reader) {
  if (writer.logical == logical_type::none || reader.logical == logical_type::none) return false;
  return writer.logical != reader.logical || writer.scale != reader.scale;
}

template <class T>
[[nodiscard]] target as(const schema_node& reader) {
  return {&descriptor_of<T>(), &reader};
}

}  // namespace

const type_descriptor& typed_value() {
  static const type_descriptor type = describe<value>::type();
  return type;
}

// The descriptor of a record or enum of values.
const plan_compiler::shape& plan_compiler::shape_of(const schema_node& reader) {
  auto& known = shapes_[&reader];
  if (known != nullptr) return *known;
  known = std::make_unique<shape>();
  type_descriptor& type = known->type;
  type.name = reader.name;
  type.trivial = type.complete = true;
  if (reader.type == schema_type::enumeration) {
    type.kind = type_kind::enumeration;
    type.size = type.align = sizeof(std::int32_t);
    for (const std::string& symbol : reader.symbols)
      type.symbols.push_back({symbol, static_cast<std::int32_t>(type.symbols.size())});
    return *known;
  }
  type.kind = type_kind::record;
  type.size = reader.fields.size() * sizeof(avro::value);
  type.align = alignof(avro::value);
  auto* image = static_cast<avro::value*>(
      code_->constants->allocate(std::max<std::size_t>(type.size, 1), alignof(avro::value)));
  invariant(image != nullptr, "memory for a record of bounded size");
  for (std::size_t i = 0; i < reader.fields.size(); ++i) {
    const schema_field& field = reader.fields[i];
    const bool typed = field.type->type != schema_type::union_of;
    type.fields.push_back({field.name, i * sizeof(avro::value),
                           type_ref(typed ? typed_value() : descriptor_of<avro::value>()), std::nullopt});
    auto* bytes = reinterpret_cast<std::byte*>(new (image + i) avro::value());
    if (typed)
      std::memcpy(bytes + avro::value::type_offset, &field.type,
                  avro::value::content_offset - avro::value::type_offset);
  }
  known->image = image;
  return *known;
}

result<void> plan_compiler::any_value(const schema_node& writer, const target& to, std::size_t dst) {
  const target inner{to.type, to.reader != nullptr ? to.reader : &writer};
  if (inner.reader->type == schema_type::union_of) {
    return first_branch(writer, inner, [&](const target& one) { return any_value(writer, one, dst); });
  }
  if (to.type != &typed_value()) {
    code_->nodes.push_back(inner.reader);
    emit(opcode::set_type, dst + avro::value::type_offset, code_->nodes.size() - 1);
  }
  return content(writer, inner, dst + avro::value::content_offset);
}

result<void> plan_compiler::content(const schema_node& writer, const target& to, std::size_t dst) {
  const schema_node& reader = *to.reader;
  if (meanings_differ(writer, reader)) return mismatch(writer, to);
  switch (reader.type) {
    case schema_type::null:
      return writer.type == schema_type::null ? result<void>() : mismatch(writer, to);
    case schema_type::boolean:
      return number(writer, as<bool>(reader), dst);
    case schema_type::int32:
      return number(writer, as<std::int32_t>(reader), dst);
    case schema_type::int64:
      return number(writer, as<std::int64_t>(reader), dst);
    case schema_type::float32:
      return number(writer, as<float>(reader), dst);
    case schema_type::float64:
      return number(writer, as<double>(reader), dst);
    case schema_type::string:
      return text(writer, as<std::string_view>(reader), dst);
    case schema_type::bytes:
      return text(writer, as<bytes_view>(reader), dst);
    case schema_type::array:
      return collection(writer, as<array_view<avro::value>>(reader), dst);
    case schema_type::map:
      return collection(writer, as<map_view<avro::value>>(reader), dst);
    case schema_type::enumeration:
      return symbol(writer, {&shape_of(reader).type, &reader}, dst);
    case schema_type::fixed:
      if (writer.type != schema_type::fixed || writer.size != reader.size || !names_match(writer, to))
        return mismatch(writer, to);
      emit(opcode::fixed_view, dst, writer.size);
      return {};
    case schema_type::record:
      return record_value(writer, reader, dst);
    case schema_type::union_of:
      break;  // any_value() has taken it apart
  }
  return mismatch(writer, to);
}

result<void> plan_compiler::record_value(const schema_node& writer, const schema_node& reader,
                                         std::size_t dst) {
  const shape& made = shape_of(reader);
  const target to{&made.type, &reader};
  if (writer.type != schema_type::record) return mismatch(writer, to);
  if (auto same = check_record_name(writer, to); !same) return same;
  point_target fields;
  fields.size = static_cast<std::uint32_t>(made.type.size);
  fields.align = static_cast<std::uint32_t>(made.type.align);
  fields.image = made.image;
  fields.count = static_cast<std::uint32_t>(reader.fields.size());
  code_->points.push_back(fields);
  const std::size_t point = code_->points.size() - 1;
  if (!writer.recursive && ++inlined_[{&writer, to.type, &reader}] <= inline_max) {
    emit(opcode::record_open, dst, 0, point);
    barrier();
    if (auto body = record_body(writer, to, 0); !body) return body;
    emit(opcode::record_close);
    barrier();
    return {};
  }
  auto body = subroutine(writer, to);
  if (!body) return body.error();
  emit(opcode::record_call, dst, *body, point);
  return {};
}

}  // namespace millrace::avro
