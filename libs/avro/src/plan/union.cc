// Unions. The writer's index picks a row of a jump table; which alternative of the target each row fills is
// decided here: the same type and full name first, then the same unqualified name or an alias, then the first
// promotion (as Java does; the text of the specification takes the first match of any sort).
#include <algorithm>

#include "plan/compiler.h"
#include "plan/steps.h"

namespace millrace::avro {
namespace {

enum class base : std::uint16_t {
  null = 1,
  boolean = 2,
  int32 = 4,
  int64 = 8,
  float32 = 16,
  float64 = 32,
  bytes = 64,
  string = 128,
  record = 256,
  enumeration = 512,
  array = 1024,
  map = 2048,
  fixed = 4096,
};

[[nodiscard]] constexpr unsigned bits(base one) { return static_cast<unsigned>(one); }

[[nodiscard]] unsigned base_of(schema_type type) {
  switch (type) {
    case schema_type::null:
      return bits(base::null);
    case schema_type::boolean:
      return bits(base::boolean);
    case schema_type::int32:
      return bits(base::int32);
    case schema_type::int64:
      return bits(base::int64);
    case schema_type::float32:
      return bits(base::float32);
    case schema_type::float64:
      return bits(base::float64);
    case schema_type::bytes:
      return bits(base::bytes);
    case schema_type::string:
      return bits(base::string);
    case schema_type::record:
      return bits(base::record);
    case schema_type::enumeration:
      return bits(base::enumeration);
    case schema_type::array:
      return bits(base::array);
    case schema_type::map:
      return bits(base::map);
    case schema_type::fixed:
      return bits(base::fixed);
    case schema_type::union_of:
      return 0;
  }
  return 0;
}

[[nodiscard]] unsigned bases_of(type_kind kind) {
  switch (kind) {
    case type_kind::null:
      return bits(base::null);
    case type_kind::boolean:
      return bits(base::boolean);
    case type_kind::int32:
    case type_kind::date:
    case type_kind::time_millis:
      return bits(base::int32);
    case type_kind::int64:
    case type_kind::time_micros:
    case type_kind::timestamp_millis:
    case type_kind::timestamp_micros:
    case type_kind::timestamp_nanos:
    case type_kind::local_timestamp_millis:
    case type_kind::local_timestamp_micros:
    case type_kind::local_timestamp_nanos:
      return bits(base::int64);
    case type_kind::float32:
      return bits(base::float32);
    case type_kind::float64:
      return bits(base::float64);
    case type_kind::string:
    case type_kind::owned_string:
      return bits(base::string);
    case type_kind::bytes:
    case type_kind::owned_bytes:
      return bits(base::bytes);
    case type_kind::enumeration:
      return bits(base::enumeration);
    case type_kind::fixed:
    case type_kind::duration:
      return bits(base::fixed);
    case type_kind::uuid:
      return bits(base::string) | bits(base::fixed);
    case type_kind::decimal:
      return bits(base::bytes) | bits(base::fixed);
    case type_kind::array:
    case type_kind::vector:
      return bits(base::array);
    case type_kind::map:
    case type_kind::owned_map:
      return bits(base::map);
    case type_kind::record:
    case type_kind::pointer:
      return bits(base::record);
    case type_kind::value:
      return ~0U;
    case type_kind::projection:
      return bits(base::record);
    case type_kind::optional:
    case type_kind::variant:
      return 0;
  }
  return 0;
}

// What the specification lets a value of this type be read as, besides its own type.
[[nodiscard]] unsigned promotions_of(schema_type type) {
  const unsigned floats = bits(base::float32) | bits(base::float64);
  if (type == schema_type::int32) return bits(base::int64) | floats;
  if (type == schema_type::int64) return floats;
  if (type == schema_type::float32) return bits(base::float64);
  if (type == schema_type::string) return bits(base::bytes);
  if (type == schema_type::bytes) return bits(base::string);
  return 0;
}

// Of a branch whose only operation is this one; an empty shape for what is no scalar.
[[nodiscard]] scalar_shape scalar_of(const op& only) {
  constexpr std::uint64_t all = ~std::uint64_t{0};
  constexpr std::uint64_t five_bytes = 0x8080808080;
  const opcode code = only.code;
  const bool once = only.a == 1;  // of skips
  if (code == opcode::boolean) return {.last_bytes = all, .bad_word = 0xFE, .raw = all, .wire_bytes = 1};
  if (code == opcode::int32 || code == opcode::int32_to_int64 || (code == opcode::skip_int && once)) {
    return {.last_bytes = five_bytes, .bad_number = all << 32U, .number = all};
  }
  if (code == opcode::skip_int && only.a == 2) {
    return {.last_bytes = five_bytes, .number = all, .more = 1};  // in five bytes, so that each is an int
  }
  if (code == opcode::int64 || (code == opcode::skip_long && once)) return {.last_bytes = all, .number = all};
  if (code == opcode::float32) return {.last_bytes = all, .raw = all, .wire_bytes = 4};
  if (code == opcode::float64) return {.last_bytes = all, .raw = all, .wire_bytes = 8};
  if (code == opcode::skip_fixed && only.a <= 8) {
    return {.last_bytes = all, .wire_bytes = static_cast<std::uint16_t>(only.a)};
  }
  if (code == opcode::string || code == opcode::string_unchecked || (code == opcode::skip_bytes && once)) {
    return {.last_bytes = all, .bad_word = 0x81, .text = 0x3F, .wire_bytes = 1};  // of less than 64 bytes
  }
  return {};
}

}  // namespace

bool needs_construction(const type_descriptor& type) {
  if (type.kind == type_kind::record) {
    return !type.complete ||
           std::any_of(type.fields.begin(), type.fields.end(),
                       [](const field_descriptor& field) { return needs_construction(*field.type); });
  }
  return (type.kind == type_kind::optional || type.kind == type_kind::variant) && !direct_tag(type);
}

std::optional<std::size_t> direct_tag(const type_descriptor& type) {
  const bool whole = type.kind == type_kind::optional
                         ? !needs_construction(*type.item)
                         : std::none_of(type.alternatives.begin(), type.alternatives.end(),
                                        [](const type_ref& one) { return needs_construction(*one); });
  return whole ? type.tag_offset : std::nullopt;
}

// 3: the same type (and full name); 2: the same unqualified name or an alias; 1: a promotion; 0: neither.
int plan_compiler::affinity(const schema_node& writer, const target& to) const {
  const unsigned wanted = to.reader != nullptr ? base_of(to.reader->type) : bases_of(to.type->kind);
  if ((base_of(writer.type) & wanted) != 0) {
    if (!writer.is_named()) return 3;
    const std::string_view name = to.reader != nullptr                  ? std::string_view(to.reader->name)
                                  : to.type->kind == type_kind::pointer ? to.type->item->name
                                                                        : to.type->name;
    if (name == writer.name) return 3;
    const target named = to.type->kind == type_kind::pointer ? target{&*to.type->item, to.reader} : to;
    if (names_match(writer, named)) return 2;
    return options_.ignore_record_names && writer.type == schema_type::record ? 1 : 0;
  }
  return (promotions_of(writer.type) & wanted) != 0 ? 1 : 0;
}

// The alternatives of an optional (null first) or variant, each with the reader's branch that it stands for.
std::vector<target> plan_compiler::alternatives_of(const target& to) {
  static const type_descriptor nothing;  // kind null
  const bool has_union = to.reader != nullptr && to.reader->type == schema_type::union_of;
  std::vector<target> found;
  if (to.type->kind == type_kind::optional) {
    const schema_node* full = has_union ? nullptr : to.reader;
    if (has_union) {
      for (const schema_node* branch : to.reader->branches) {
        if (branch->type != schema_type::null) full = branch;
      }
    }
    found.push_back({&nothing, nullptr});
    found.push_back({&*to.type->item, full});
    return found;
  }
  const auto& types = to.type->alternatives;
  // Generated variants list the branches in the reader's order.
  const bool parallel = has_union && to.reader->branches.size() == types.size();
  for (std::size_t i = 0; i < types.size(); ++i)
    found.push_back({&*types[i], parallel ? to.reader->branches[i] : nullptr});
  return found;
}

std::vector<std::size_t> plan_compiler::candidates(const schema_node& writer, const target& to) const {
  const std::vector<target> all = alternatives_of(to);
  std::vector<std::size_t> order;
  for (int level = 3; level > 0; --level) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      // An optional<variant<...>> or optional<optional<...>> is reached through its inside.
      const bool nested = all[i].type->kind == type_kind::optional || all[i].type->kind == type_kind::variant;
      if ((nested ? 1 : affinity(writer, all[i])) == level) order.push_back(i);
    }
  }
  return order;
}

