#include <millrace/pipeline/avro_value.h>

namespace millrace::pipeline::internal {

result<std::shared_ptr<const value_plan>> compile_avro(std::string_view writer_schema,
                                                       const avro::type_descriptor& target) {
  const auto writer = avro::schema::parse(writer_schema);
  if (!writer) return writer.error().in("writer's schema");
  auto compiled = avro::plan::compile(*writer, target);
  if (!compiled) return compiled.error();
  return std::shared_ptr<const value_plan>(std::make_shared<avro_plan>(*std::move(compiled)));
}

}  // namespace millrace::pipeline::internal
