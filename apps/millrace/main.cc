// The program `millrace`: the navigation example, the demo and tools.

#include <fstream>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>

#include <millrace/app/application.h>
#include <millrace/app/metric_catalogue.h>
#include <millrace/avro/codegen.h>
#include <millrace/avro/schema.h>

#include "avro/command_line.h"
#include "demo/demo.h"
#include "dlq/command_line.h"
#include "navigation_application.h"
#include "observe/command_line.h"

namespace {

constexpr int exit_config = 78;  // EX_CONFIG

// `millrace codegen schema.avsc`: a C++ header on standard output, or in a file.
int codegen(const std::string& schema_file, const std::string& cpp_namespace,
            const std::string& output_file) {
  std::ifstream in(schema_file);
  if (!in) {
    std::cerr << "millrace codegen: cannot read " << schema_file << "\n";
    return exit_config;
  }
  std::stringstream text;
  text << in.rdbuf();
  const auto schema = millrace::avro::schema::parse(text.str());
  if (!schema) {
    std::cerr << "millrace codegen: " << schema_file << ": " << schema.error().message() << "\n";
    return exit_config;
  }
  millrace::avro::codegen_options options;
  options.name_space = cpp_namespace;
  options.source = schema_file;
  const auto header = millrace::avro::generate_header(*schema, options);
  if (!header) {
    std::cerr << "millrace codegen: " << schema_file << ": " << header.error().message() << "\n";
    return exit_config;
  }
  if (output_file.empty()) {
    std::cout << *header;
    return 0;
  }
  std::ofstream out(output_file);
  out << *header;
  if (!out.flush()) {
    std::cerr << "millrace codegen: cannot write " << output_file << "\n";
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace millrace;
  CLI::App cli("Kafka records of Avro through your logic into ScyllaDB/Cassandra and on, without losing one.",
               "millrace");
  cli.require_subcommand(1);
  int code = 0;

  app::run_arguments run;
  const auto with_config = [&run](CLI::App* command) {
    command->add_option("config", run.config_file, "Configuration file (YAML)")->required();
    command->add_option("--set", run.set, "Overrides a setting: section.key=value");
    return command;
  };
  with_config(cli.add_subcommand("run", "Run the navigation example until SIGTERM"))->callback([&] {
    code = app::run(navigation::application(), run);
  });
  with_config(cli.add_subcommand("validate", "Check a configuration"))->callback([&] {
    code = app::validate(run);
  });

  demo::demo_arguments demo;
  CLI::App* demo_command =
      cli.add_subcommand("demo", "The main job on an embedded environment, verified while it runs");
  demo_command->add_option("--duration", demo.duration_seconds, "Seconds")
      ->capture_default_str()
      ->check(CLI::Range(4, 86'400));
  demo_command->add_option("--rate", demo.rate, "Records per second offered")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  demo_command
      ->add_option("--slow-for", demo.slow_seconds,
                   "Seconds, in the middle, of the slow database (default: the third quarter)")
      ->check(CLI::Range(1, 86'400));
  demo_command->add_option("--seed", demo.seed, "Of the generated records")->capture_default_str();
  demo_command->add_option("--in-flight", demo.in_flight_max, "Records in flight at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  demo_command
      ->add_option("--port", demo.port, "Of the application's page (default: 9464, or a free one when busy)")
      ->check(CLI::Range(1, 65'535));
  demo_command
      ->add_option("--control-port", demo.control_port, "Of the demo's switches (default: a free one)")
      ->check(CLI::Range(1, 65'535));
  demo_command->add_option("--set", demo.set, "Overrides a setting of the application: section.key=value");
  demo_command->add_option("--json", demo.json_file, "Write the results to this file");
  demo_command->add_flag("--verbose", demo.verbose, "Keep the configuration and the application's log");
  demo_command->callback([&] { code = demo::run_demo(demo); });

  std::string schema_file;
  std::string cpp_namespace;
  std::string output_file;
  CLI::App* codegen_command = cli.add_subcommand("codegen", "Write the C++ header of an Avro schema");
  codegen_command->add_option("schema", schema_file, "Schema file (.avsc)")->required();
  codegen_command->add_option("--namespace", cpp_namespace,
                              "C++ namespace (default: the schema's last part)");
  codegen_command->add_option("--output", output_file, "Header file (default: standard output)");
  codegen_command->callback([&] { code = codegen(schema_file, cpp_namespace, output_file); });

  avro_commands::add_to(cli, code);
  dlq_commands::add_to(cli, code);
  observe::add_to(cli, code);

  cli.add_subcommand("metrics", "Print the catalogue of metrics as JSON")->callback([] {
    std::cout << app::metric_catalogue_json();
  });
  cli.add_subcommand("version", "Print the version")->callback([] {
    std::cout << "millrace " MILLRACE_VERSION "\n";
  });

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (const auto unknown = cli.remaining(); cli.get_subcommands().empty() && !unknown.empty()) {
      std::cerr << "millrace: there is no command '" << unknown.front() << "'; millrace --help lists them\n";
      return exit_config;
    }
    return cli.exit(wrong) == 0 ? 0 : exit_config;
  }
  return code;
}
