// A schema → shapes. Records are shared, so that recursive schemas end; a branch of a union has a shape of its
// own, because its neighbours decide which texts it may read.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "json/encoder.h"
#include "json/shape.h"
#include "run/wire_write.h"

namespace millrace::avro {
namespace {

constexpr std::size_t depth_limit_factor = 16;  // of schema_depth_max: references join schemas

// The types in which a kind can only be written, and those in which it may be written besides.
struct accepted {
  token_mask always;
  token_mask besides;
};
[[nodiscard]] accepted accepted_by(shape_kind kind) noexcept {
  const token_mask number = mask_of(token::number);
  const token_mask text = mask_of(token::text);
  switch (kind) {
    case shape_kind::null:
      return {mask_of(token::null), 0};
    case shape_kind::boolean:
      return {mask_of(token::boolean), 0};
    case shape_kind::int32:
    case shape_kind::int64:
      return {number, 0};
    case shape_kind::float32:
    case shape_kind::float64:
    case shape_kind::date:
    case shape_kind::time:
    case shape_kind::instant:
    case shape_kind::local_instant:
    case shape_kind::decimal:
    case shape_kind::decimal_fixed:
    case shape_kind::big_decimal:
      return {number, text};
    case shape_kind::string:
    case shape_kind::uuid_text:
    case shape_kind::uuid_fixed:
    case shape_kind::bytes:
    case shape_kind::fixed:
    case shape_kind::enumeration:
      return {text, 0};
    case shape_kind::array:
      return {mask_of(token::array), 0};
    case shape_kind::map:
    case shape_kind::record:
    case shape_kind::duration:
      return {mask_of(token::object), 0};
    case shape_kind::optional:
    case shape_kind::union_of:
      break;  // a union is no branch
  }
  return {0, 0};
}
[[nodiscard]] bool is_plain_number(shape_kind kind) noexcept {
  return kind == shape_kind::int32 || kind == shape_kind::int64 || kind == shape_kind::float32 ||
         kind == shape_kind::float64;
}

[[nodiscard]] std::uint8_t digits_of(logical_type logical) noexcept {
  switch (logical) {
    case logical_type::time_millis:
    case logical_type::timestamp_millis:
    case logical_type::local_timestamp_millis:
      return 3;
    case logical_type::time_micros:
    case logical_type::timestamp_micros:
    case logical_type::local_timestamp_micros:
      return 6;
    case logical_type::timestamp_nanos:
    case logical_type::local_timestamp_nanos:
      return 9;
    case logical_type::none:
    case logical_type::decimal:
    case logical_type::big_decimal:
    case logical_type::uuid:
    case logical_type::date:
    case logical_type::duration:
      break;
  }
  return 0;
}

[[nodiscard]] shape_kind kind_of(const schema_node& type) noexcept {
  const bool fixed = type.type == schema_type::fixed;
  switch (type.logical) {
    case logical_type::none:
      break;
    case logical_type::decimal:
      return fixed ? shape_kind::decimal_fixed : shape_kind::decimal;
    case logical_type::big_decimal:
      return shape_kind::big_decimal;
    case logical_type::uuid:
      return fixed ? shape_kind::uuid_fixed : shape_kind::uuid_text;
    case logical_type::date:
      return shape_kind::date;
    case logical_type::time_millis:
    case logical_type::time_micros:
      return shape_kind::time;
    case logical_type::timestamp_millis:
    case logical_type::timestamp_micros:
    case logical_type::timestamp_nanos:
      return shape_kind::instant;
    case logical_type::local_timestamp_millis:
    case logical_type::local_timestamp_micros:
    case logical_type::local_timestamp_nanos:
      return shape_kind::local_instant;
    case logical_type::duration:
      return shape_kind::duration;
  }
  switch (type.type) {
    case schema_type::null:
      return shape_kind::null;
    case schema_type::boolean:
      return shape_kind::boolean;
    case schema_type::int32:
      return shape_kind::int32;
    case schema_type::int64:
      return shape_kind::int64;
    case schema_type::float32:
      return shape_kind::float32;
    case schema_type::float64:
      return shape_kind::float64;
    case schema_type::bytes:
      return shape_kind::bytes;
    case schema_type::string:
      return shape_kind::string;
    case schema_type::record:
      return shape_kind::record;
    case schema_type::enumeration:
      return shape_kind::enumeration;
    case schema_type::array:
      return shape_kind::array;
    case schema_type::map:
      return shape_kind::map;
    case schema_type::fixed:
      return shape_kind::fixed;
    case schema_type::union_of:
      break;
  }
  return shape_kind::union_of;
}

[[nodiscard]] std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

class shape_compiler {
 public:
  shape_compiler(json_code& code, const json_options& options)
      : code_(code),
        limit_(options.limits),
        unions_(options.unions),
        budget_left_(options.limits.default_bytes_total_max) {}

