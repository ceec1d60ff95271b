#include "schema/parser.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>

#include "json/encoder.h"

namespace millrace::avro {
namespace {

[[nodiscard]] error invalid(const std::string& path, const std::string& what) {
  return {errc::schema_invalid, path + ": " + what};
}

constexpr std::array primitives = {schema_type::null,  schema_type::boolean, schema_type::int32,
                                   schema_type::int64, schema_type::float32, schema_type::float64,
                                   schema_type::bytes, schema_type::string};

[[nodiscard]] const schema_type* find_primitive(std::string_view name) {
  const auto* found =
      std::find_if(primitives.begin(), primitives.end(), [&](schema_type t) { return to_string(t) == name; });
  return found == primitives.end() ? nullptr : found;
}

[[nodiscard]] std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

[[nodiscard]] bool is_dead_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
[[nodiscard]] bool is_digit(char c) { return c >= '0' && c <= '9'; }

[[nodiscard]] std::vector<schema_property> other_attributes(const json& object,
                                                            std::initializer_list<std::string_view> known,
                                                            const schema_node& node = {}) {
  std::vector<schema_property> others;
  for (const auto& [key, value] : object.items()) {
    const bool applied = (node.logical != logical_type::none && key == "logicalType") ||
                         (node.logical == logical_type::decimal && (key == "precision" || key == "scale"));
    if (!applied && std::find(known.begin(), known.end(), key) == known.end())
      others.emplace_back(key, dump(value));
  }
  return others;
}

// Bytes that a decimal of so many digits needs: the largest precision whose unscaled values fit `size` bytes.
[[nodiscard]] std::int32_t digits_that_fit(std::size_t size) {
  const double digits =
      (8.0 * static_cast<double>(std::min<std::size_t>(size, 1U << 20U)) - 1.0) * 0.30102999566398120;
  return static_cast<std::int32_t>(digits);
}

// False: the attribute does not make a valid decimal of this base type, so it is ignored.
[[nodiscard]] bool read_decimal(schema_node& node, const json& text) {
  const auto precision = text.find("precision");
  const auto scale = text.find("scale");
  if (precision == text.end() || !precision->is_number_integer()) return false;
  if (scale != text.end() && !scale->is_number_integer()) return false;
  const auto p = precision->get<std::int64_t>();
  const auto s = scale == text.end() ? 0 : scale->get<std::int64_t>();
  if (p <= 0 || p > 1'000'000 || s < 0 || s > p) return false;
  if (node.type == schema_type::fixed && p > digits_that_fit(node.size)) return false;
  node.precision = static_cast<std::int32_t>(p);
  node.scale = static_cast<std::int32_t>(s);
  return true;
}

[[nodiscard]] bool logical_fits(logical_type logical, const schema_node& node) {
  const schema_type base = node.type;
  switch (logical) {
    case logical_type::none:
      return false;
    case logical_type::decimal:
      return base == schema_type::bytes || base == schema_type::fixed;
    case logical_type::big_decimal:
      return base == schema_type::bytes;
    case logical_type::uuid:
      return base == schema_type::string || (base == schema_type::fixed && node.size == 16);
    case logical_type::date:
    case logical_type::time_millis:
      return base == schema_type::int32;
    case logical_type::time_micros:
    case logical_type::timestamp_millis:
    case logical_type::timestamp_micros:
    case logical_type::timestamp_nanos:
    case logical_type::local_timestamp_millis:
    case logical_type::local_timestamp_micros:
    case logical_type::local_timestamp_nanos:
      return base == schema_type::int64;
    case logical_type::duration:
      return base == schema_type::fixed && node.size == 12;
  }
  return false;
}

[[nodiscard]] logical_type find_logical(std::string_view name) {
  for (int i = 1; i <= static_cast<int>(logical_type::duration); ++i) {
    if (to_string(static_cast<logical_type>(i)) == name) return static_cast<logical_type>(i);
  }
  return logical_type::none;
}

}  // namespace

schema_parser::schema_parser(std::span<const schema> references, const parse_options& options)
    : options_(options), document_(std::make_shared<schema::document>()) {
  for (const schema& reference : references) document_->references.push_back(reference.document_);
}

result<void> schema_parser::take_references() {
  for (const auto& reference : document_->references) {
    for (const auto& [name, node] : reference->names) {
      const auto [known, added] = document_->names.emplace(name, node);
      if (added || known->second == node || definition_of(*known->second) == definition_of(*node)) continue;
      return invalid("$", "two references define type " + in_quotes(name) + ", differently");
    }
  }
  return {};
}

result<schema> schema_parser::parse(std::string_view text) {
  const limits& limit = options_.limits;
  auto parsed = parse_json(text, limit.schema_text_bytes_max, 4 * limit.schema_depth_max);
  if (!parsed) return parsed.error();
  if (auto taken = take_references(); !taken) return taken.error();
  auto root = parse_type(*parsed, {"", "$", 0});
  if (!root) return root.error();
  document_->text = text;
  document_->root = *root;
  // Types may nest deeper than their text: each may name the one before.
  if (auto whole = finish_graph(document_->nodes, *document_->root, 4 * limit.schema_depth_max); !whole) {
    return whole.error();
  }
  if (options_.check_defaults) {
    if (auto checked = check_defaults(); !checked) return checked.error();
  }
  return schema(document_);
}

schema_parser::node_result schema_parser::parse_type(const json& text, const place& at) {
  if (at.depth > options_.limits.schema_depth_max) {
    return error(errc::limit_exceeded,
                 at.path + ": types nest deeper than " + std::to_string(options_.limits.schema_depth_max));
  }
  if (text.is_string()) {
    const auto name = text.get<std::string>();
    if (const schema_type* primitive = find_primitive(name))
      return parse_primitive(*primitive, json::object(), at);
    return parse_reference(name, at);
  }
  if (text.is_array()) return parse_union(text, at);
  if (text.is_object()) return parse_object(text, at);
  return invalid(at.path, "a type is a name, an object or an array, not " + std::string(text.type_name()));
}

result<schema_node*> schema_parser::new_node(schema_type type, const place& at) {
  if (document_->nodes.size() >= options_.limits.schema_nodes_max) {
    return error(errc::limit_exceeded,
                 at.path + ": more than " + std::to_string(options_.limits.schema_nodes_max) + " types");
  }
  document_->nodes.push_back(std::make_unique<schema_node>());
  document_->nodes.back()->type = type;
  return document_->nodes.back().get();
}

schema_parser::node_result schema_parser::parse_reference(const std::string& name, const place& at) {
  const auto& names = document_->names;
  const bool relative = name.find('.') == std::string::npos && !at.name_space.empty();
  auto found = names.find(relative ? at.name_space + "." + name : name);
  if (found == names.end() && relative) found = names.find(name);
  if (found == names.end()) return invalid(at.path, "unknown type " + in_quotes(name));
  return found->second;
}

schema_parser::node_result schema_parser::parse_union(const json& text, const place& at) {
  if (text.size() > options_.limits.union_branches_max) {
    return error(errc::limit_exceeded, at.path + ": a union of " + std::to_string(text.size()) +
                                           " branches, limit " +
                                           std::to_string(options_.limits.union_branches_max));
  }
  auto node = new_node(schema_type::union_of, at);
  if (!node) return node.error();
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const place here = at.inside("[" + std::to_string(i) + "]");
    auto branch = parse_type(text[i], here);
    if (!branch) return branch.error();
    if ((*branch)->type == schema_type::union_of)
      return invalid(here.path, "a union directly inside a union");
    const std::string_view identity = (*branch)->is_named() ? (*branch)->name : to_string((*branch)->type);
    if (!seen.insert(identity).second) {
      return invalid(here.path, "a second " + std::string(identity) + " in one union");
    }
    (*node)->branches.push_back(*branch);
  }
  return *node;
}

