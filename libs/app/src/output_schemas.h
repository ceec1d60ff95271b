// Registration of the schemas of outputs: of their values, and of keys that have a type.
#pragma once

#include <functional>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/schemas.h>

namespace millrace::app {

// Runs a step until it succeeds or cannot succeed any more.
using repeated = std::function<result<void>(const std::function<result<void>()>& step)>;

// Registers the schemas of an output, whose topic is known, under the subjects of the settings, and notes their ids
// in it. Errors name the output.
[[nodiscard]] result<void> register_schemas(statements::output_declaration& output, stream::schemas& with,
                                            const app_config& settings, const repeated& repeat);

}  // namespace millrace::app