  using made = result<std::uint32_t>;

  [[nodiscard]] made compile(const schema_node& type) {
    if (code_.shapes.size() >= limit_.plan_ops_max || depth_ > depth_limit_factor * limit_.schema_depth_max) {
      return error(errc::limit_exceeded, path_ + ": a schema larger or deeper than the limit");
    }
    if (const auto known = records_.find(&type); known != records_.end()) return known->second;
    ++depth_;
    auto done = type.type == schema_type::union_of ? of_union(type) : of_other(type);
    --depth_;
    return done;
  }

 private:
  [[nodiscard]] json_shape& shape(std::uint32_t index) { return code_.shapes[index]; }

  [[nodiscard]] made below(const schema_node& type, std::string_view step) {
    const std::size_t before = path_.size();
    path_ += step;
    auto done = compile(type);
    path_.resize(before);
    return done;
  }

  [[nodiscard]] made of_other(const schema_node& type) {
    const auto index = static_cast<std::uint32_t>(code_.shapes.size());
    json_shape& made_now = code_.shapes.emplace_back();
    made_now.node = &type;
    made_now.kind = kind_of(type);
    const accepted of = accepted_by(made_now.kind);
    made_now.accepts = static_cast<token_mask>(of.always | of.besides);
    made_now.wide = type.type == schema_type::int64;
    made_now.digits = digits_of(type.logical);
    made_now.size = static_cast<std::uint32_t>(type.size);
    made_now.scale = type.scale;
    made_now.precision = type.precision;
    if (type.type == schema_type::enumeration) add_symbols(made_now, type);
    if (type.type == schema_type::record) return with_fields(index, type);
    if (type.item != nullptr) {
      const auto item = below(*type.item, type.type == schema_type::array ? "[]" : ".*");
      if (!item) return item;
      shape(index).item = *item;
    }
    return index;
  }

  static void add_symbols(json_shape& of, const schema_node& type) {
    std::vector<std::pair<std::string, std::uint32_t>> names;
    for (const std::string& symbol : type.symbols) {
      const auto number = static_cast<std::uint32_t>(names.size());
      if (type.default_symbol == symbol) of.default_symbol = number;
      names.emplace_back(symbol, number);
      of.symbols.push_back(quoted(symbol));
    }
    of.names = name_table(std::move(names));
  }

  [[nodiscard]] made with_fields(std::uint32_t index, const schema_node& type) {
    records_.emplace(&type, index);
    std::vector<json_field> fields;
    std::vector<std::pair<std::string, std::uint32_t>> names;
    for (const schema_field& field : type.fields) {
      const auto of = below(*field.type, "." + field.name);
      if (!of) return of;
      names.emplace_back(field.name, static_cast<std::uint32_t>(fields.size()));
      json_field& one = fields.emplace_back();
      set_name(one, field.name);
      one.shape = *of;
      if (const auto set = set_default(one, field); !set) return set.error().in(path_ + "." + field.name);
    }
    std::uint32_t number = 0;
    for (const schema_field& field : type.fields) {
      for (const std::string& alias : field.aliases) names.emplace_back(alias, number);
      ++number;
    }
    shape(index).fields = std::move(fields);
    shape(index).names = name_table(std::move(names));
    return index;
  }

  static void set_name(json_field& to, std::string_view name) {
    to.quoted = quoted(name);
    if (to.quoted.size() > sizeof to.words) return;
    char mask[sizeof to.masks] = {};
    std::memset(mask, 0xFF, to.quoted.size());
    std::memcpy(to.words.data(), to.quoted.data(), to.quoted.size());
    std::memcpy(to.masks.data(), mask, sizeof mask);
  }

