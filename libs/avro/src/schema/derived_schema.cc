// The schema that a type's kinds imply.
#include <map>

#include "plan/compiler.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

class deriver {
 public:
  [[nodiscard]] json derive(const type_descriptor& type) {
    switch (type.kind) {
      case type_kind::null:
        return "null";
      case type_kind::boolean:
        return "boolean";
      case type_kind::int32:
        return "int";
      case type_kind::int64:
        return "long";
      case type_kind::float32:
        return "float";
      case type_kind::float64:
        return "double";
      case type_kind::string:
      case type_kind::owned_string:
        return "string";
      case type_kind::bytes:
      case type_kind::owned_bytes:
        return "bytes";
      case type_kind::uuid:
        return {{"type", "string"}, {"logicalType", "uuid"}};
      case type_kind::decimal:
        return {{"type", "bytes"}, {"logicalType", "big-decimal"}};
      case type_kind::fixed:
        return {{"type", "fixed"}, {"name", next_name("fixed")}, {"size", type.size}};
      case type_kind::duration:
        return {
            {"type", "fixed"}, {"name", next_name("duration")}, {"size", 12}, {"logicalType", "duration"}};
      case type_kind::date:
        return {{"type", "int"}, {"logicalType", "date"}};
      case type_kind::time_millis:
        return {{"type", "int"}, {"logicalType", "time-millis"}};
      case type_kind::time_micros:
        return {{"type", "long"}, {"logicalType", "time-micros"}};
      case type_kind::timestamp_millis:
        return {{"type", "long"}, {"logicalType", "timestamp-millis"}};
      case type_kind::timestamp_micros:
        return {{"type", "long"}, {"logicalType", "timestamp-micros"}};
      case type_kind::timestamp_nanos:
        return {{"type", "long"}, {"logicalType", "timestamp-nanos"}};
      case type_kind::local_timestamp_millis:
        return {{"type", "long"}, {"logicalType", "local-timestamp-millis"}};
      case type_kind::local_timestamp_micros:
        return {{"type", "long"}, {"logicalType", "local-timestamp-micros"}};
      case type_kind::local_timestamp_nanos:
        return {{"type", "long"}, {"logicalType", "local-timestamp-nanos"}};
      case type_kind::enumeration:
        return derive_enum(type);
      case type_kind::optional:
        return json::array({"null", derive(*type.item)});
      case type_kind::pointer:
        return json::array({"null", derive(*type.item)});
      case type_kind::variant: {
        json branches = json::array();
        for (const type_ref& one : type.alternatives) branches.push_back(derive(*one));
        return branches;
      }
      case type_kind::array:
      case type_kind::vector:
        return {{"type", "array"}, {"items", derive(*type.item)}};
      case type_kind::map:
      case type_kind::owned_map:
        return {{"type", "map"}, {"values", derive(*type.item)}};
      case type_kind::record:
        return derive_record(type);
      case type_kind::value:
      case type_kind::projection:
        break;  // no schema of their own
    }
    return nullptr;
  }

 private:
  [[nodiscard]] std::string next_name(const char* stem) { return stem + std::to_string(++unnamed_); }
  // False: defined before, `name` refers to it.
  [[nodiscard]] bool define(const type_descriptor& type, const char* stem, std::string& name) {
    const auto [at, added] =
        names_.try_emplace(&type, type.name.empty() ? next_name(stem) : std::string(type.name));
    name = at->second;
    return added;
  }
  [[nodiscard]] json derive_enum(const type_descriptor& type) {
    std::string name;
    if (!define(type, "enum", name)) return name;
    json symbols = json::array();
    for (const auto& symbol : type.symbols) symbols.push_back(symbol.name);
    return {{"type", "enum"}, {"name", name}, {"symbols", symbols}};
  }
  [[nodiscard]] json derive_record(const type_descriptor& type) {
    std::string name;
    if (!define(type, "record", name)) return name;
    json fields = json::array();
    for (const field_descriptor& field : type.fields) {
      json one = {{"name", field.name}, {"type", derive(*field.type)}};
      if (field.default_json) one["default"] = json::parse(*field.default_json, nullptr, false);
      fields.push_back(std::move(one));
    }
    return {{"type", "record"}, {"name", name}, {"fields", fields}};
  }

  int unnamed_ = 0;
  std::map<const type_descriptor*, std::string> names_;
};

}  // namespace

result<schema> derive_schema(const type_descriptor& type, const limits& limit) {
  parse_options options;
  options.limits = limit;
  return schema::parse(dump(deriver().derive(type)), options);
}

}  // namespace millrace::avro
