#include "output_schemas.h"

#include <string>
#include <string_view>

#include "error_hints.h"
#include "subjects.h"

namespace millrace::app {

using registry::record_part;

result<void> register_schemas(statements::output_declaration& output, stream::schemas& with,
                              const app_config& settings, const repeated& repeat) {
  const std::string which = "output '" + output.name() + "'";
  const auto register_text = [&](record_part of, std::string_view text, std::int32_t& id) -> result<void> {
    const auto subject = subject_for(output, settings, of);
    if (!subject) return subject.error().in(which);
    return repeat([&]() -> result<void> {
      const auto registered = with.register_schema(*subject, text);
      if (!registered) return with_hint(registered.error().in(which), part::registry);
      id = *registered;
      return {};
    });
  };
  std::int32_t id = -1;
  if (auto done = register_text(record_part::value, output.schema_text(), id); !done) return done;
  output.registered_as(id);
  if (output.key_schema_text().empty()) return {};
  if (auto done = register_text(record_part::key, output.key_schema_text(), id); !done) return done;
  output.key_registered_as(id);
  return {};
}

}  // namespace millrace::app