schema_parser::node_result schema_parser::parse_object(const json& text, const place& at) {
  const auto type = text.find("type");
  if (type == text.end()) return invalid(at.path, "an object without \"type\"");
  // {"type": {...}} and {"type": [...]} stand for what is inside.
  if (!type->is_string()) return parse_type(*type, at.inside(".type"));
  const auto word = type->get<std::string>();
  if (const schema_type* primitive = find_primitive(word)) return parse_primitive(*primitive, text, at);
  if (word == "record" || word == "error") return parse_named(schema_type::record, text, at);
  if (word == "enum") return parse_named(schema_type::enumeration, text, at);
  if (word == "fixed") return parse_named(schema_type::fixed, text, at);
  if (word != "array" && word != "map") return parse_reference(word, at.inside(".type"));

  const bool is_array = word == "array";
  const char* key = is_array ? "items" : "values";
  auto node = new_node(is_array ? schema_type::array : schema_type::map, at);
  if (!node) return node.error();
  const auto item = text.find(key);
  if (item == text.end()) return invalid(at.path, "type " + word + " without \"" + key + "\"");
  auto parsed = parse_type(*item, at.inside(std::string(".") + key));
  if (!parsed) return parsed.error();
  (*node)->item = *parsed;
  // "default" on a collection is found in schemas of the field; the specification gives it no meaning.
  (*node)->properties = other_attributes(text, {"type", key});
  return *node;
}

schema_parser::node_result schema_parser::parse_primitive(schema_type type, const json& text,
                                                          const place& at) {
  auto node = new_node(type, at);
  if (!node) return node.error();
  annotate(**node, text);
  (*node)->properties = other_attributes(text, {"type"}, **node);
  return *node;
}