  [[nodiscard]] result<void> set_default(json_field& to, const schema_field& field) {
    to.has_default = true;
    if (field.default_json) {
      return encode_default(*field.type, *field.default_json, limit_, budget_left_, to.missing);
    }
    if (field.type->type == schema_type::null) return {};
    const auto& branches = field.type->branches;
    const auto null = std::find_if(branches.begin(), branches.end(), [](const schema_node* branch) {
      return branch->type == schema_type::null;
    });
    to.has_default = null != branches.end();
    if (to.has_default) append_long(to.missing, null - branches.begin());
    return {};
  }

  [[nodiscard]] made of_union(const schema_node& type) {
    const auto index = static_cast<std::uint32_t>(code_.shapes.size());
    code_.shapes.emplace_back().node = &type;
    std::vector<json_branch> branches;
    for (const schema_node* branch : type.branches) {
      // A branch that is not a record is compiled for this union alone.
      const auto of = compile(*branch);
      if (!of) return of;
      json_branch& one = branches.emplace_back();
      one.quoted = quoted(branch_name(*branch));
      one.shape = one.wrapped = *of;
    }
    json_shape made_now;
    made_now.node = &type;
    made_now.kind = shape_kind::union_of;
    made_now.branches = std::move(branches);
    made_now.accepts = mask_of(token::object);  // wrappers
    if (unions_ == json_unions::plain) {
      if (const auto chosen = choose(made_now); !chosen) return chosen.error();
    }
    for (const json_branch& one : made_now.branches) made_now.accepts |= shape(one.shape).accepts;
    as_optional(made_now);
    shape(index) = std::move(made_now);
    return index;
  }

  void as_optional(json_shape& of) {
    if (of.branches.size() != 2) return;
    for (std::uint32_t i = 0; i < 2; ++i) {
      if (shape(of.branches[i].shape).kind != shape_kind::null) continue;
      of.kind = shape_kind::optional;
      of.null_index = static_cast<std::uint8_t>(2 * i);
      of.value_index = static_cast<std::uint8_t>(2 - 2 * i);
      of.item = of.branches[1 - i].shape;
    }
  }

  // The branch of each JSON type, or why two of them have the same.
  [[nodiscard]] result<void> choose(json_shape& of) {
    union_choice& choice = of.choice;
    choice.by_token.fill(no_index);
    for (std::uint32_t i = 0; i < of.branches.size(); ++i) {
      const json_shape& branch = shape(of.branches[i].shape);
      const token_mask always = accepted_by(branch.kind).always;
      const auto one = static_cast<std::size_t>(std::countr_zero(always));
      const std::uint32_t other = choice.by_token[one];
      if (other != no_index && !go_together(of, other, i)) return ambiguous(of, other, i);
      if (other == no_index) choice.by_token[one] = i;
      if (branch.kind == shape_kind::int32) choice.int32 = i;
      if (branch.kind == shape_kind::int64) choice.int64 = i;
      if (branch.kind == shape_kind::float32) choice.float32 = i;
      if (branch.kind == shape_kind::float64) choice.float64 = i;
    }
    allow_texts(of);
    note_wrappers(of);
    return {};
  }

  // Whether a value of either branch shows which one it is.
  [[nodiscard]] bool go_together(json_shape& of, std::uint32_t left, std::uint32_t right) {
    const json_shape& a = shape(of.branches[left].shape);
    const json_shape& b = shape(of.branches[right].shape);
    if (is_plain_number(a.kind) && is_plain_number(b.kind)) return true;
    if (a.kind != shape_kind::enumeration || b.kind != shape_kind::enumeration) return false;
    for (std::uint32_t i = 0; i <= right; ++i) {
      const json_shape& one = shape(of.branches[i].shape);
      if (i == right || one.kind != shape_kind::enumeration) continue;
      for (const std::string& symbol : b.node->symbols) {
        if (one.names.find(symbol) != name_table::not_found) return false;
      }
    }
    of.choice.several_enums = true;
    return true;
  }

  [[nodiscard]] error ambiguous(const json_shape& of, std::uint32_t left, std::uint32_t right) {
    const json_shape& branch = shape(of.branches[left].shape);
    const auto both = static_cast<token>(std::countr_zero(accepted_by(branch.kind).always));
    return {errc::schema_incompatible,
            path_ + ": the union is ambiguous in JSON: '" + name_of(code_, branch) + "' and '" +
                name_of(code_, shape(of.branches[right].shape)) + "' are both " +
                std::string(to_string(both)) +
                R"(; use tagged unions ({"branch": value}), or change the schema)"};
  }

