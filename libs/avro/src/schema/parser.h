// Text → schema graph. One object parses one text.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <millrace/avro/schema.h>

#include "schema/document.h"
#include "schema/json.h"

namespace millrace::avro {

class schema_parser {
 public:
  schema_parser(std::span<const schema> references, const parse_options& options);

  [[nodiscard]] result<schema> parse(std::string_view text);

 private:
  using node_result = result<const schema_node*>;
  // Where a type stands: the namespace that surrounds it, its JSON path, how many types surround it.
  struct place {
    std::string name_space;
    std::string path;
    std::size_t depth = 0;

    [[nodiscard]] place inside(const std::string& step) const { return {name_space, path + step, depth + 1}; }
  };

  [[nodiscard]] result<void> take_references();
  [[nodiscard]] node_result parse_type(const json& text, const place& at);
  [[nodiscard]] node_result parse_reference(const std::string& name, const place& at);
  [[nodiscard]] node_result parse_union(const json& text, const place& at);
  [[nodiscard]] node_result parse_object(const json& text, const place& at);
  [[nodiscard]] node_result parse_primitive(schema_type type, const json& text, const place& at);
  [[nodiscard]] node_result parse_named(schema_type type, const json& text, const place& at);
  [[nodiscard]] result<void> parse_record(schema_node& node, const json& text, const place& at);
  [[nodiscard]] result<schema_field> parse_field(const json& text, const place& at);
  [[nodiscard]] result<void> parse_enum(schema_node& node, const json& text, const place& at) const;
  [[nodiscard]] result<void> parse_fixed(schema_node& node, const json& text, const place& at) const;

  [[nodiscard]] error too_long(const std::string& path, std::string_view name) const;
  [[nodiscard]] result<std::string> full_name(const json& text, const place& at) const;
  [[nodiscard]] result<std::vector<std::string>> aliases(const json& text, const std::string& space,
                                                         bool qualified, const place& at) const;
  [[nodiscard]] bool is_name(std::string_view text) const;
  [[nodiscard]] result<schema_node*> new_node(schema_type type, const place& at);
  static void annotate(schema_node& node, const json& text);

  [[nodiscard]] result<void> check_defaults() const;

  const parse_options& options_;
  std::shared_ptr<schema::document> document_;
  // JSON of every definition and the namespace around it: a second definition must be equal.
  std::map<std::string, std::pair<json, std::string>, std::less<>> definitions_;
  // Defaults are checked when every type is complete.
  struct pending_default {
    const schema_node* type;
    const std::string* text;
    std::string path;
  };
  std::vector<pending_default> defaults_;
};

// Properties of the whole graph: refuses records that contain themselves without an exit and nesting deeper
// than `depth_max`, then fills `wire_bytes_min` and `recursive`.
[[nodiscard]] result<void> finish_graph(const std::vector<std::unique_ptr<schema_node>>& nodes,
                                        const schema_node& root, std::size_t depth_max);

}  // namespace millrace::avro