result<void> plan_compiler::alternative(const schema_node& writer, const target& to, std::size_t index,
                                        std::size_t dst, bool set_tag) {
  const target inner = alternatives_of(to)[index];
  if (!direct_tag(*to.type)) {
    code_->types.push_back(to.type);
    emit(opcode::emplace, dst, index, code_->types.size() - 1);
  } else if (set_tag) {
    emit(opcode::set_tag, dst + *direct_tag(*to.type), index);
  }
  return value(writer, inner, dst + to.type->payload_offset);
}

// `writer` is no union; the target is an optional or a variant. Which alternative it fills.
result<std::size_t> plan_compiler::into_union(const schema_node& writer, const target& to, std::size_t dst,
                                              bool set_tag) {
  std::optional<error> first;
  for (const std::size_t index : candidates(writer, to)) {
    const mark before = save();
    auto done = alternative(writer, to, index, dst, set_tag);
    if (done) return index;
    if (done.error().code() == errc::limit_exceeded) return done.error();
    if (!first) first = done.error();
    restore(before);
  }
  return first ? *first : mismatch(writer, to);
}

// ["null", T] or [T, "null"] into an optional whose tag may be stored directly.
result<void> plan_compiler::nullable(const schema_node& writer, const target& to, std::size_t dst) {
  const bool null_first = writer.branches[0]->type == schema_type::null;
  const schema_node& full = *writer.branches[null_first ? 1 : 0];
  const std::size_t tag = dst + *direct_tag(*to.type);
  const std::size_t null_byte = null_first ? 0 : 2;
  const mark before = save();
  const pc_t at = emit(opcode::optional, tag, 0, 0, null_byte);
  barrier();
  const target inner = alternatives_of(to)[1];
  if (auto done = value(full, inner, dst + to.type->payload_offset); !done) {
    if (done.error().code() == errc::limit_exceeded) return done;
    restore(before);
    return done;
  }
  const opcode only = here() == at + 2 ? code_->ops[at + 1].code : opcode::end;
  if (only == opcode::string || only == opcode::string_unchecked) {
    restore(before);
    emit(opcode::optional_string, tag, dst + to.type->payload_offset, only == opcode::string ? 1 : 0,
         null_byte);
    return {};
  }
  if (only == opcode::float32 || only == opcode::float64) {
    restore(before);
    emit(opcode::optional_fixed, tag, dst + to.type->payload_offset, only == opcode::float32 ? 4 : 8,
         null_byte);
    return {};
  }
  const auto ints = only_ints(at + 1);
  land(at);
  if (ints) {
    const op first = code_->ops[at + 1];
    restore(before);
    emit(opcode::optional_ints, tag, first.dst, *ints, null_byte);
  }
  return {};
}

