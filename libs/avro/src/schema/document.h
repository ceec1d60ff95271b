// What a `schema` handle holds.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <millrace/avro/schema.h>

namespace millrace::avro {

struct schema::document {
  std::string text;
  const schema_node* root = nullptr;
  // Owns the nodes that the text defines, in the order in which their definitions open.
  std::vector<std::unique_ptr<schema_node>> nodes;
  // Every named type in scope, those of the references included.
  std::map<std::string, const schema_node*, std::less<>> names;
  std::vector<std::shared_ptr<const document>> references;
};

// A named type as JSON, self-contained: equal for equal definitions.
[[nodiscard]] std::string definition_of(const schema_node& type);

}  // namespace millrace::avro
