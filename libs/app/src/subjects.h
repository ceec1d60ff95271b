// The subjects under which the schemas of outputs are registered.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/registry/subject.h>
#include <millrace/statement/declarations.h>

namespace millrace::app {

// The values of `registry.subject_naming`; nullopt for any other text.
[[nodiscard]] std::optional<registry::subject_naming> subject_naming_named(std::string_view text);
// The subject of the values or keys of an output, which is routed to its topic: by `registry.subject_naming_of`, or by
// `registry.subject_naming`. errc::config_invalid: no subject can be named after its schema.
[[nodiscard]] result<std::string> subject_for(const statements::output_declaration& output,
                                              const app_config& settings,
                                              registry::record_part part = registry::record_part::value);

}  // namespace millrace::app
