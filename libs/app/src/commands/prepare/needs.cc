#include "needs.h"

#include <algorithm>

#include <millrace/app/preparation.h>

namespace millrace::app::provisioning {
namespace {

void add(std::vector<topic_need>& to, const std::string& name, std::string use) {
  const auto is_it = [&name](const topic_need& each) { return each.name == name; };
  if (name.empty() || std::any_of(to.begin(), to.end(), is_it)) return;
  to.push_back({name, std::move(use)});
}

}  // namespace

result<application_needs> needs_of(const engine::processor_set& processors, const app_config& settings) {
  const auto work = engine::build(processors);
  if (!work) return work.error();
  application_needs all;
  for (const std::string& each : topics_of(settings)) add(all.topics, each, "input");
  for (statements::output_declaration* output : work->declared.outputs) {
    output->route_to(topic_of(*output, settings));
    add(all.topics, output->topic(), "output " + output->name());
    if (output->schema_text().empty()) continue;
    auto subject = subject_of(*output, settings);
    if (!subject) return subject.error().in("output '" + output->name() + "'");
    const auto is_it = [&subject](const subject_need& each) { return each.subject == *subject; };
    if (std::any_of(all.subjects.begin(), all.subjects.end(), is_it)) continue;
    all.subjects.push_back(
        {std::move(*subject), std::string(output->schema_text()), "output " + output->name()});
  }
  add(all.topics, settings.engine.dead_letter_topic, "dead letters");
  return all;
}

std::string to_text(const application_needs& all) {
  std::string text;
  for (const topic_need& each : all.topics) text += "topic\t" + each.name + "\t" + each.use + "\n";
  for (const subject_need& each : all.subjects) text += "subject\t" + each.subject + "\t" + each.use + "\n";
  return text;
}

}  // namespace millrace::app::provisioning
