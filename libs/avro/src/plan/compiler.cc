#include "plan/compiler.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "schema/json.h"

namespace millrace::avro {
namespace {

constexpr std::size_t compile_depth_max = 400;
constexpr std::size_t work_per_op_max = 8;

// The opcode that reads a writer's number into a number of the target, if the specification promotes it.
[[nodiscard]] std::optional<opcode> promotion(schema_type from, type_kind to) {
  struct row {
    schema_type from;
    type_kind to;
    opcode code;
  };
  static constexpr std::array rows = {
      row{schema_type::boolean, type_kind::boolean, opcode::boolean},
      row{schema_type::int32, type_kind::int32, opcode::int32},
      row{schema_type::int32, type_kind::int64, opcode::int32_to_int64},
      row{schema_type::int32, type_kind::float32, opcode::int32_to_float32},
      row{schema_type::int32, type_kind::float64, opcode::int32_to_float64},
      row{schema_type::int64, type_kind::int64, opcode::int64},
      row{schema_type::int64, type_kind::float32, opcode::int64_to_float32},
      row{schema_type::int64, type_kind::float64, opcode::int64_to_float64},
      row{schema_type::float32, type_kind::float32, opcode::float32},
      row{schema_type::float32, type_kind::float64, opcode::float32_to_float64},
      row{schema_type::float64, type_kind::float64, opcode::float64},
  };
  const auto* found =
      std::find_if(rows.begin(), rows.end(), [&](const row& r) { return r.from == from && r.to == to; });
  return found == rows.end() ? std::nullopt : std::optional(found->code);
}

[[nodiscard]] logical_type logical_of(type_kind kind) {
  switch (kind) {
    case type_kind::date:
      return logical_type::date;
    case type_kind::time_millis:
      return logical_type::time_millis;
    case type_kind::time_micros:
      return logical_type::time_micros;
    case type_kind::timestamp_millis:
      return logical_type::timestamp_millis;
    case type_kind::timestamp_micros:
      return logical_type::timestamp_micros;
    case type_kind::timestamp_nanos:
      return logical_type::timestamp_nanos;
    case type_kind::local_timestamp_millis:
      return logical_type::local_timestamp_millis;
    case type_kind::local_timestamp_micros:
      return logical_type::local_timestamp_micros;
    case type_kind::local_timestamp_nanos:
      return logical_type::local_timestamp_nanos;
    case type_kind::null:
    case type_kind::boolean:
    case type_kind::int32:
    case type_kind::int64:
    case type_kind::float32:
    case type_kind::float64:
    case type_kind::string:
    case type_kind::owned_string:
    case type_kind::bytes:
    case type_kind::owned_bytes:
    case type_kind::enumeration:
    case type_kind::fixed:
    case type_kind::uuid:
    case type_kind::decimal:
    case type_kind::duration:
    case type_kind::optional:
    case type_kind::variant:
    case type_kind::pointer:
    case type_kind::array:
    case type_kind::vector:
    case type_kind::map:
    case type_kind::owned_map:
    case type_kind::record:
    case type_kind::value:
    case type_kind::projection:
      return logical_type::none;
  }
  return logical_type::none;
}

// "record com.example.Page", "long (timestamp-millis)"
[[nodiscard]] std::string describe_node(const schema_node& node) {
  std::string text(to_string(node.type));
  if (node.is_named()) text += " " + node.name;
  if (node.logical != logical_type::none) text += " (" + std::string(to_string(node.logical)) + ")";
  return text;
}

}  // namespace

plan_compiler::plan_compiler(const plan_options& options, std::shared_ptr<arena> constants)
    : options_(options),
      code_(std::make_shared<plan_code>()),
      budget_left_(options.limits.default_bytes_total_max) {
  code_->options = options;
  code_->constants = std::move(constants);
}

result<std::shared_ptr<const plan_code>> plan_compiler::compile(const schema& writer, const target& to) {
  keep(writer);
  if (options_.raw_root_bytes && writer.root().type == schema_type::bytes) raw_root_ = &writer.root();
  return compile(writer.root(), to);
}

result<std::shared_ptr<const plan_code>> plan_compiler::compile(const schema_node& writer, const target& to) {
  if (auto compiled = value(writer, to, 0); !compiled) return compiled.error();
  emit(opcode::end);
  thread_jumps();
  if (code_->ops.size() > options_.limits.plan_ops_max) {
    return error(errc::limit_exceeded,
                 "a plan of more than " + std::to_string(options_.limits.plan_ops_max) + " operations");
  }
  return std::shared_ptr<const plan_code>(code_);
}

std::uint32_t plan_compiler::path_id() {
  if (!path_known_) {
    auto [at, added] = path_ids_.try_emplace(path_, static_cast<std::uint32_t>(code_->path_names.size()));
    if (added) code_->path_names.push_back(path_);
    path_id_ = at->second;
    path_known_ = true;
  }
  return path_id_;
}

plan_compiler::pc_t plan_compiler::emit(opcode code, std::size_t dst, std::size_t a, std::size_t b,
                                        std::size_t aux) {
  op next;
  next.code = code;
  next.aux = static_cast<std::uint16_t>(aux);
  next.dst = static_cast<std::uint32_t>(dst);
  next.a = static_cast<std::uint32_t>(a);
  next.b = static_cast<std::uint32_t>(b);
  ++work_;
  code_->ops.push_back(next);
  code_->paths.push_back(path_id());
  return here() - 1;
}

void plan_compiler::emit_bytes(const schema_node& writer, opcode code, std::size_t dst, std::size_t scale) {
  if (&writer == raw_root_) {
    emit(opcode::raw_bytes, dst, static_cast<std::size_t>(code), scale);
  } else {
    emit(code, dst, 0, scale);
  }
}

void plan_compiler::land(pc_t from) {
  code_->ops[from].a = here();
  barrier();
}

void plan_compiler::thread_jumps() {
  auto& ops = code_->ops;
  const auto goal = [&](pc_t at) {
    while (ops[at].code == opcode::jump) at = ops[at].a;  // all lead forward
    return at;
  };
  for (branch_target& branch : code_->branches) {
    branch.pc = goal(branch.pc);
    branch.shape.after = goal(branch.shape.after);
  }
  for (op& one : ops) {
    if (one.code == opcode::optional) one.a = goal(one.a);
    if (one.code != opcode::jump) continue;
    const op& last = ops[goal(one.a)];
    if (last.code == opcode::next || last.code == opcode::ret || last.code == opcode::end) {
      one = last;
    } else {
      one.a = goal(one.a);
    }
  }
}

plan_compiler::mark plan_compiler::save() const {
  const plan_code& c = *code_;
  return {c.ops.size(),   c.loops.size(),  c.branches.size(), c.symbols.size(), c.points.size(),
          c.types.size(), c.images.size(), c.defaults.size(), barrier_};
}

void plan_compiler::restore(const mark& to) {
  plan_code& c = *code_;
  c.ops.resize(to.ops);
  c.paths.resize(to.ops);
  c.loops.resize(to.loops);
  c.branches.resize(to.branches);
  c.symbols.resize(to.symbols);
  c.points.resize(to.points);
  c.types.resize(to.types);
  c.images.resize(to.images);
  c.defaults.resize(to.defaults);
  barrier_ = to.barrier;
  std::erase_if(subroutines_, [&](const auto& one) { return one.second >= to.ops; });
}

std::string plan_compiler::describe_target(const target& to) {
  if (to.reader != nullptr && (to.type->kind == type_kind::value || to.type->kind == type_kind::projection)) {
    return describe_node(*to.reader);
  }
  std::string text(to_string(to.type->kind));
  const std::string_view name =
      to.reader != nullptr && to.reader->is_named() ? to.reader->name : to.type->name;
  if (!name.empty()) text += " " + std::string(name);
  return text;
}

error plan_compiler::incompatible(const std::string& why) const {
  return {errc::schema_incompatible, (path_.empty() ? std::string("the root") : path_) + ": " + why};
}

error plan_compiler::mismatch(const schema_node& writer, const target& to) const {
  return incompatible("the writer has " + describe_node(writer) + ", the reader wants " +
                      describe_target(to));
}

bool plan_compiler::names_match(const schema_node& writer, const target& to) const {
  const std::string_view name = to.reader != nullptr ? std::string_view(to.reader->name) : to.type->name;
  if (name.empty() || unqualified(name) == unqualified(writer.name)) return true;
  if (to.reader == nullptr) return false;
  return std::any_of(to.reader->aliases.begin(), to.reader->aliases.end(), [&](const std::string& alias) {
    return alias == writer.name || unqualified(alias) == unqualified(writer.name);
  });
}

result<void> plan_compiler::value(const schema_node& writer, const target& to, std::size_t dst) {
  // Nested unions of candidates that all fail would be tried in every combination.
  if (++work_ > work_per_op_max * options_.limits.plan_ops_max || depth_ > compile_depth_max ||
      code_->ops.size() > options_.limits.plan_ops_max) {
    return error(errc::limit_exceeded, "a plan larger or deeper than the limit");
  }
  ++depth_;
  result<void> done;
  if (writer.type == schema_type::union_of) {
    done = from_union(writer, to, dst);
  } else if (to.type->kind == type_kind::optional || to.type->kind == type_kind::variant) {
    if (auto filled = into_union(writer, to, dst, true); !filled) done = filled.error();
  } else if (to.type->kind == type_kind::pointer) {
    done = pointer(writer, to, dst);
  } else if (to.type->kind == type_kind::value) {
    done = any_value(writer, to, dst);
  } else if (to.type->kind == type_kind::projection) {
    done = projected(writer, to, dst);
  } else if (to.reader != nullptr && to.reader->type == schema_type::union_of) {
    // A struct that leaves the null out: the branch that it can hold speaks for the reader.
    target branch = to;
    branch.reader = nullptr;
    for (const schema_node* one : to.reader->branches) {
      if (branch.reader == nullptr && affinity(*one, {to.type, nullptr}) > 1) branch.reader = one;
    }
    done = value(writer, branch, dst);
  } else {
    done = leaf(writer, to, dst);
  }
  --depth_;
  return done;
}

result<void> plan_compiler::leaf(const schema_node& writer, const target& to, std::size_t dst) {
  switch (to.type->kind) {
    case type_kind::null:
      return writer.type == schema_type::null ? result<void>() : mismatch(writer, to);
    case type_kind::boolean:
    case type_kind::int32:
    case type_kind::int64:
    case type_kind::float32:
    case type_kind::float64:
      return number(writer, to, dst);
    case type_kind::string:
    case type_kind::owned_string:
    case type_kind::bytes:
    case type_kind::owned_bytes:
      return text(writer, to, dst);
    case type_kind::enumeration:
      return symbol(writer, to, dst);
    case type_kind::fixed:
    case type_kind::duration:
      return fixed_value(writer, to, dst);
    case type_kind::uuid:
      return uuid_value(writer, to, dst);
    case type_kind::decimal:
      return decimal_value(writer, to, dst);
    case type_kind::date:
    case type_kind::time_millis:
    case type_kind::time_micros:
    case type_kind::timestamp_millis:
    case type_kind::timestamp_micros:
    case type_kind::timestamp_nanos:
    case type_kind::local_timestamp_millis:
    case type_kind::local_timestamp_micros:
    case type_kind::local_timestamp_nanos:
      return time_value(writer, to, dst);
    case type_kind::array:
    case type_kind::vector:
    case type_kind::map:
    case type_kind::owned_map:
      return collection(writer, to, dst);
    case type_kind::record:
      return record(writer, to, dst);
    case type_kind::optional:
    case type_kind::variant:
    case type_kind::pointer:
    case type_kind::value:
    case type_kind::projection:
      break;  // not leaves: value() takes them
  }
  return mismatch(writer, to);
}

result<void> plan_compiler::number(const schema_node& writer, const target& to, std::size_t dst) {
  const auto code = promotion(writer.type, to.type->kind);
  if (!code) return mismatch(writer, to);
  emit(*code, dst);
  return {};
}

// A number of another unit or of another meaning is never reinterpreted; a bare number is taken at its word.
result<void> plan_compiler::time_value(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.logical != logical_type::none && writer.logical != logical_of(to.type->kind))
    return mismatch(writer, to);
  const bool from_long = to.type->kind != type_kind::date && to.type->kind != type_kind::time_millis;
  if (writer.type == schema_type::int64 && from_long) {
    emit(opcode::int64, dst);
  } else if (writer.type == schema_type::int32) {
    emit(to.type->size == 8 ? opcode::int32_to_int64 : opcode::int32, dst);
  } else {
    return mismatch(writer, to);
  }
  return {};
}

