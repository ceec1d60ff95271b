// Skips values that are not read. Skipping follows the WRITER's type and validates like reading.
#include "plan/compiler.h"

namespace millrace::avro {
namespace {

constexpr std::uint32_t optional_fixed_bytes_max = 32;
constexpr std::uint32_t optional_ints_max = 4;

}  // namespace

std::optional<std::size_t> fixed_wire_bytes(const schema_node& node, std::size_t depth) {
  switch (node.type) {
    case schema_type::null:
      return 0;
    case schema_type::boolean:
      return 1;
    case schema_type::float32:
      return 4;
    case schema_type::float64:
      return 8;
    case schema_type::fixed:
      return node.size;
    case schema_type::record: {
      if (node.recursive || depth > 8) return std::nullopt;
      std::size_t sum = 0;
      for (const schema_field& field : node.fields) {
        const auto bytes = fixed_wire_bytes(*field.type, depth + 1);
        if (!bytes || sum + *bytes > UINT32_MAX) return std::nullopt;
        sum += *bytes;
      }
      return sum;
    }
    case schema_type::int32:
    case schema_type::int64:
    case schema_type::bytes:
    case schema_type::string:
    case schema_type::enumeration:
    case schema_type::array:
    case schema_type::map:
    case schema_type::union_of:
      return std::nullopt;
  }
  return std::nullopt;
}

// Neighbouring skips of one kind become one operation.
void plan_compiler::skip_run(opcode code, std::size_t amount) {
  if (here() > barrier_ && here() > 0) {
    op& last = code_->ops.back();
    if (last.code == code && last.a + amount <= UINT32_MAX) {
      last.a += static_cast<std::uint32_t>(amount);
      return;
    }
  }
  emit(code, 0, amount);
}

result<void> plan_compiler::skip(const schema_node& writer) {
  if (const auto bytes = fixed_wire_bytes(writer)) {
    if (*bytes > 0) skip_run(opcode::skip_fixed, *bytes);
    return {};
  }
  switch (writer.type) {
    case schema_type::int32:
      skip_run(opcode::skip_int, 1);
      return {};
    case schema_type::int64:
      skip_run(opcode::skip_long, 1);
      return {};
    case schema_type::bytes:
    case schema_type::string:
      skip_run(opcode::skip_bytes, 1);
      return {};
    case schema_type::enumeration:
      emit(opcode::skip_enum, 0, 0, writer.symbols.size());
      return {};
    case schema_type::array:
    case schema_type::map:
      return skip_collection(writer);
    case schema_type::record:
      return skip_record(writer);
    case schema_type::union_of: {
      const std::size_t table = code_->branches.size();
      code_->branches.resize(table + writer.branches.size());
      const pc_t at = emit(opcode::branch, 0, table, writer.branches.size());
      std::vector<pc_t> jumps;
      for (std::size_t i = 0; i < writer.branches.size(); ++i) {
        barrier();
        code_->branches[table + i].pc = here();
        if (auto done = skip(*writer.branches[i]); !done) return done;
        if (i + 1 < writer.branches.size()) jumps.push_back(emit(opcode::jump));
      }
      for (const pc_t jump : jumps) land(jump);
      barrier();
      if (shape_scalars(at)) code_->ops[at].code = opcode::skip_scalar;
      skip_nullable(writer, at);
      return {};
    }
    case schema_type::null:
    case schema_type::boolean:
    case schema_type::float32:
    case schema_type::float64:
    case schema_type::fixed:
      break;  // of fixed size: above
  }
  return {};
}

// Null and something simple, the commonest union; its operations are [branch, jump, skip] or [branch, skip,
// jump].
void plan_compiler::skip_nullable(const schema_node& writer, pc_t at) {
  if (writer.branches.size() != 2 || here() != at + 3) return;
  const bool null_first = writer.branches[0]->type == schema_type::null;
  if (writer.branches[null_first ? 0 : 1]->type != schema_type::null) return;
  const op& full = code_->ops[at + (null_first ? 2 : 1)];
  op& open = code_->ops[at];
  if (full.code == opcode::skip_bytes && full.a == 1) {
    open.code = opcode::skip_optional_text;
  } else if (full.code == opcode::skip_fixed && full.a <= optional_fixed_bytes_max) {
    open.code = opcode::skip_optional_fixed;
  } else if (full.code == opcode::skip_int && full.a <= optional_ints_max && !options_.strict) {
    open.code = opcode::skip_optional_ints;
  } else {
    return;
  }
  open.dst = full.a;
  open.aux = null_first ? 0 : 2;
}

result<void> plan_compiler::skip_record(const schema_node& writer) {
  const pair_key key{&writer, nullptr, nullptr};
  const auto fields = [&]() -> result<void> {
    for (const schema_field& field : writer.fields) {
      const step inside(*this, field.name);
      if (code_->ops.size() > options_.limits.plan_ops_max) {
        return error(errc::limit_exceeded, "a plan larger than the limit");
      }
      if (auto done = skip(*field.type); !done) return done;
    }
    return {};
  };
  if (!writer.recursive && ++inlined_[key] <= 4) return fields();
  auto known = subroutines_.find(key);
  if (known == subroutines_.end()) {
    const pc_t over = emit(opcode::jump);
    barrier();
    known = subroutines_.emplace(key, here()).first;
    if (auto done = fields(); !done) return done;
    emit(opcode::ret);
    land(over);
  }
  emit(opcode::call, 0, known->second);
  return {};
}

result<void> plan_compiler::skip_collection(const schema_node& writer) {
  const bool is_map = writer.type == schema_type::map;
  const auto bytes = is_map ? std::nullopt : fixed_wire_bytes(*writer.item);
  loop made;
  made.kind = loop_kind::skip;
  made.wire_bytes_min = writer.item->wire_bytes_min + (is_map ? 1U : 0U);
  made.plain = made.wire_bytes_min > 0 && !bytes;
  made.wire_bytes = bytes ? static_cast<std::int64_t>(*bytes) : -1;
  const std::size_t index = code_->loops.size();
  code_->loops.push_back(made);
  emit(opcode::skip_loop, 0, index);
  barrier();
  const pc_t body = here();
  const step inside(*this, "[]");
  if (is_map) skip_run(opcode::skip_bytes, 1);
  if (auto done = skip(*writer.item); !done) return done;
  if (here() == body + 1 && code_->ops[body].code == opcode::skip_bytes) {
    code_->ops[body - 1].code = opcode::skip_texts;
    code_->ops[body - 1].b = code_->ops[body].a;
  }
  if (is_map && code_->ops[body].code == opcode::skip_bytes && code_->ops[body].a == 1 && here() > body + 1 &&
      code_->ops[body + 1].code == opcode::skip_scalar) {
    code_->ops[body - 1].code = opcode::skip_entries;
    code_->ops[body].code = opcode::skip_entry;
    code_->ops[body].a = static_cast<std::uint32_t>(index);
  }
  emit(opcode::next, 0, index, body);
  code_->loops[index].body = body;
  code_->loops[index].end = here();
  barrier();
  return {};
}

}  // namespace millrace::avro