  // A text is of the branch that is always a text, else of the one that may be, else, as nobody can tell, of
  // none.
  void allow_texts(json_shape& of) {
    const token_mask text = mask_of(token::text);
    std::uint32_t& chosen = of.choice.by_token[static_cast<std::size_t>(token::text)];
    const bool taken = chosen != no_index;
    for (std::uint32_t i = 0; i < of.branches.size(); ++i) {
      const json_shape& branch = shape(of.branches[i].shape);
      if ((accepted_by(branch.kind).besides & text) == 0 || taken) continue;
      if (chosen == no_index || branch.kind == shape_kind::float64) chosen = i;
    }
    for (std::uint32_t i = 0; i < of.branches.size(); ++i) {
      json_branch& one = of.branches[i];
      if ((accepted_by(shape(one.shape).kind).besides & text) == 0 || i == chosen) continue;
      one.wrapped = static_cast<std::uint32_t>(code_.shapes.size());
      code_.shapes.push_back(json_shape(shape(one.shape)));
      json_shape& branch = shape(one.shape);
      branch.accepts = static_cast<token_mask>(branch.accepts & ~text);
    }
  }

  void note_wrappers(json_shape& of) {
    const std::uint32_t object = of.choice.by_token[static_cast<std::size_t>(token::object)];
    if (object == no_index) return;
    const json_shape& branch = shape(of.branches[object].shape);
    for (json_branch& one : of.branches) {
      const std::string_view name = std::string_view(one.quoted).substr(1, one.quoted.size() - 2);
      if (branch.kind == shape_kind::map) one.plain = shape(branch.item).accepts;
      const bool field = branch.node->type == schema_type::record && is_field(*branch.node, name);
      const bool part =
          branch.kind == shape_kind::duration && (name == "months" || name == "days" || name == "millis");
      if (field || part) one.plain = static_cast<token_mask>((1U << tokens_count) - 1U);
    }
  }
  // Also of a record that is being compiled.
  [[nodiscard]] static bool is_field(const schema_node& record, std::string_view name) {
    return std::any_of(record.fields.begin(), record.fields.end(), [&](const schema_field& field) {
      return field.name == name ||
             std::find(field.aliases.begin(), field.aliases.end(), name) != field.aliases.end();
    });
  }

  json_code& code_;
  const limits& limit_;
  json_unions unions_;
  std::size_t budget_left_;
  std::map<const schema_node*, std::uint32_t> records_;
  std::string path_ = "$";
  std::size_t depth_ = 0;
};

}  // namespace

token token_of(std::uint8_t first) noexcept {
  switch (first) {
    case 'n':
      return token::null;
    case 't':
    case 'f':
      return token::boolean;
    case '"':
      return token::text;
    case '[':
      return token::array;
    case '{':
      return token::object;
    default:
      return first == '-' || (first >= '0' && first <= '9') ? token::number : token::none;
  }
}

std::string_view to_string(token one) noexcept {
  switch (one) {
    case token::null:
      return "null";
    case token::boolean:
      return "a boolean";
    case token::number:
      return "a number";
    case token::text:
      return "a string";
    case token::array:
      return "an array";
    case token::object:
      return "an object";
    case token::none:
      break;
  }
  return "no value";
}

std::string name_of(const json_code& code, const json_shape& shape) {
  const schema_node& node = *shape.node;
  if (node.type == schema_type::union_of) {
    std::string names;
    for (std::size_t i = 0; i < shape.branches.size(); ++i) {
      if (i != 0) names += i + 1 == shape.branches.size() ? " or " : ", ";
      names += name_of(code, code.at(shape.branches[i].shape));
    }
    return names.empty() ? "nothing, as the union has no branch" : names;
  }
  if (node.logical != logical_type::none) return std::string(to_string(node.logical));
  return std::string(branch_name(node));
}

result<std::shared_ptr<const json_code>> compile_json(const schema& documents, const json_options& options) {
  auto code = std::make_shared<json_code>(documents);
  code->options = options;
  auto root = shape_compiler(*code, code->options).compile(code->kept.root());
  if (!root) return root.error();
  code->root = *root;
  return std::shared_ptr<const json_code>(std::move(code));
}

}  // namespace millrace::avro
