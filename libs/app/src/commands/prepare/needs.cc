#include "needs.h"

#include <algorithm>

#include <millrace/app/preparation.h>

#include "subjects.h"

namespace millrace::app::provisioning {
namespace {

using registry::record_part;

void add(std::vector<topic_need>& to, const std::string& name, std::string use) {
  const auto is_it = [&name](const topic_need& each) { return each.name == name; };
  if (name.empty() || std::any_of(to.begin(), to.end(), is_it)) return;
  to.push_back({name, std::move(use)});
}

result<void> add_subject(application_needs& to, const statements::output_declaration& of, record_part part,
                         const app_config& settings) {
  const std::string_view schema = part == record_part::key ? of.key_schema_text() : of.schema_text();
  if (schema.empty()) return {};
  auto subject = subject_for(of, settings, part);
  if (!subject) return subject.error().in("output '" + of.name() + "'");
  const auto is_it = [&subject](const subject_need& each) { return each.subject == *subject; };
  if (std::any_of(to.subjects.begin(), to.subjects.end(), is_it)) return {};
  to.subjects.push_back({std::move(*subject), std::string(schema), "output " + of.name()});
  return {};
}

}  // namespace

result<application_needs> needs_of(const engine::processor_set& processors, const app_config& settings) {
  const auto work = engine::build(processors, settings.engine.processors);
  if (!work) return work.error();
  application_needs all;
  for (const std::string& each : topics_of(settings)) add(all.topics, each, "input");
  for (statements::output_declaration* output : work->declared.outputs) {
    output->route_to(topic_of(*output, settings));
    add(all.topics, output->topic(), "output " + output->name());
    for (const record_part part : {record_part::value, record_part::key}) {
      if (auto added = add_subject(all, *output, part, settings); !added) return added.error();
    }
  }
  for (const std::string& each : dead_letter_topics_of(settings.engine))
    add(all.topics, each, "dead letters");
  return all;
}

std::string to_text(const application_needs& all) {
  std::string text;
  for (const topic_need& each : all.topics) text += "topic\t" + each.name + "\t" + each.use + "\n";
  for (const subject_need& each : all.subjects) text += "subject\t" + each.subject + "\t" + each.use + "\n";
  return text;
}

}  // namespace millrace::app::provisioning
