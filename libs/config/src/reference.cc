#include <limits>

#include <nlohmann/json.hpp>

#include <millrace/config/reference.h>

#include "values.h"

namespace millrace::config {
namespace {

using json = nlohmann::ordered_json;

constexpr std::string_view reference_pattern = R"(\$\{(env|file):)";

bool is_scalar(kind k) { return k != kind::list && k != kind::map && k != kind::section; }

// --- Markdown

// A table's cell: one line, no bars.
std::string cell(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c == '|') clean += '\\';
    clean += c == '\n' ? ' ' : c;
  }
  return clean;
}

class markdown_writer {
 public:
  void section(const section_info& settings, const std::string& path, const std::string& doc) {
    if (!path.empty()) text_ += "\n## `" + path + "`\n";
    if (!doc.empty()) text_ += "\n" + doc + "\n";
    const std::shared_ptr<void> defaults = settings.make();
    bool header = false;
    for (const field_info& field : settings.fields) {
      if (nested(field) != nullptr) continue;
      if (!header)
        text_ += "\n| setting | type | default | range | description |\n| --- | --- | --- | --- | --- |\n";
      header = true;
      row(field, field.member(defaults.get()));
    }
    for (const field_info& field : settings.fields) {
      const section_info* inner = nested(field);
      if (inner == nullptr) continue;
      const bool list = field.type.kind == kind::list;
      std::string about = field.doc;
      if (field.type.present != nullptr) about += about.empty() ? "Optional section." : " Optional section.";
      section(*inner, (path.empty() ? field.key : path + "." + field.key) + (list ? "[]" : ""), about);
    }
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  static const section_info* nested(const field_info& field) {
    const type_info& type = field.type.item ? *field.type.item : field.type;
    return type.settings.get();
  }

  void row(const field_info& field, void* member) {
    text_ += "| `" + field.key + "` | " + type_name(field.type) + " | ";
    if (field.required) {
      text_ += "**required**";
    } else if (field.type.kind == kind::map) {
      text_ += "`{}`";
    } else if (const std::string value = inline_text(field.type, member); value.empty() || value == "\"\"") {
      text_ += field.type.kind == kind::text && !value.empty() ? "empty" : "not set";
    } else {
      text_ += "`" + cell(value) + "`";
    }
    text_ += " | " + cell(range_text(field.type)) + " | " + cell(field.doc);
    if (!field.example.empty()) text_ += " Example: `" + cell(field.example) + "`.";
    if (!field.formerly.empty()) text_ += " Formerly `" + field.formerly + "`.";
    text_ += " |\n";
  }

  std::string text_;
};

// --- JSON Schema

json section_schema(const section_info& settings);

void put_limits(json& schema, const type_info& type) {
  const std::int64_t none_min = std::numeric_limits<std::int64_t>::min();
  const std::int64_t none_max = std::numeric_limits<std::int64_t>::max();
  if (type.min != none_min) schema["minimum"] = type.min;
  if (type.max != none_max) schema["maximum"] = type.max;
}

json or_reference(json schema) {
  return {
      {"anyOf", json::array({std::move(schema), json{{"type", "string"}, {"pattern", reference_pattern}}})}};
}

json type_schema(const type_info& type) {
  switch (type.kind) {
    case kind::text:
    case kind::secret:
      // Any scalar is text in YAML's eyes of ours: `group: 7` is the text 7.
      return {{"type", json::array({"string", "number", "boolean"})}};
    case kind::integer: {
      json schema{{"type", "integer"}};
      put_limits(schema, type);
      return or_reference(std::move(schema));
    }
    case kind::number: {
      json schema{{"type", "number"}};
      if (type.number_min > std::numeric_limits<double>::lowest()) schema["minimum"] = type.number_min;
      if (type.number_max < std::numeric_limits<double>::max()) schema["maximum"] = type.number_max;
      return or_reference(std::move(schema));
    }
    case kind::boolean:
      return or_reference({{"type", "boolean"}});
    case kind::duration:
      return or_reference({{"type", json::array({"string", "integer"})},
                           {"pattern", R"(^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+)$)"},
                           {"minimum", 0},
                           {"maximum", 0}});
    case kind::size:
      return or_reference({{"type", json::array({"string", "integer"})},
                           {"pattern", R"(^[0-9]+(\.[0-9]+)? *(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?$)"},
                           {"minimum", 0}});
    case kind::choice: {
      json names = json::array();
      for (const choice& one : type.choices) names.push_back(one.name);
      return or_reference({{"enum", std::move(names)}});
    }
    case kind::list:
      return {{"type", json::array({"array", "null"})}, {"items", type_schema(*type.item)}};
    case kind::map:
      return {{"type", json::array({"object", "null"})},
              {"additionalProperties", {{"type", json::array({"string", "number", "boolean"})}}}};
    case kind::section:
      return section_schema(*type.settings);
  }
  return {};
}

// Defaults as an editor should insert them.
json default_of(const type_info& type, void* member) {
  if (type.kind == kind::integer) return std::get<std::int64_t>(type.read(member));
  if (type.kind == kind::number) return std::get<double>(type.read(member));
  if (type.kind == kind::boolean) return std::get<bool>(type.read(member));
  return scalar_text(type, member);
}

json section_schema(const section_info& settings) {
  json properties = json::object();
  json required = json::array();
  const std::shared_ptr<void> defaults = settings.make();
  for (const field_info& field : settings.fields) {
    json one = type_schema(field.type);
    if (field.required && field.type.kind == kind::list)
      one = {{"type", "array"}, {"items", one["items"]}, {"minItems", 1}};
    if (field.required && field.type.kind == kind::text) one["minLength"] = 1;
    if (!field.doc.empty()) one["description"] = field.doc;
    if (!field.example.empty()) one["examples"] = json::array({field.example});
    const bool has_default = !field.required && is_scalar(field.type.kind) && field.type.present == nullptr &&
                             field.type.kind != kind::secret;
    if (has_default) one["default"] = default_of(field.type, field.member(defaults.get()));
    if (!field.formerly.empty()) {
      json former = type_schema(field.type);
      former["deprecated"] = true;
      properties[field.formerly] = std::move(former);
    }
    // A key's former name would satisfy the loader, and so may an override: only a hint for editors.
    if (field.required && field.formerly.empty()) required.push_back(field.key);
    properties[field.key] = std::move(one);
  }
  for (const retired_key& key : settings.retired) {
    properties[key.key] = {{"deprecated", true}, {"description", "No effect: " + key.reason + "."}};
  }
  json schema{{"type", json::array({"object", "null"})}, {"additionalProperties", false}};
  schema["properties"] = std::move(properties);
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

}  // namespace

std::string to_markdown(const section_info& settings) {
  markdown_writer writer;
  writer.section(settings, "", "");
  return writer.take();
}

std::string to_json_schema(const section_info& settings, std::string_view title) {
  json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
  schema.update(section_schema(settings));
  return schema.dump(2) + "\n";
}

}  // namespace millrace::config
