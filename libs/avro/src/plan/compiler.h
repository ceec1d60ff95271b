// (writer's schema, target) → plan_code. Walks both together and settles schema resolution; one object
// compiles one plan. Files: plan_compiler.cc (leaves, collections), plan_record.cc (records and defaults),
// plan_union.cc, plan_value.cc (values of any schema), plan_projection.cc, plan_skip.cc.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "plan/code.h"

namespace millrace::avro {

// What a value is decoded into: the type, and the reader's schema of it where there is one.
struct target {
  const type_descriptor* type = nullptr;
  const schema_node* reader = nullptr;
};

[[nodiscard]] inline bool is_owned_string(opcode code) noexcept {
  return code == opcode::owned_string || code == opcode::owned_string_unchecked;
}

class plan_compiler {
 public:
  explicit plan_compiler(const plan_options& options,
                         std::shared_ptr<arena> constants = std::make_shared<arena>());

  // A message; and a part of one: a default.
  [[nodiscard]] result<std::shared_ptr<const plan_code>> compile(const schema& writer, const target& to);
  [[nodiscard]] result<std::shared_ptr<const plan_code>> compile(const schema_node& writer, const target& to);
  // The plan keeps a schema whose nodes it uses.
  void keep(const schema& used) { code_->kept.push_back(used); }
  // Whether some field of a projection's slot was found in the reader's schema.
  [[nodiscard]] bool reached(std::size_t slot) const { return reached_.contains(slot); }

 private:
  using pc_t = std::uint32_t;

