#include <millrace/engine/avro_value.h>

#include "writer_schema.h"

namespace millrace::engine::internal {

result<std::shared_ptr<const value_plan>> compile_avro(const stream::schema_document& writer,
                                                       const avro::type_descriptor& target) {
  // A writer's defaults are never used: one that does not fit its field must not cost its records.
  const bool check_defaults = false;
  const auto schema = parse_writer(writer, check_defaults);
  if (!schema) return schema.error().in("writer's schema");
  auto compiled = avro::plan::compile(*schema, target);
  if (!compiled) return compiled.error();
  return std::shared_ptr<const value_plan>(std::make_shared<avro_plan>(*std::move(compiled)));
}

}  // namespace millrace::engine::internal
