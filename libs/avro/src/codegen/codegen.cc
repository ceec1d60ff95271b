#include <map>
#include <set>
#include <vector>

#include <millrace/avro/codegen.h>

#include "codegen/names.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

class generator {
 public:
  // `text` is embedded with the root.
  generator(std::string name_space, const schema_node& root, std::string text)
      : name_space_(std::move(name_space)), root_(root), text_(std::move(text)) {}

  [[nodiscard]] result<void> visit(const schema_node& node) {
    if (names_.contains(&node)) return {};
    if (node.type == schema_type::union_of && node.branches.empty()) {
      return error(errc::unsupported, "a union without branches has no C++ type");
    }
    if (node.type == schema_type::record) {
      name_type(node);
      open_.insert(&node);
    }
    for (const schema_field& field : node.fields) {
      if (auto done = visit(*field.type); !done) return done;
    }
    for (const schema_node* branch : node.branches) {
      if (auto done = visit(*branch); !done) return done;
    }
    if (node.item != nullptr) {
      if (auto done = visit(*node.item); !done) return done;
    }
    if (node.type == schema_type::enumeration) {
      name_type(node);
      write_enum(node);
    }
    if (node.type == schema_type::record) {
      write_record(node);
      open_.erase(&node);
    }
    return {};
  }

  [[nodiscard]] bool any_record() const { return records_ > 0; }
  // Empty unless a type is used before it is complete.
  [[nodiscard]] std::string forward() const {
    std::string out;
    for (const schema_node* node : forward_) out += "struct " + names_.at(node) + ";\n";
    return out;
  }
  [[nodiscard]] const std::string& types() const { return types_; }
  [[nodiscard]] const std::string& descriptions() const { return descriptions_; }

 private:
  // Adjacent string literals of a readable width.
  [[nodiscard]] static std::string wrapped(std::string_view text) {
    std::string out;
    constexpr std::size_t width = 96;
    for (std::size_t at = 0; at < text.size(); at += width) {
      if (at > 0) out += "\n";
      out += "      " + raw(text.substr(at, width));
    }
    return out;
  }
  // JSON is full of quotes: raw strings keep it legible. The text is ASCII, and `)_"` ends in no delimiter of
  // ours unless it holds exactly that.
  [[nodiscard]] static std::string raw(std::string_view text) {
    if (text.find(")_\"") != std::string_view::npos) return literal(text);
    return "R\"_(" + std::string(text) + ")_\"";
  }

  void name_type(const schema_node& node) {
    std::string name = identifier(unqualified(node.name));
    if (type_names_.contains(name) && !name_space(node.name).empty()) {
      name = identifier(std::string(unqualified(name_space(node.name))) + "_" +
                        std::string(unqualified(node.name)));
    }
    names_[&node] = unique(std::move(name), type_names_);
  }

  [[nodiscard]] std::string cpp_type(const schema_node& node) {
    if (const std::string logical = logical_cpp_type(node); !logical.empty()) return logical;
    switch (node.type) {
      case schema_type::null:
        return "std::monostate";
      case schema_type::boolean:
        return "bool";
      case schema_type::int32:
        return "std::int32_t";
      case schema_type::int64:
        return "std::int64_t";
      case schema_type::float32:
        return "float";
      case schema_type::float64:
        return "double";
      case schema_type::bytes:
        return "millrace::bytes_view";
      case schema_type::string:
        return "std::string_view";
      case schema_type::fixed:
        return "std::array<std::byte, " + std::to_string(node.size) + ">";
      case schema_type::enumeration:
        return names_.at(&node);
      case schema_type::record:
        return open_.contains(&node) ? "millrace::avro::arena_ptr<" + names_.at(&node) + ">"
                                     : names_.at(&node);
      case schema_type::array:
        return "millrace::avro::array_view<" + item_type(*node.item) + ">";
      case schema_type::map:
        return "millrace::avro::map_view<" + item_type(*node.item) + ">";
      case schema_type::union_of:
        return union_type(node);
    }
    return "";
  }

  [[nodiscard]] static std::string logical_cpp_type(const schema_node& node) {
    switch (node.logical) {
      case logical_type::none:
        return "";
      case logical_type::decimal:
      case logical_type::big_decimal:
        return "millrace::decimal_view";
      case logical_type::uuid:
        return "millrace::uuid";
      case logical_type::date:
        return "std::chrono::sys_days";
      case logical_type::time_millis:
        return "std::chrono::milliseconds";
      case logical_type::time_micros:
        return "std::chrono::microseconds";
      case logical_type::timestamp_millis:
        return "millrace::timestamp";
      case logical_type::timestamp_micros:
        return "millrace::timestamp_micros";
      case logical_type::timestamp_nanos:
        return "millrace::timestamp_nanos";
      case logical_type::local_timestamp_millis:
        return "std::chrono::local_time<std::chrono::milliseconds>";
      case logical_type::local_timestamp_micros:
        return "std::chrono::local_time<std::chrono::microseconds>";
      case logical_type::local_timestamp_nanos:
        return "std::chrono::local_time<std::chrono::nanoseconds>";
      case logical_type::duration:
        return "millrace::avro::duration";
    }
    return "";
  }

  // Views of items need no complete type, so a record may hold an array of itself.
  [[nodiscard]] std::string item_type(const schema_node& item) {
    if (item.type != schema_type::record || !open_.contains(&item)) return cpp_type(item);
    forward_.insert(&item);
    return names_.at(&item);
  }