void schema_parser::annotate(schema_node& node, const json& text) {
  const logical_type logical = find_logical(text_of(text, "logicalType"));
  if (!logical_fits(logical, node)) return;
  if (logical == logical_type::decimal && !read_decimal(node, text)) return;
  node.logical = logical;
}

schema_parser::node_result schema_parser::parse_named(schema_type type, const json& text, const place& at) {
  auto name = full_name(text, at);
  if (!name) return name.error();
  if (const auto known = document_->names.find(*name); known != document_->names.end()) {
    const auto before = definitions_.find(*name);
    // A reference may define it too; then only its name could be used here.
    if (before != definitions_.end() && before->second == std::pair(text, at.name_space))
      return known->second;
    return invalid(at.path, "type " + in_quotes(*name) + " is already defined, differently");
  }
  auto created = new_node(type, at);
  if (!created) return created.error();
  schema_node& node = **created;
  node.name = *name;
  node.doc = text_of(text, "doc");
  const place inner{std::string(name_space(*name)), at.path, at.depth};
  auto others = aliases(text, inner.name_space, true, at);
  if (!others) return others.error();
  node.aliases = *std::move(others);
  document_->names.emplace(*name, &node);
  definitions_.emplace(*name, std::pair(text, at.name_space));

  result<void> body = type == schema_type::record        ? parse_record(node, text, inner)
                      : type == schema_type::enumeration ? parse_enum(node, text, inner)
                                                         : parse_fixed(node, text, inner);
  if (!body) return body.error();
  annotate(node, text);
  node.properties = other_attributes(
      text, {"type", "name", "namespace", "doc", "aliases", "fields", "symbols", "default", "size"}, node);
  return &node;
}

result<void> schema_parser::parse_record(schema_node& node, const json& text, const place& at) {
  const auto fields = text.find("fields");
  if (fields == text.end() || !fields->is_array()) {
    return invalid(at.path, "record " + in_quotes(node.name) + " without an array \"fields\"");
  }
  std::set<std::string> names;
  node.fields.reserve(fields->size());  // pending defaults point into it
  for (std::size_t i = 0; i < fields->size(); ++i) {
    const place here = at.inside(".fields[" + std::to_string(i) + "]");
    auto field = parse_field((*fields)[i], here);
    if (!field) return field.error();
    if (!names.insert(field->name).second)
      return invalid(here.path, "a second field " + in_quotes(field->name));
    node.fields.push_back(*std::move(field));
    const schema_field& stored = node.fields.back();
    if (stored.default_json)
      defaults_.push_back({stored.type, &*stored.default_json, here.path + ".default"});
  }
  return {};
}

result<schema_field> schema_parser::parse_field(const json& text, const place& at) {
  if (!text.is_object()) return invalid(at.path, "a field is an object");
  schema_field field;
  field.name = text_of(text, "name");
  if (!is_name(field.name)) return invalid(at.path + ".name", "not a name: " + in_quotes(field.name));
  const auto type = text.find("type");
  if (type == text.end()) return invalid(at.path, "field " + in_quotes(field.name) + " without \"type\"");
  auto parsed = parse_type(*type, at.inside(".type"));
  if (!parsed) return parsed.error();
  field.type = *parsed;
  field.doc = text_of(text, "doc");
  field.order = text_of(text, "order");
  if (!field.order.empty() && field.order != "ascending" && field.order != "descending" &&
      field.order != "ignore") {
    return invalid(at.path + ".order", "not an order: " + in_quotes(field.order));
  }
  auto others = aliases(text, "", false, at);
  if (!others) return others.error();
  field.aliases = *std::move(others);
  if (const auto value = text.find("default"); value != text.end()) field.default_json = dump(*value);
  field.properties = other_attributes(text, {"name", "type", "doc", "order", "aliases", "default"});
  return field;
}

result<void> schema_parser::parse_enum(schema_node& node, const json& text, const place& at) const {
  const auto symbols = text.find("symbols");
  if (symbols == text.end() || !symbols->is_array()) {
    return invalid(at.path, "enum " + in_quotes(node.name) + " without an array \"symbols\"");
  }
  if (symbols->size() > options_.limits.enum_symbols_max) {
    return error(errc::limit_exceeded, at.path + ".symbols: " + std::to_string(symbols->size()) +
                                           " symbols, limit " +
                                           std::to_string(options_.limits.enum_symbols_max));
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < symbols->size(); ++i) {
    const std::string path = at.path + ".symbols[" + std::to_string(i) + "]";
    const json& symbol = (*symbols)[i];
    if (!symbol.is_string() || !is_name(symbol.get_ref<const std::string&>())) {
      return invalid(path, "not a name: " + in_quotes(dump(symbol)));
    }
    if (!seen.insert(symbol.get<std::string>()).second)
      return invalid(path, "a second " + in_quotes(dump(symbol)));
    node.symbols.push_back(symbol.get<std::string>());
  }
  if (const auto fallback = text.find("default"); fallback != text.end()) {
    if (!fallback->is_string() || !seen.contains(fallback->get<std::string>())) {
      return invalid(at.path + ".default", "not one of the symbols: " + in_quotes(dump(*fallback)));
    }
    node.default_symbol = fallback->get<std::string>();
  }
  return {};
}

