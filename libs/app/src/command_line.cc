#include <iostream>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include <millrace/app/application.h>
#include <millrace/app/command_line.h>
#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>
#include <millrace/app/metric_catalogue.h>

#include "command_reference.h"
#include "commands/built_in.h"
#include "error_reference.h"

namespace millrace::app {
namespace {

using action = std::function<int(const run_arguments&)>;

// A command that takes a configuration.
command with_config(std::string name, std::string summary, action act) {
  return {std::move(name), std::move(summary), [act = std::move(act)](CLI::App& self, int& code) {
            auto arguments = std::make_shared<run_arguments>();
            add_configuration(self, *arguments);
            self.callback([act, arguments, &code] { code = act(*arguments); });
          }};
}

void declare_config_command(const application& app, CLI::App& self, int& code) {
  const auto print = [&app](config_document which, const run_arguments& arguments) {
    return print_config(app, which, arguments, std::cout, std::cerr);
  };
  self.require_subcommand(1);
  self.add_subcommand("reference", "Print the reference of all settings in Markdown")
      ->callback([print, &code] { code = print(config_document::reference, {}); });
  self.add_subcommand("schema", "Print the JSON Schema of the configuration file")->callback([print, &code] {
    code = print(config_document::schema, {});
  });
  const command show = with_config(
      "show", "Print the effective configuration and the origin of every value",
      [print](const run_arguments& arguments) { return print(config_document::show, arguments); });
  show.declare(*self.add_subcommand(show.name, show.summary), code);
}

void declare_validate_command(const application& app, CLI::App& self, int& code) {
  struct arguments {
    run_arguments run;
    bool fix = false;
    std::string schema;
  };
  auto given = std::make_shared<arguments>();
  add_configuration(self, given->run);
  CLI::Option* const fix = self.add_flag("--fix", given->fix, "Replace former names of settings in the file");
  self.add_option("--schema", given->schema,
                  "File of CQL with the tables: check it, and the statements against it")
      ->excludes(fix);
  self.callback([&app, given, &code] {
    code = given->fix ? fix_config(app, given->run, std::cout, std::cerr)
                      : validate_config(app, given->run, std::cout, std::cerr, given->schema);
  });
}

int print_metrics(const application& app, const run_arguments& arguments) {
  app_config settings;
  if (!arguments.config_file.empty()) {
    auto loaded = load_config(app, arguments, std::cerr);
    if (!loaded) return exit_config;
    settings = std::move(loaded->value);
  }
  const auto processors = processors_of(app, settings);
  const auto catalogue =
      processors ? metric_catalogue_json(*processors) : result<std::string>(processors.error());
  if (!catalogue) {
    std::cerr << app.name << ": " << catalogue.error().message() << "\n";
    return exit_config;
  }
  std::cout << *catalogue;
  return exit_ok;
}

void declare_metrics_command(const application& app, CLI::App& self, int& code) {
  auto arguments = std::make_shared<run_arguments>();
  self.add_option(
      "config,--config", arguments->config_file,
      "Configuration file (YAML), for processors that depend on settings; the defaults when absent");
  self.add_option("--set", arguments->set, "Override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  self.callback([&app, arguments, &code] { code = print_metrics(app, *arguments); });
}

void declare_errors_command(CLI::App& self, int& code) {
  self.callback([&code] {
    std::cout << error_reference();
    code = exit_ok;
  });
}

command version_command(const program& of) {
  return {"version", "Print the version", [&of](CLI::App& self, int& code) {
            self.callback([&of, &code] {
              std::cout << of.name << " " << of.version << "\n";
              code = exit_ok;
            });
          }};
}

// The help of the command that the words name; none when there is none. The tree is a new one: of a tree that
// has been used, CLI11 prints the help of the command that ran.
std::optional<std::string> help_of(const program& of, const std::vector<std::string>& words) {
  CLI::App root(of.purpose, of.name);
  int code = exit_ok;
  declare_program(of, root, code);
  const CLI::App* at = &root;
  std::string path;
  for (const std::string& word : words) {
    const auto named = at->get_subcommands([&word](const CLI::App* one) { return one->get_name() == word; });
    if (named.empty()) return std::nullopt;
    path += (path.empty() ? "" : " ") + at->get_name();
    at = named.front();
  }
  return at->help(path);
}

command help_command(const program& of) {
  return {"help", "Print the help of a command", [&of](CLI::App& self, int& code) {
            struct arguments {
              std::vector<std::string> words;
              bool markdown = false;
            };
            auto given = std::make_shared<arguments>();
            self.add_option("command", given->words, "Command; all commands when absent");
            self.add_flag("--markdown", given->markdown, "Print the reference of all commands in Markdown");
            self.callback([&of, given, &code] {
              const auto text = given->markdown ? to_markdown(of) : help_of(of, given->words);
              if (!text) {
                std::cerr << of.name << ": unknown command '" << CLI::detail::join(given->words, " ")
                          << "'\n";
                code = exit_config;
                return;
              }
              std::cout << *text;
              code = exit_ok;
            });
          }};
}

}  // namespace

void add_configuration(CLI::App& command, run_arguments& into) {
  command.add_option("config,--config", into.config_file, "Configuration file (YAML)")->required();
  command.add_option("--set", into.set, "Override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
}

void declare_program(const program& of, CLI::App& root, int& code) {
  root.require_subcommand(1);
  const auto add = [&](const command& one) {
    one.declare(*root.add_subcommand(one.name, one.summary), code);
  };
  for (const command& one : of.shared) add(one);
  for (const command& one : of.own) add(one);
  add(help_command(of));
  add(version_command(of));
}

std::vector<command> commands_of(const application& app) {
  std::vector<command> all = {
      with_config("run", "Run until SIGTERM or a failure",
                  [&app](const run_arguments& arguments) { return run(app, arguments); }),
      {"validate", "Check a configuration",
       [&app](CLI::App& self, int& code) { declare_validate_command(app, self, code); }},
      {"config", "Print the settings: their reference, their JSON Schema or their effective values",
       [&app](CLI::App& self, int& code) { declare_config_command(app, self, code); }},
      {"errors", "Print the reference of all errors in Markdown", declare_errors_command},
      {"metrics", "Print the catalogue of metrics as JSON",
       [&app](CLI::App& self, int& code) { declare_metrics_command(app, self, code); }},
  };
  all.push_back(prepare_command(app));
  for (command& one : observe_commands()) all.push_back(std::move(one));
  all.push_back(dlq_command());
  all.push_back(avro_command());
  all.push_back(certify_command());
  return all;
}

int run_program(const program& of, int argc, char** argv) {
  CLI::App root(of.purpose, of.name);
  int code = exit_ok;
  declare_program(of, root, code);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (const auto unknown = root.remaining(); root.get_subcommands().empty() && !unknown.empty()) {
      std::cerr << of.name << ": unknown command '" << unknown.front() << "'; '" << of.name
                << " help' lists all commands\n";
      return exit_config;
    }
    return root.exit(wrong) == 0 ? exit_ok : exit_config;
  }
  return code;
}

int main(int argc, char** argv, const application& app) {
  return run_program(
      {app.name, app.version, app.name + ": a Millrace application", commands_of(app), app.commands}, argc,
      argv);
}

}  // namespace millrace::app