result<void> plan_compiler::text(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.type != schema_type::string && writer.type != schema_type::bytes) return mismatch(writer, to);
  const bool validate = options_.validate_utf8;
  opcode code = opcode::owned_bytes;
  if (to.type->kind == type_kind::string) {
    code = validate ? opcode::string : opcode::string_unchecked;
  } else if (to.type->kind == type_kind::bytes) {
    code = opcode::bytes;
  } else if (to.type->kind == type_kind::owned_string) {
    code = validate ? opcode::owned_string : opcode::owned_string_unchecked;
  }
  emit_bytes(writer, code, dst, 0);
  return {};
}

result<void> plan_compiler::fixed_value(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.type != schema_type::fixed || writer.size != to.type->size) return mismatch(writer, to);
  if (!names_match(writer, to)) return mismatch(writer, to);
  if (writer.size > 0) emit(opcode::fixed, dst, writer.size);
  return {};
}

result<void> plan_compiler::uuid_value(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.type == schema_type::string) {
    emit(opcode::uuid_text, dst);
  } else if (writer.type == schema_type::fixed && writer.size == 16) {
    emit(opcode::fixed, dst, 16);
  } else {
    return mismatch(writer, to);
  }
  return {};
}

result<void> plan_compiler::decimal_value(const schema_node& writer, const target& to, std::size_t dst) {
  const schema_node* reader = to.reader;
  if (writer.logical == logical_type::big_decimal) {
    if (reader != nullptr && reader->logical != logical_type::big_decimal) return mismatch(writer, to);
    if (&writer == raw_root_) return incompatible("a big-decimal cannot be raw bytes");
    emit(opcode::big_decimal, dst);
    return {};
  }
  const bool is_decimal = writer.logical == logical_type::decimal;
  if (!is_decimal && (reader == nullptr || reader->logical != logical_type::decimal))
    return mismatch(writer, to);
  if (is_decimal && reader != nullptr && reader->scale != writer.scale) {
    return incompatible("the writer's decimal has scale " + std::to_string(writer.scale) + ", the reader's " +
                        std::to_string(reader->scale));
  }
  const std::int32_t scale = is_decimal ? writer.scale : reader->scale;
  if (writer.type == schema_type::fixed) {
    if (reader != nullptr && (reader->type != schema_type::fixed || reader->size != writer.size))
      return mismatch(writer, to);
    emit(opcode::decimal_fixed, dst, writer.size, static_cast<std::uint32_t>(scale));
  } else if (writer.type == schema_type::bytes || writer.type == schema_type::string) {
    if (reader != nullptr && reader->type == schema_type::fixed) return mismatch(writer, to);
    emit_bytes(writer, opcode::decimal, dst, static_cast<std::uint32_t>(scale));
  } else {
    return mismatch(writer, to);
  }
  return {};
}

