#include "codegen.h"

#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>

#include <millrace/app/exit_code.h>
#include <millrace/avro/codegen.h>
#include <millrace/avro/schema.h>

namespace millrace {
namespace {

int codegen(const std::string& schema_file, const std::string& cpp_namespace,
            const std::string& output_file) {
  std::ifstream in(schema_file);
  if (!in) {
    std::cerr << "millrace codegen: cannot read " << schema_file << "\n";
    return app::exit_config;
  }
  std::stringstream text;
  text << in.rdbuf();
  const auto schema = avro::schema::parse(text.str());
  if (!schema) {
    std::cerr << "millrace codegen: " << schema_file << ": " << schema.error().message() << "\n";
    return app::exit_config;
  }
  avro::codegen_options options;
  options.name_space = cpp_namespace;
  options.source = schema_file;
  const auto header = avro::generate_header(*schema, options);
  if (!header) {
    std::cerr << "millrace codegen: " << schema_file << ": " << header.error().message() << "\n";
    return app::exit_config;
  }
  if (output_file.empty()) {
    std::cout << *header;
    return app::exit_ok;
  }
  std::ofstream out(output_file);
  out << *header;
  if (!out.flush()) {
    std::cerr << "millrace codegen: cannot write " << output_file << "\n";
    return app::exit_failure;
  }
  return app::exit_ok;
}

}  // namespace

app::command codegen_command() {
  return {
      "codegen", "Generate the C++ header of an Avro schema", [](CLI::App& self, int& code) {
        struct arguments {
          std::string schema;
          std::string name_space;
          std::string output;
        };
        auto given = std::make_shared<arguments>();
        self.add_option("schema", given->schema, "Schema file (.avsc)")->required();
        self.add_option("--namespace", given->name_space,
                        "C++ namespace; the last part of the schema's namespace when absent");
        self.add_option("--output", given->output, "Header file; standard output when absent");
        self.callback([given, &code] { code = codegen(given->schema, given->name_space, given->output); });
      }};
}

}  // namespace millrace
