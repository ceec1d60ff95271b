// Schemas back to text: canonical form, and JSON with every attribute.
#include <set>
#include <string_view>

#include <millrace/avro/schema.h>

#include "schema/document.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

class canonical_writer {
 public:
  void write(const schema_node& node) {
    switch (node.type) {
      case schema_type::record:
        write_record(node);
        return;
      case schema_type::enumeration:
        write_enum(node);
        return;
      case schema_type::fixed:
        write_fixed(node);
        return;
      case schema_type::array:
      case schema_type::map:
        write_collection(node);
        return;
      case schema_type::union_of:
        write_union(node);
        return;
      case schema_type::null:
      case schema_type::boolean:
      case schema_type::int32:
      case schema_type::int64:
      case schema_type::float32:
      case schema_type::float64:
      case schema_type::bytes:
      case schema_type::string:
        quote(to_string(node.type));
        return;
    }
  }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void quote(std::string_view text) {
    out_.push_back('"');
    out_ += text;
    out_.push_back('"');
  }
  // False when the type was written before: then its name has been written again.
  [[nodiscard]] bool open(const schema_node& node) {
    if (!written_.insert(node.name).second) {
      quote(node.name);
      return false;
    }
    out_ += R"({"name":)";
    quote(node.name);
    out_ += R"(,"type":)";
    quote(to_string(node.type));
    return true;
  }
  void write_record(const schema_node& node) {
    if (!open(node)) return;
    out_ += R"(,"fields":[)";
    const char* comma = "";
    for (const schema_field& field : node.fields) {
      out_ += comma;
      out_ += R"({"name":)";
      quote(field.name);
      out_ += R"(,"type":)";
      write(*field.type);
      out_ += "}";
      comma = ",";
    }
    out_ += "]}";
  }
  void write_enum(const schema_node& node) {
    if (!open(node)) return;
    out_ += R"(,"symbols":[)";
    const char* comma = "";
    for (const std::string& symbol : node.symbols) {
      out_ += comma;
      quote(symbol);
      comma = ",";
    }
    out_ += "]}";
  }
  void write_fixed(const schema_node& node) {
    if (open(node)) out_ += R"(,"size":)" + std::to_string(node.size) + "}";
  }
  void write_collection(const schema_node& node) {
    out_ += node.type == schema_type::array ? R"({"type":"array","items":)" : R"({"type":"map","values":)";
    write(*node.item);
    out_ += "}";
  }
  void write_union(const schema_node& node) {
    out_ += "[";
    const char* comma = "";
    for (const schema_node* branch : node.branches) {
      out_ += comma;
      write(*branch);
      comma = ",";
    }
    out_ += "]";
  }

  std::string out_;
  std::set<std::string_view> written_;
};

class json_writer {
 public:
  [[nodiscard]] json write(const schema_node& node, std::string_view around = {}) {
    if (node.type == schema_type::union_of) {
      json branches = json::array();
      for (const schema_node* branch : node.branches) branches.push_back(write(*branch, around));
      return branches;
    }
    if (node.is_named() && !written_.insert(node.name).second) {
      return name_space(node.name) == around ? std::string(unqualified(node.name)) : node.name;
    }
    json out = json::object();
    out["type"] = to_string(node.type);
    if (node.is_named()) write_names(node, around, out);
    if (node.type == schema_type::record) out["fields"] = write_fields(node, name_space(node.name));
    if (node.type == schema_type::enumeration) {
      out["symbols"] = node.symbols;
      if (node.default_symbol) out["default"] = *node.default_symbol;
    }
    if (node.type == schema_type::fixed) out["size"] = node.size;
    if (node.type == schema_type::array) out["items"] = write(*node.item, around);
    if (node.type == schema_type::map) out["values"] = write(*node.item, around);
    if (node.logical != logical_type::none) out["logicalType"] = to_string(node.logical);
    if (node.logical == logical_type::decimal) {
      out["precision"] = node.precision;
      out["scale"] = node.scale;
    }
    write_properties(node.properties, out);
    const bool bare = out.size() == 1 && !node.is_named();
    return bare ? json(to_string(node.type)) : out;
  }

 private:
  static void write_names(const schema_node& node, std::string_view around, json& out) {
    out["name"] = unqualified(node.name);
    if (name_space(node.name) != around) out["namespace"] = name_space(node.name);
    if (!node.doc.empty()) out["doc"] = node.doc;
    if (!node.aliases.empty()) out["aliases"] = node.aliases;
  }
  [[nodiscard]] json write_fields(const schema_node& node, std::string_view around) {
    json fields = json::array();
    for (const schema_field& field : node.fields) {
      json out = json::object();
      out["name"] = field.name;
      out["type"] = write(*field.type, around);
      if (!field.doc.empty()) out["doc"] = field.doc;
      if (field.default_json) out["default"] = json::parse(*field.default_json);
      if (!field.aliases.empty()) out["aliases"] = field.aliases;
      if (!field.order.empty()) out["order"] = field.order;
      write_properties(field.properties, out);
      fields.push_back(std::move(out));
    }
    return fields;
  }
  static void write_properties(const std::vector<schema_property>& properties, json& out) {
    for (const auto& [name, text] : properties) out[name] = json::parse(text);
  }

  std::set<std::string_view> written_;
};

}  // namespace

std::string schema::canonical() const {
  canonical_writer writer;
  writer.write(root());
  return std::move(writer).take();
}

std::string schema::to_json() const { return dump(json_writer().write(root())); }

std::string definition_of(const schema_node& type) { return dump(json_writer().write(type)); }

}  // namespace millrace::avro