result<void> plan_compiler::symbol(const schema_node& writer, const target& to, std::size_t dst) {
  if (writer.type != schema_type::enumeration || !names_match(writer, to)) return mismatch(writer, to);
  std::unordered_map<std::string_view, std::int32_t> values;
  for (const symbol_descriptor& known : to.type->symbols) values.emplace(known.name, known.value);
  const auto value_of = [&](std::string_view name) {
    const auto found = values.find(name);
    return found == values.end() ? no_symbol : found->second;
  };
  std::int32_t fallback = no_symbol;
  if (to.reader != nullptr && to.reader->default_symbol) fallback = value_of(*to.reader->default_symbol);
  const std::size_t first = code_->symbols.size();
  bool any = writer.symbols.empty();
  for (const std::string& name : writer.symbols) {
    const std::int32_t value = value_of(name);
    code_->symbols.push_back(value == no_symbol ? fallback : value);
    any |= code_->symbols.back() != no_symbol;
  }
  if (!any)
    return incompatible("no symbol of the writer's enum " + writer.name + " exists in " +
                        describe_target(to));
  const opcode code = to.type->size == 1   ? opcode::enum8
                      : to.type->size == 2 ? opcode::enum16
                                           : opcode::enum32;
  emit(code, dst, first, writer.symbols.size());
  return {};
}

