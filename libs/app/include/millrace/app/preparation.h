// The steps of a start between the configuration and the first record, on ports: the start of a process and the
// harness for tests share them.
//
// Example, at namespace scope:
//
//   result<void> prepare_one(engine::processors& work, const app::preparation_ports& ports, const app::app_config& settings) {
//     return app::prepare(work, ports, settings, 1, {});
//   }
//
// Threads: one; the ports belong to it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/engine/input_options.h>
#include <millrace/engine/processor.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/schemas.h>
#include <millrace/stream/store.h>

namespace millrace::app {

// Checks everything that a start checks before it reaches a server. Returns the first errc::config_invalid.
[[nodiscard]] result<void> check_start(const engine::processor_set& processors, const app_config& settings,
                                       unsigned workers);

// The inputs of the engine, with the files of schemas that they name. Empty: every topic is of the input `default`.
// Errors: errc::config_invalid with the setting.
[[nodiscard]] result<std::vector<engine::input_options>> read_inputs(const app_config& settings);

// The topic of an output: by `engine.outputs`, or its name.
[[nodiscard]] std::string topic_of(const statements::output_declaration& output, const app_config& settings);
// The subject under which the schema of an output is registered, once it was routed to its topic. Errors: those of
// avro::schema::parse().
[[nodiscard]] result<std::string> subject_of(const statements::output_declaration& output,
                                             const app_config& settings);

// The ports that the declarations of a worker's processors are prepared with.
struct preparation_ports {
  stream::store& store;
  stream::schemas& schemas;
  statements::lookup_room& lookups;
};

// Prepares the statements of a worker's processors, routes their outputs and registers the schemas, and opens their
// lookups. `patiently` runs one step and may run it again after a failure that may pass; empty: once.
// Errors: those of the ports, with the statement or output and what to do; errc::config_invalid of lookups.
[[nodiscard]] result<void> prepare(
    engine::processors& work, const preparation_ports& ports, const app_config& settings, std::size_t workers,
    const std::function<result<void>(const std::function<result<void>()>&)>& patiently);

}  // namespace millrace::app