  [[nodiscard]] std::string union_type(const schema_node& node) {
    for (const schema_node* branch : node.branches) {
      if (open_.contains(branch)) forward_.insert(branch);
    }
    const bool null_first = node.branches[0]->type == schema_type::null;
    if (node.branches.size() == 2 && (null_first || node.branches[1]->type == schema_type::null)) {
      const schema_node& full = *node.branches[null_first ? 1 : 0];
      return open_.contains(&full) ? cpp_type(full) : "std::optional<" + cpp_type(full) + ">";
    }
    std::string out = "std::variant<";
    const char* comma = "";
    for (const schema_node* branch : node.branches) {
      out += comma + cpp_type(*branch);
      comma = ", ";
    }
    return out + ">";
  }

  void write_enum(const schema_node& node) {
    const std::string& name = names_.at(&node);
    const char* base = node.symbols.size() <= 256     ? "std::uint8_t"
                       : node.symbols.size() <= 65536 ? "std::uint16_t"
                                                      : "std::int32_t";
    types_ += comment(node.doc, "");
    types_ += "enum class " + name + " : " + base + " {\n";
    std::set<std::string> taken;
    std::string table;
    for (const std::string& symbol : node.symbols) {
      const std::string constant = unique(identifier(symbol), taken);
      types_ += "  " + constant + ",\n";
      table += "            {" + literal(symbol) + ", " + scope() + name + "::" + constant + "},\n";
    }
    types_ += "};\n\n";
    descriptions_ += "template <>\nstruct millrace::avro::describe<" + scope() + name + "> {\n";
    descriptions_ += "  static type_descriptor type() {\n    return enum_of<" + scope() + name +
                     ">(\n        " + literal(node.name) + ",\n        {\n" + table +
                     "        });\n  }\n};\n\n";
  }

  void write_record(const schema_node& node) {
    ++records_;
    const std::string& name = names_.at(&node);
    types_ += comment(node.doc, "");
    types_ += "struct " + name + " {\n";
    std::set<std::string> taken =
        type_names_;  // a member named as a type would change what the type's name means
    std::string table;
    for (const schema_field& field : node.fields) {
      const std::string member = unique(identifier(field.name), taken);
      types_ += comment(field.doc, "  ");
      types_ += "  " + cpp_type(*field.type) + " " + member + "{};\n";
      table += "            field(" + literal(field.name) + ", &" + scope() + name + "::" + member + "),\n";
    }
    types_ += "};\n\n";
    descriptions_ += "template <>\nstruct millrace::avro::describe<" + scope() + name + "> {\n";
    if (&node == &root_) {
      descriptions_ += "  static constexpr std::string_view schema_text =\n" + wrapped(text_) + ";\n";
    }
    descriptions_ += "  static type_descriptor type() {\n    return record_of<" + scope() + name +
                     ">(\n        " + literal(node.name) + ",\n        {\n" + table +
                     "        },\n        members::all);\n  }\n};\n\n";
  }

  [[nodiscard]] std::string scope() const { return "::" + name_space_ + "::"; }

  std::string name_space_;
  const schema_node& root_;
  std::string text_;
  std::map<const schema_node*, std::string> names_;
  std::set<std::string> type_names_;
  std::set<const schema_node*> open_;
  std::set<const schema_node*> forward_;
  std::string types_;
  std::string descriptions_;
  int records_ = 0;
};

[[nodiscard]] result<std::string> cpp_namespace(const schema_node& root, const std::string& wanted) {
  if (wanted.empty()) {
    const std::string_view space = name_space(root.name);
    return space.empty() ? std::string("records") : identifier(unqualified(space));
  }
  for (std::string_view rest = wanted;;) {
    const auto colons = rest.find("::");
    if (!is_identifier(rest.substr(0, colons))) {
      return error(errc::config_invalid, "not a C++ namespace: " + in_quotes(wanted));
    }
    if (colons == std::string_view::npos) return wanted;
    rest.remove_prefix(colons + 2);
  }
}

}  // namespace

result<std::string> generate_header(const schema& of, const codegen_options& options) {
  auto space = cpp_namespace(of.root(), options.name_space);
  if (!space) return space.error();
  const std::string ascii = parse_json(of.to_json(), SIZE_MAX, SIZE_MAX).value().dump(-1, ' ', true);
  generator made(*space, of.root(), ascii);
  if (auto done = made.visit(of.root()); !done) return done.error();
  if (!made.any_record())
    return error(errc::unsupported, "the schema holds no record to generate a struct for");

  std::string source = options.source.empty() ? "a schema" : options.source;
  std::string out =
      comment("Generated by millrace codegen from " + source + ". Do not edit.\n\n" +
                  "Strings, bytes, arrays and maps are views: valid as long as the message, the arena "
                  "and the decoder they came from, or what they were made of.",
              "");
  out += "#pragma once\n\n";
  for (const char* header : {"array", "chrono", "cstddef", "cstdint", "optional", "string_view", "variant"}) {
    out += "#include <" + std::string(header) + ">\n";
  }
  out +=
      "\n#include <millrace/avro/type_descriptor.h>\n#include <millrace/avro/values.h>\n"
      "#include <millrace/base/bytes.h>\n#include <millrace/base/values.h>\n\n";
  out += "namespace " + *space + " {\n\n";
  if (const std::string forward = made.forward(); !forward.empty()) out += forward + "\n";
  out += made.types() + "}  // namespace " + *space + "\n\n" + made.descriptions();
  out.pop_back();
  return out;
}

}  // namespace millrace::avro