// The operations from `body` on read one string after the other and fill the item.
bool plan_compiler::only_strings(pc_t body, const loop& of) const {
  const std::size_t each = here() - body;
  if (of.kind != loop_kind::array || each == 0 || of.stride != each * sizeof(std::string_view)) return false;
  for (std::size_t i = 0; i < each; ++i) {
    const op& one = code_->ops[body + i];
    if (one.code != opcode::string || one.dst != i * sizeof(std::string_view)) return false;
  }
  return true;
}

result<void> plan_compiler::collection(const schema_node& writer, const target& to, std::size_t dst) {
  const type_descriptor& type = *to.type;
  const bool is_map = type.kind == type_kind::map || type.kind == type_kind::owned_map;
  if (writer.type != (is_map ? schema_type::map : schema_type::array)) return mismatch(writer, to);
  const type_descriptor& item = *type.item;
  const target inner{&item, to.reader != nullptr ? to.reader->item : nullptr};

  loop made;
  made.dst = static_cast<std::uint32_t>(dst);
  made.wire_bytes_min = writer.item->wire_bytes_min + (is_map ? 1U : 0U);
  made.operations = &type.operations;
  opcode open = opcode::array;
  if (type.kind == type_kind::array || type.kind == type_kind::map) {
    const std::size_t entry = type.value_offset + item.size;
    const std::size_t align = is_map ? std::max(item.align, alignof(std::string_view)) : item.align;
    made.kind = loop_kind::array;
    made.align = static_cast<std::uint32_t>(align);
    made.stride = static_cast<std::uint32_t>(is_map ? (entry + align - 1) / align * align : item.size);
    made.construct = needs_construction(item);
    made.operations = is_map ? &type.operations : &item.operations;
  } else if (type.kind == type_kind::vector || type.entry_size != 0) {
    made.kind = loop_kind::vector;
    made.stride = static_cast<std::uint32_t>(is_map ? type.entry_size : item.size);
    open = opcode::vector;
  } else {
    made.kind = loop_kind::owned_map;
    made.stride = static_cast<std::uint32_t>(item.size);  // counted, not stepped over
    open = opcode::owned_map;
  }
  made.plain = !made.construct && made.wire_bytes_min > 0;
  const std::size_t index = code_->loops.size();
  code_->loops.push_back(made);
  emit(open, 0, index);
  barrier();
  const pc_t body = here();
  const step inside(*this, "[]");
  if (type.kind == type_kind::map) {
    emit(options_.validate_utf8 ? opcode::string : opcode::string_unchecked);
  } else if (type.entry_size != 0) {
    emit(options_.validate_utf8 ? opcode::owned_string : opcode::owned_string_unchecked);
  } else if (type.kind == type_kind::owned_map) {
    emit(opcode::map_key, 0, index);
  }
  if (auto done = value(*writer.item, inner, is_map ? type.value_offset : 0); !done) return done;
  if (only_strings(body, made)) {
    const std::size_t each = here() - body;
    code_->ops.resize(body);
    code_->paths.resize(body);
    code_->ops[body - 1].code = opcode::string_array;
    emit(opcode::strings, 0, index, each);
  } else if (type.kind == type_kind::vector && here() == body + 1 && is_owned_string(code_->ops[body].code)) {
    op& all = code_->ops[body];
    all.b = all.code == opcode::owned_string ? 1 : 0;
    all.code = opcode::owned_strings;
    all.a = static_cast<std::uint32_t>(index);
  } else {
    if (type.kind == type_kind::map && code_->ops[body].code == opcode::string &&
        code_->ops[body + 1].code == opcode::scalar_variant) {
      if (!made.construct) code_->ops[body - 1].code = opcode::entry_array;
      code_->ops[body].code = opcode::entry;
      code_->ops[body].a = static_cast<std::uint32_t>(index);
    }
    emit(opcode::next, made.kind == loop_kind::owned_map ? 0 : made.stride, index, body);
  }
  code_->loops[index].body = body;
  code_->loops[index].end = here();
  barrier();
  return {};
}