// ["null", "string"] or the reverse into a std::optional<std::string>. False: something else.
bool plan_compiler::nullable_owned_string(const schema_node& writer, const target& to, std::size_t dst) {
  if (to.type->kind != type_kind::optional || to.type->item->kind != type_kind::owned_string) return false;
  if (writer.branches.size() != 2) return false;
  const bool null_first = writer.branches[0]->type == schema_type::null;
  const schema_node& full = *writer.branches[null_first ? 1 : 0];
  if (writer.branches[null_first ? 0 : 1]->type != schema_type::null) return false;
  const target inner = alternatives_of(to)[1];
  if (affinity(full, inner) == 0) return false;
  const mark before = save();
  const pc_t at = here();
  const bool done = static_cast<bool>(value(full, inner, dst + to.type->payload_offset));
  const opcode only = done && here() == at + 1 ? code_->ops[at].code : opcode::end;
  restore(before);
  if (!is_owned_string(only)) return false;
  emit(opcode::optional_owned_string, dst, 0, only == opcode::owned_string ? 1 : 0, null_first ? 0 : 2);
  return true;
}

// How many operations there are from `from` on, where each reads an int32 behind the one before and they are
// few.
std::optional<std::size_t> plan_compiler::only_ints(pc_t from) const {
  const std::size_t count = here() - from;
  if (count == 0 || count > 4 || options_.strict) return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) {
    const op& one = code_->ops[from + i];
    if (one.code != opcode::int32 || one.dst != code_->ops[from].dst + i * sizeof(std::int32_t))
      return std::nullopt;
  }
  return count;
}

