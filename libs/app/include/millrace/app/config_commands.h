// The commands about the configuration: `config reference|schema|show`, `validate` and `validate --fix`, in
// `millrace` and in every application.
//
// Each function writes its result to `out`, diagnostics to `err`, and returns the exit code: 0, 78
// (EX_CONFIG) when the configuration cannot be used, or 1 when a file cannot be written.
//
// Example prelude:
//
//   #include <iostream>
//
// Example:
//
//   const app::run_arguments arguments{.config_file = "config.yaml", .set = {"kafka.group=visits"}};
//   const app::application visits{.name = "visits", .processors = {}};
//   const int exit_code = app::validate_config(visits, arguments, std::cout, std::cerr);
//   if (exit_code != 0) return error(errc::config_invalid);
//
// Threads: any. No other thread may change the environment of the process during a call.
// Errors: diagnostics go to `err`; the exit code, or an empty result, reports the failure.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include <millrace/app/app_config.h>
#include <millrace/app/application.h>
#include <millrace/config/load.h>

namespace millrace::app {

// Returns every setting as Markdown: docs/reference/configuration.md, and with the section `app` for an application
// that has settings.
[[nodiscard]] std::string config_reference(const application_settings& own = {});
// Returns the JSON Schema (draft 2020-12) of the YAML file.
[[nodiscard]] std::string config_schema(const application_settings& own = {});

// The documents of `config`.
enum class config_document : std::uint8_t { reference, schema, show };

// Reads the configuration of an application from any inputs; the result has the diagnostics.
[[nodiscard]] config::loaded<app_config> read_config(const application& app, const config::inputs& from);
// Reads file, environment and --set, and writes the diagnostics to `err`. Returns nullopt after errors. An
// application without settings has no section `app`.
[[nodiscard]] std::optional<config::loaded<app_config>> load_config(const application& app,
                                                                    const run_arguments& arguments,
                                                                    std::ostream& err);
// The same for a command that needs no settings of the application: a section `app` is accepted unread, so that
// `millrace` works on the files of every application.
[[nodiscard]] std::optional<config::loaded<app_config>> load_config(const run_arguments& arguments,
                                                                    std::ostream& err);

// Prints a document. `show` prints the effective configuration: each value with its origin (file:line, the
// environment variable, --set, default), secrets masked. The other two need no configuration file.
[[nodiscard]] int print_config(const application& app, config_document which, const run_arguments& arguments,
                               std::ostream& out, std::ostream& err);
// Checks everything that the start of `app` checks before it reaches a server: the settings, librdkafka's
// properties, files, outputs, lookups and memory. Prints "FILE: ok" or the diagnostics. Warns when the process
// may use more memory than its cgroup has. With a schema file (schema_file.h), also checks its text and the statements
// and lookups of the processors against it.
[[nodiscard]] int validate_config(const application& app, const run_arguments& arguments, std::ostream& out,
                                  std::ostream& err, const std::string& schema = {});
// Replaces former names of settings in the file, keeping comments and layout, prints each one, and checks the
// configuration. The file is replaced atomically with its permissions, or left as it was.
[[nodiscard]] int fix_config(const application& app, const run_arguments& arguments, std::ostream& out,
                             std::ostream& err);

}  // namespace millrace::app