  // Every function below appends the operations that read one `writer` value into `to` at `dst`.
  [[nodiscard]] result<void> value(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> leaf(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> number(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> time_value(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> text(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> fixed_value(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> uuid_value(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> decimal_value(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> symbol(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> collection(const schema_node& writer, const target& to, std::size_t dst);

  [[nodiscard]] bool only_strings(pc_t body, const loop& of) const;

  // plan_record.cc
  [[nodiscard]] result<void> record(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> record_body(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> check_record_name(const schema_node& writer, const target& to);
  [[nodiscard]] result<std::vector<const schema_field*>> bind_fields(const schema_node& writer,
                                                                     const target& to,
                                                                     std::vector<int>& target_of) const;
  [[nodiscard]] result<pc_t> subroutine(const schema_node& writer, const target& to);
  [[nodiscard]] result<void> default_value(const schema_node& reader, std::string_view json, const target& to,
                                           std::size_t dst);
  [[nodiscard]] result<void> pointer(const schema_node& writer, const target& to, std::size_t dst);

  // plan_value.cc
  [[nodiscard]] result<void> any_value(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> content(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> record_value(const schema_node& writer, const schema_node& reader,
                                          std::size_t dst);
  struct shape;
  [[nodiscard]] const shape& shape_of(const schema_node& reader);
  // Tries the branches of the reader's union, best first, until `read` succeeds with one.
  template <class Read>
  [[nodiscard]] result<void> first_branch(const schema_node& writer, const target& to, const Read& read);

  // plan_projection.cc
  [[nodiscard]] result<void> projected(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<void> projected_record(const schema_node& writer, const target& to, std::size_t dst);
  void null_slots(const type_descriptor& type, std::size_t dst);

  // plan_union.cc
  [[nodiscard]] result<void> from_union(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] std::optional<std::size_t> only_ints(pc_t from) const;
  void read_scalars(pc_t at, const type_descriptor& variant);
  [[nodiscard]] bool nullable_owned_string(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] bool shape_scalars(pc_t at, std::size_t payload = 0);
  [[nodiscard]] result<void> nullable(const schema_node& writer, const target& to, std::size_t dst);
  [[nodiscard]] result<std::size_t> into_union(const schema_node& writer, const target& to, std::size_t dst,
                                               bool set_tag);
  [[nodiscard]] result<void> alternative(const schema_node& writer, const target& to, std::size_t index,
                                         std::size_t dst, bool set_tag);
  [[nodiscard]] std::vector<std::size_t> candidates(const schema_node& writer, const target& to) const;
  [[nodiscard]] int affinity(const schema_node& writer, const target& to) const;
  [[nodiscard]] static std::vector<target> alternatives_of(const target& to);

  // plan_skip.cc: the wire form of a value that is not read.
  [[nodiscard]] result<void> skip(const schema_node& writer);
  [[nodiscard]] result<void> skip_record(const schema_node& writer);
  [[nodiscard]] result<void> skip_collection(const schema_node& writer);
  void skip_run(opcode code, std::size_t amount);
  void skip_nullable(const schema_node& writer, pc_t at);

  [[nodiscard]] bool names_match(const schema_node& writer, const target& to) const;
  [[nodiscard]] error incompatible(const std::string& why) const;
  [[nodiscard]] error mismatch(const schema_node& writer, const target& to) const;
  [[nodiscard]] static std::string describe_target(const target& to);

  pc_t emit(opcode code, std::size_t dst = 0, std::size_t a = 0, std::size_t b = 0, std::size_t aux = 0);
  // `code` reads bytes behind a length; where the root is raw, there is none.
  void emit_bytes(const schema_node& writer, opcode code, std::size_t dst, std::size_t scale);
  [[nodiscard]] pc_t here() const { return static_cast<pc_t>(code_->ops.size()); }
  // No operation before this place may be merged with one behind it.
  void barrier() { barrier_ = here(); }
  // The jump at `from` leads here.
  void land(pc_t from);

  // Jumps to jumps, to the end of an item or of a record are replaced by where they lead.
  void thread_jumps();

  // What a failed attempt leaves behind is taken back.
  struct mark {
    std::size_t ops, loops, branches, symbols, points, types, images, defaults;
    pc_t barrier;
  };
  [[nodiscard]] mark save() const;
  void restore(const mark& to);

  // Path of the value being compiled, for messages.
  class step;
  [[nodiscard]] std::uint32_t path_id();

  const plan_options& options_;
  std::shared_ptr<plan_code> code_;
  std::string path_;
  std::uint32_t path_id_ = 0;
  bool path_known_ = false;
  std::map<std::string, std::uint32_t, std::less<>> path_ids_;
  pc_t barrier_ = 0;
  std::size_t budget_left_;  // of defaults
  std::size_t work_ = 0;     // what failed attempts cost is never taken back
  const schema_node* raw_root_ = nullptr;
  std::size_t depth_ = 0;
  using pair_key = std::tuple<const schema_node*, const type_descriptor*, const schema_node*>;
  std::map<pair_key, pc_t> subroutines_;
  std::map<pair_key, int> inlined_;
  // What the descriptors of C++ types are to structs, made of the reader's schema: for values, projections.
  std::map<const schema_node*, std::unique_ptr<shape>> shapes_;
  std::vector<std::unique_ptr<type_descriptor>> subsets_;
  std::set<std::size_t> reached_;
};

struct plan_compiler::shape {
  type_descriptor type;
  const void* image = nullptr;  // of a record's fields: types that are known before the message is
};

template <class Read>
result<void> plan_compiler::first_branch(const schema_node& writer, const target& to, const Read& read) {
  std::optional<error> first;
  for (int level = 3; level > 0; --level) {
    for (const schema_node* branch : to.reader->branches) {
      const target inner{to.type, branch};
      if (affinity(writer, inner) != level) continue;
      const mark before = save();
      auto done = read(inner);
      if (done || done.error().code() == errc::limit_exceeded) return done;
      if (!first) first = done.error();
      restore(before);
    }
  }
  return first ? *first : mismatch(writer, to);
}

// A record used in several places is compiled in place this often, then once more as a subroutine: without a
// bound, records that hold two of the record before double the plan at every level.
inline constexpr int inline_max = 4;

// A value whose type is stored already.
[[nodiscard]] const type_descriptor& typed_value();

// Adds ".name" to the path while it lives.
class plan_compiler::step {
 public:
  step(plan_compiler& of, std::string_view name) : of_(of), before_(of.path_.size()) {
    if (!of_.path_.empty() && name != "[]") of_.path_ += '.';
    of_.path_ += name;
    of_.path_known_ = false;
  }
  ~step() {
    of_.path_.resize(before_);
    of_.path_known_ = false;
  }
  step(const step&) = delete;
  step& operator=(const step&) = delete;

 private:
  plan_compiler& of_;
  std::size_t before_;
};

// An object of this type must be constructed before it is decoded into: it has undescribed members,
// or its state cannot be set by bytes.
[[nodiscard]] bool needs_construction(const type_descriptor& type);
// The tag of an optional or variant, where storing it (and the members of the value) makes a whole object.
[[nodiscard]] std::optional<std::size_t> direct_tag(const type_descriptor& type);

// The bytes of every value of this type, where they are all the same.
[[nodiscard]] std::optional<std::size_t> fixed_wire_bytes(const schema_node& node, std::size_t depth = 0);

// A reader's schema for a type that has none: what its kinds say. For defaults, and for encoding structs
// without a schema of their own. errc::schema_invalid when the type is ambiguous (an enum without symbols).
[[nodiscard]] result<schema> derive_schema(const type_descriptor& type, const limits& limit);

}  // namespace millrace::avro
