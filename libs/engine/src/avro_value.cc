#include <vector>

#include <millrace/engine/avro_value.h>

namespace millrace::engine::internal {
namespace {

result<avro::schema> parse_writer(const stream::schema_document& from) {
  // A writer's defaults are never used: one that does not fit its field must not cost its records.
  const avro::parse_options lenient{.limits = {}, .check_defaults = false};
  if (from.references.empty()) return avro::schema::parse(from.text, lenient);
  std::vector<std::string_view> texts(from.references.begin(), from.references.end());
  texts.emplace_back(from.text);
  auto parsed = avro::schema::parse_set(texts, lenient);
  if (!parsed) return parsed.error();
  return std::move(parsed->back());
}

}  // namespace

result<std::shared_ptr<const value_plan>> compile_avro(const stream::schema_document& writer,
                                                       const avro::type_descriptor& target) {
  const auto schema = parse_writer(writer);
  if (!schema) return schema.error().in("writer's schema");
  auto compiled = avro::plan::compile(*schema, target);
  if (!compiled) return compiled.error();
  return std::shared_ptr<const value_plan>(std::make_shared<avro_plan>(*std::move(compiled)));
}

}  // namespace millrace::engine::internal