result<plan> plan::compile(const schema& writer, const type_descriptor& target_type,
                           const plan_options& options) {
  if (!target_type.schema_text.empty()) {
    parse_options parsing;
    parsing.limits = options.limits;
    auto reader = schema::parse(target_type.schema_text, parsing);
    if (!reader) return reader.error().in("the target's own schema");
    return compile(writer, target_type, *reader, options);
  }
  auto code = plan_compiler(options).compile(writer, {&target_type, nullptr});
  if (!code) return code.error();
  return plan(*std::move(code));
}

result<plan> plan::compile(const schema& writer, const type_descriptor& target_type, const schema& reader,
                           const plan_options& options) {
  plan_compiler compiler(options);
  compiler.keep(reader);
  auto code = compiler.compile(writer, {&target_type, &reader.root()});
  if (!code) return code.error();
  return plan(*std::move(code));
}

std::size_t plan::size() const noexcept { return code_->ops.size(); }

result<std::size_t> plan::decode(bytes_view in, arena& memory, void* out) const {
  fault failed;
  const std::size_t used = run(*code_, in, memory, out, failed);
  if (failed.why == nullptr) [[likely]]
    return used;
  const std::string& path = code_->path_names[code_->paths[failed.pc]];
  return error(failed.code, (path.empty() ? std::string("the value") : path) + ": " + failed.why +
                                ", at byte " + std::to_string(failed.offset));
}

}  // namespace millrace::avro
