#include "command_reference.h"

#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>

#include <millrace/app/exit_code.h>

namespace millrace::app {
namespace {

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  std::vector<const CLI::Option*> all = command.get_options();
  std::erase_if(all, [](const CLI::Option* one) { return one->get_name() == "--help"; });
  std::ranges::stable_partition(all, [](const CLI::Option* one) { return one->get_positional(); });
  return all;
}

std::string placeholder(const CLI::Option& one) {
  const std::string name = one.get_name(true);
  const std::string text = one.get_expected_max() > 1 ? name + "..." : name;
  return one.get_required() ? text : "[" + text + "]";
}

std::string usage(const std::string& path, const CLI::App& command) {
  std::string text = path;
  std::string positionals;
  bool has_options = false;
  for (const CLI::Option* one : options_of(command)) {
    if (one->get_positional()) {
      positionals += " " + placeholder(*one);
    } else if (one->get_required()) {
      text += " " + one->get_name() + " " + one->get_type_name();
    } else {
      has_options = true;
    }
  }
  return text + (has_options ? " [OPTIONS]" : "") + positionals;
}

// What the library writes into the type: "FLOAT:FLOAT in [0.1 - 3600]", "TEXT:{done,skipped}".
std::string values_of(const CLI::Option& one) {
  const std::string type = one.get_type_name();
  const auto colon = type.find(':');
  return colon == std::string::npos ? type : type.substr(colon + 1);
}

std::string option_row(const CLI::Option& one) {
  std::string names = one.get_name(true, true);
  for (std::size_t at = 0; (at = names.find(',', at)) != std::string::npos; at += 4)
    names.replace(at, 1, "`, `");
  std::string text = one.get_description();
  if (one.get_required()) text += " (required)";
  if (!one.get_envname().empty()) text += " (environment: `" + one.get_envname() + "`)";
  const std::string values = values_of(one);
  const std::string& standard = one.get_default_str();
  return "| `" + names + "` | " + cell(values) + " | " +
         (standard.empty() ? "" : "`" + cell(standard) + "`") + " | " + cell(text) + " |\n";
}

struct listing {
  std::string table;     // one row a command
  std::string chapters;  // one a command
};

void describe(const std::string& path, const CLI::App& command, const std::string& where, listing& into) {
  const auto below = command.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* one : below) describe(path + " " + one->get_name(), *one, where, into);
  if (!below.empty()) return;
  std::string anchor = path;
  std::ranges::replace(anchor, ' ', '-');
  into.table +=
      "| [`" + path + "`](#" + anchor + ") | " + cell(command.get_description()) + " | " + where + " |\n";
  into.chapters +=
      "\n## " + path + "\n\n" + command.get_description() + ".\n\n```\n" + usage(path, command) + "\n```\n";
  const auto options = options_of(command);
  if (options.empty()) return;
  into.chapters += "\n| argument or option | value | default | description |\n| --- | --- | --- | --- |\n";
  for (const CLI::Option* one : options) into.chapters += option_row(*one);
}

}  // namespace

std::string to_markdown(const program& of) {
  CLI::App root(of.purpose, of.name);
  int code = exit_ok;
  declare_program(of, root, code);
  listing all;
  for (const CLI::App* one : root.get_subcommands([](const CLI::App*) { return true; })) {
    const bool own = std::ranges::any_of(of.own, [&](const command& c) { return c.name == one->get_name(); });
    describe(of.name + " " + one->get_name(), *one, own ? "`" + of.name + "`" : "every application", all);
  }
  return "# Command line\n\n"
         "`./dev generate` writes this page from the commands themselves. The commands that every "
         "application has\n"
         "are called by the name of its program: `orders run orders.yaml`.\n\n"
         "| exit code | meaning |\n| --- | --- |\n"
         "| " +
         std::to_string(exit_ok) +
         " | The command succeeded. `run`: everything in flight was finished and committed. |\n"
         "| " +
         std::to_string(exit_failure) +
         " | The command failed, or found what it reports. `run`: a failure, or records will be processed "
         "again. |\n"
         "| " +
         std::to_string(exit_config) +
         " | The configuration or the command line cannot be used. |\n\n"
         "| command | purpose | available in |\n| --- | --- | --- |\n" +
         all.table + all.chapters;
}

}  // namespace millrace::app