// The union at `at`, whose branches have been compiled to ops up to here: shapes for the branches that are
// one scalar (stored at `payload`) or nothing. False: too few are, or a careful reader wants more checks than
// the shapes have.
bool plan_compiler::shape_scalars(pc_t at, std::size_t payload) {
  const op& open = code_->ops[at];
  std::size_t scalars = 0;
  for (std::size_t i = 0; i < open.b; ++i) {
    branch_target& branch = code_->branches[open.a + i];
    const pc_t end = i + 1 < open.b ? code_->branches[open.a + i + 1].pc - 1 : here();  // without its jump
    const op* const first = branch.pc == here() ? nullptr : &code_->ops[branch.pc];
    if (end == branch.pc && (first == nullptr || first->code != opcode::unresolvable)) {
      branch.shape.last_bytes = ~std::uint64_t{0};
    } else if (end == branch.pc + 1 && first->dst == payload) {
      branch.shape = scalar_of(*first);
    }
    branch.shape.after = here();
    scalars += branch.shape.last_bytes != 0 ? 1 : 0;
  }
  return 2 * scalars > open.b && !options_.strict;
}

// A variant of scalars, most of them, is read without jumps. A scalar is stored as two words.
void plan_compiler::read_scalars(pc_t at, const type_descriptor& variant) {
  const std::size_t room = *direct_tag(variant) - variant.payload_offset;
  if (room < sizeof(two_words) || room > UINT16_MAX || !shape_scalars(at, code_->ops[at].dst - room)) return;
  code_->ops[at].code = opcode::scalar_variant;
  code_->ops[at].aux = static_cast<std::uint16_t>(room);
}

result<void> plan_compiler::from_union(const schema_node& writer, const target& to, std::size_t dst) {
  const bool to_union = to.type->kind == type_kind::optional || to.type->kind == type_kind::variant;
  const bool has_null =
      std::any_of(writer.branches.begin(), writer.branches.end(),
                  [](const schema_node* branch) { return branch->type == schema_type::null; });
  if (to.type->kind == type_kind::optional && direct_tag(*to.type) && writer.branches.size() == 2 &&
      has_null) {
    const std::size_t full = writer.branches[0]->type == schema_type::null ? 1 : 0;
    const target inner = alternatives_of(to)[1];
    if (affinity(*writer.branches[full], inner) > 0) {
      // Where the value can never be read, the null still can: then the jump table below says so per datum.
      auto done = nullable(writer, to, dst);
      if (done || done.error().code() == errc::limit_exceeded) return done;
    }
  }
  if (nullable_owned_string(writer, to, dst)) return {};
  const std::size_t table = code_->branches.size();
  code_->branches.resize(table + writer.branches.size());
  const bool store_tag = to_union && direct_tag(*to.type).has_value();
  const pc_t at = emit(store_tag ? opcode::variant : opcode::branch,
                       store_tag ? dst + *direct_tag(*to.type) : 0, table, writer.branches.size());
  std::vector<pc_t> jumps;
  std::optional<error> first;
  bool any = false;
  for (std::size_t i = 0; i < writer.branches.size(); ++i) {
    const schema_node& branch = *writer.branches[i];
    barrier();
    const pc_t start = here();
    const mark before = save();
    std::size_t tag = 0;
    result<void> done;
    if (to_union) {
      auto filled = into_union(branch, to, dst, !store_tag);
      if (filled) {
        tag = *filled;
      } else {
        done = filled.error();
      }
    } else {
      done = value(branch, to, dst);
    }
    if (done) {
      any = true;
      if (i + 1 < writer.branches.size()) jumps.push_back(emit(opcode::jump));
    } else {
      if (done.error().code() == errc::limit_exceeded) return done;
      if (!first) first = done.error();
      restore(before);
      emit(opcode::unresolvable);
    }
    code_->branches[table + i].tag = static_cast<std::uint32_t>(tag);
    code_->branches[table + i].pc = start;
  }
  for (const pc_t jump : jumps) land(jump);
  barrier();
  if (store_tag) read_scalars(at, *to.type);
  if (!any && !writer.branches.empty()) return *first;
  return {};
}

}  // namespace millrace::avro
