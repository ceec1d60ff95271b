#include <algorithm>

#include <millrace/engine/avro_value.h>

#include "writer_schema.h"

namespace millrace::engine::internal {
namespace {

// A writer's defaults are never used: one that does not fit its field must not cost its records.
constexpr bool check_defaults = false;

// A name without a namespace stands for any namespace.
bool names_one(std::string_view known, std::string_view writer) {
  return known == writer || (avro::name_space(known).empty() && known == avro::unqualified(writer));
}

bool reads(const avro::type_descriptor& target, std::string_view writer) {
  if (target.schema_text.empty()) return target.name.empty() || names_one(target.name, writer);
  const auto own = avro::schema::parse(target.schema_text);
  if (!own) return false;
  const avro::schema_node& root = own->root();
  return names_one(root.name, writer) ||
         std::any_of(root.aliases.begin(), root.aliases.end(),
                     [writer](const std::string& alias) { return names_one(alias, writer); });
}

}  // namespace

result<writer_match> match_avro(const stream::schema_document& writer, const avro::type_descriptor& target) {
  const auto schema = parse_writer(writer, check_defaults);
  if (!schema) return schema.error().in("writer's schema");
  const std::string& name = schema->root().name;
  return writer_match{reads(target, name), name};
}

std::string record_name_of(const avro::type_descriptor& target) {
  if (target.schema_text.empty()) return std::string(target.name);
  const auto own = avro::schema::parse(target.schema_text);
  return own ? own->root().name : std::string(target.name);
}

std::string schema_text_of(const avro::type_descriptor& target) {
  const auto own = avro::schema_of(target);
  return own ? own->text() : std::string();
}

result<std::shared_ptr<const value_plan>> compile_avro(const stream::schema_document& writer,
                                                       const avro::type_descriptor& target) {
  const auto schema = parse_writer(writer, check_defaults);
  if (!schema) return schema.error().in("writer's schema");
  auto compiled = avro::plan::compile(*schema, target);
  if (!compiled) return compiled.error();
  return std::shared_ptr<const value_plan>(std::make_shared<avro_plan>(*std::move(compiled)));
}

}  // namespace millrace::engine::internal
