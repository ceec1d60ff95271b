#include <millrace/engine/json_value.h>

#include "writer_schema.h"

namespace millrace::engine::internal {

result<std::shared_ptr<const value_plan>> compile_json(const stream::schema_document& documents,
                                                       const avro::type_descriptor& target,
                                                       const avro::json_options& options) {
  // The defaults stand for missing fields.
  const bool check_defaults = true;
  const auto schema = documents.text.empty() ? avro::schema_of(target, options.limits)
                                             : parse_writer(documents, check_defaults);
  if (!schema) return schema.error().in("schema of the documents");
  auto compiled = avro::json_plan::compile(*schema, target, options);
  if (!compiled) return compiled.error();
  return std::shared_ptr<const value_plan>(std::make_shared<json_value_plan>(*std::move(compiled)));
}

}  // namespace millrace::engine::internal