result<void> schema_parser::parse_fixed(schema_node& node, const json& text, const place& at) const {
  const auto size = text.find("size");
  // The specification's own test vectors write a size as a string once.
  std::uint64_t bytes = 0;
  if (size != text.end() && size->is_number_unsigned()) {
    bytes = size->get<std::uint64_t>();
  } else if (size != text.end() && size->is_string() && !size->get_ref<const std::string&>().empty() &&
             size->get_ref<const std::string&>().size() < 19 &&
             std::all_of(size->get_ref<const std::string&>().begin(),
                         size->get_ref<const std::string&>().end(), is_digit)) {
    bytes = std::stoull(size->get_ref<const std::string&>());
  } else {
    return invalid(at.path + ".size", "fixed " + in_quotes(node.name) + " needs a size of 0 or more");
  }
  if (bytes > options_.limits.fixed_bytes_max) {
    return error(errc::limit_exceeded, at.path + ".size: " + std::to_string(bytes) + " bytes, limit " +
                                           std::to_string(options_.limits.fixed_bytes_max));
  }
  node.size = bytes;
  return {};
}

bool schema_parser::is_name(std::string_view text) const {
  if (text.empty() || text.size() > options_.limits.name_bytes_max) return false;
  if (options_.lenient_names) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; });
  }
  return !is_digit(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_dead_letter(c) || is_digit(c); });
}

error schema_parser::too_long(const std::string& path, std::string_view name) const {
  return error(errc::limit_exceeded, path + ": a name of " + std::to_string(name.size()) + " bytes, limit " +
                                         std::to_string(options_.limits.name_bytes_max));
}

result<std::string> schema_parser::full_name(const json& text, const place& at) const {
  std::string name = text_of(text, "name");
  if (name.find('.') == std::string::npos) {
    const auto space = text.find("namespace");
    const std::string around =
        space != text.end() && space->is_string() ? space->get<std::string>() : at.name_space;
    if (!around.empty()) name = around + "." + name;
  }
  if (name.size() > options_.limits.name_bytes_max) return too_long(at.path + ".name", name);
  for (std::string_view rest = name;;) {
    const auto dot = rest.find('.');
    if (!is_name(rest.substr(0, dot))) {
      return invalid(at.path + ".name", "not a name: " + in_quotes(name));
    }
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (find_primitive(unqualified(name)) != nullptr) {
    return invalid(at.path + ".name", in_quotes(name) + " is the name of a primitive type");
  }
  return name;
}

result<std::vector<std::string>> schema_parser::aliases(const json& text, const std::string& space,
                                                        bool qualified, const place& at) const {
  std::vector<std::string> found;
  const auto listed = text.find("aliases");
  if (listed == text.end() || listed->is_null()) return found;
  if (!listed->is_array()) return invalid(at.path + ".aliases", "not an array");
  for (const json& alias : *listed) {
    if (!alias.is_string() || alias.get_ref<const std::string&>().empty()) {
      return invalid(at.path + ".aliases", "not a name: " + in_quotes(dump(alias)));
    }
    std::string name = alias.get<std::string>();
    if (name.size() > options_.limits.name_bytes_max) return too_long(at.path + ".aliases", name);
    if (qualified && name.find('.') == std::string::npos && !space.empty()) name = space + "." + name;
    found.push_back(std::move(name));
  }
  return found;
}

result<void> schema_parser::check_defaults() const {
  std::size_t budget_left = options_.limits.default_bytes_total_max;
  for (const pending_default& pending : defaults_) {
    byte_buffer bytes;
    if (auto fits = encode_default(*pending.type, *pending.text, options_.limits, budget_left, bytes,
                                   options_.first_branch_defaults);
        !fits) {
      const error& why = fits.error();
      return error(why.code() == errc::limit_exceeded ? errc::limit_exceeded : errc::schema_invalid,
                   pending.path + ": " + why.message());
    }
  }
  return {};
}

result<schema> schema::parse(std::string_view text, const parse_options& options) {
  return parse(text, {}, options);
}

result<schema> schema::parse(std::string_view text, std::span<const schema> references,
                             const parse_options& options) {
  return schema_parser(references, options).parse(text);
}

}  // namespace millrace::avro
