#include "subjects.h"

#include <millrace/avro/schema.h>

namespace millrace::app {

using registry::subject_naming;

namespace {

subject_naming naming_of(const std::string& output, const app_config& settings) {
  if (!settings.registry) return subject_naming::topic;
  const auto own = settings.registry->subject_naming_of.find(output);
  if (own == settings.registry->subject_naming_of.end()) return settings.registry->subject_naming;
  return subject_naming_named(own->second).value_or(settings.registry->subject_naming);
}

}  // namespace

std::optional<subject_naming> subject_naming_named(std::string_view text) {
  if (text == "topic") return subject_naming::topic;
  if (text == "record") return subject_naming::record;
  if (text == "topic_record") return subject_naming::topic_record;
  return std::nullopt;
}

result<std::string> subject_for(const statements::output_declaration& output, const app_config& settings,
                                registry::record_part part) {
  const subject_naming naming = naming_of(output.name(), settings);
  std::string record_name;
  if (naming != subject_naming::topic) {
    const auto schema = avro::schema::parse(part == registry::record_part::key ? output.key_schema_text()
                                                                               : output.schema_text());
    if (!schema) return schema.error();
    record_name = schema->root().name;
  }
  return registry::subject_of(naming, output.topic(), part, record_name);
}

}  // namespace millrace::app
