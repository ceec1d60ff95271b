#include <millrace/app/preparation.h>

#include "error_hints.h"
#include "lookups.h"
#include "output_schemas.h"
#include "subjects.h"

namespace millrace::app {

std::string topic_of(const statements::output_declaration& output, const app_config& settings) {
  const auto to = settings.engine.outputs.find(output.name());
  return to == settings.engine.outputs.end() ? output.name() : to->second;
}

result<std::string> subject_of(const statements::output_declaration& output, const app_config& settings) {
  return subject_for(output, settings);
}

result<void> prepare(engine::processors& work, const preparation_ports& ports, const app_config& settings,
                     std::size_t workers,
                     const std::function<result<void>(const std::function<result<void>()>&)>& patiently) {
  const auto attempt = [&patiently](const std::function<result<void>()>& step) {
    return patiently ? patiently(step) : step();
  };
  for (statements::statement_declaration* statement : work.declared.statements) {
    const auto prepared = attempt([&] { return ports.store.prepare(*statement); });
    if (!prepared) return with_hint(prepared.error(), part::statement);
  }
  for (statements::output_declaration* output : work.declared.outputs) {
    output->route_to(topic_of(*output, settings));
    if (auto registered = register_schemas(*output, ports.schemas, settings, attempt); !registered)
      return registered;
  }
  const std::vector<lookup_settings> configured = declared_of(settings.lookups, work.declared);
  return open_lookups(work.declared, ports.lookups,
                      {configured, workers, static_cast<std::size_t>(settings.engine.memory_max.bytes)});
}

}  // namespace millrace::app
