#include <iostream>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>

#include "avro_commands.h"
#include "commands/built_in.h"

namespace millrace::app {
namespace avro_commands {
namespace {

const terminal standard{std::cout, std::cerr};

// A transformer's own description holds the numbers of the enumerators.
template <typename Enum>
CLI::Validator one_of(const std::map<std::string, Enum>& values) {
  std::string names;
  for (const auto& value : values) names += (names.empty() ? "{" : ",") + value.first;
  return CLI::CheckedTransformer(values).description(names + "}");
}

void add_references(CLI::App* command, std::vector<std::string>& references) {
  command
      ->add_option("--reference", references, "Schema whose types the others may name (repeatable, in order)")
      ->take_all()
      ->allow_extra_args(false);
}

void add_check(CLI::App* schema, int& code) {
  auto arguments = std::make_shared<check_arguments>();
  CLI::App* command =
      schema->add_subcommand("check", "Check that schemas are valid and print where they are not");
  command->add_option("files", arguments->files, "Schema files (.avsc)")->required();
  add_references(command, arguments->references);
  command->callback([arguments, &code] { code = check_schemas(*arguments, standard); });
}

void add_canonical(CLI::App* schema, int& code) {
  auto arguments = std::make_shared<schema_arguments>();
  CLI::App* command = schema->add_subcommand("canonical", "Print the Parsing Canonical Form of a schema");
  command->add_option("file", arguments->file, "Schema file (.avsc)")->required();
  add_references(command, arguments->references);
  command->callback([arguments, &code] { code = print_canonical(*arguments, standard); });
}

void add_fingerprint(CLI::App* schema, int& code) {
  auto arguments = std::make_shared<fingerprint_arguments>();
  CLI::App* command =
      schema->add_subcommand("fingerprint", "Print a fingerprint of the canonical form of a schema");
  command->add_option("file", arguments->file, "Schema file (.avsc)")->required();
  add_references(command, arguments->references);
  const std::map<std::string, fingerprint_algorithm> algorithms{{"rabin", fingerprint_algorithm::rabin},
                                                                {"md5", fingerprint_algorithm::md5},
                                                                {"sha256", fingerprint_algorithm::sha256}};
  command
      ->add_option("--algorithm", arguments->algorithm,
                   "Algorithm: rabin (CRC-64-AVRO, in the byte order of single-object encoding), md5 or "
                   "sha256; rabin when absent")
      ->transform(one_of(algorithms));
  command->callback([arguments, &code] { code = print_fingerprint(*arguments, standard); });
}

void add_pair(CLI::App* command, pair_arguments& pair) {
  command->add_option("old", pair.before, "Old schema")->required();
  command->add_option("new", pair.after, "New schema")->required();
  add_references(command, pair.references);
}

void add_schema(CLI::App* avro, int& code) {
  CLI::App* schema = avro->add_subcommand("schema", "Check, normalise and compare schemas");
  schema->require_subcommand(1);
  add_check(schema, code);
  add_canonical(schema, code);
  add_fingerprint(schema, code);
  auto arguments = std::make_shared<pair_arguments>();
  CLI::App* diff =
      schema->add_subcommand("diff", "Print the differences of two schemas; exit code 1 when there are any");
  add_pair(diff, *arguments);
  diff->callback([arguments, &code] { code = diff_schemas(*arguments, standard); });
}

void add_compat(CLI::App* avro, int& code) {
  auto arguments = std::make_shared<compat_arguments>();
  CLI::App* command =
      avro->add_subcommand("compat", "Check whether each of two schemas can read data of the other");
  add_pair(command, arguments->schemas);
  command
      ->add_option("--require", arguments->require,
                   "Direction that decides the exit code: backward (new reads old), forward (old reads new), "
                   "full (both)")
      ->transform(one_of(std::map<std::string, compat_direction>{{"backward", compat_direction::backward},
                                                                 {"forward", compat_direction::forward},
                                                                 {"full", compat_direction::full}}))
      ->default_str("full");
  command->callback([arguments, &code] { code = check_compatibility(*arguments, standard); });
}

void add_decode(CLI::App* avro, int& code) {
  auto arguments = std::make_shared<decode_arguments>();
  CLI::App* command = avro->add_subcommand(
      "decode", "Print data as lines of JSON: a container file, or single messages with --schema");
  CLI::Option* input = command->add_option("input", arguments->input, "Input file; \"-\" is standard input");
  CLI::Option* hex =
      command->add_option("--hex", arguments->hex, "One message in hexadecimal, in place of the input file");
  input->excludes(hex);
  command
      ->add_flag("--hex-lines", arguments->hex_lines,
                 "Each line of the input file is a message in hexadecimal")
      ->excludes(hex);
  command->add_flag("--framed", arguments->framed,
                    "Messages begin with the Confluent frame (schema id or GUID)");
  command->add_flag("--single-object", arguments->single_object,
                    "Messages begin with the header of single-object encoding");
  command->add_option("--schema", arguments->schema_file, "Schema that wrote the messages");
  command->add_option("--reader", arguments->reader_file,
                      "Schema to read with; the one that wrote when absent");
  add_references(command, arguments->references);
  command->add_flag("--avro-json", arguments->avro_json,
                    "Print the JSON encoding of Avro, which encode reads, in place of plain JSON");
  command->add_option("--max", arguments->records_max, "Maximum number of records");
  command->callback([arguments, input, hex, &code] {
    if (input->empty() && hex->empty()) throw CLI::RequiredError("input or --hex");
    code = decode_data(*arguments, standard);
  });
}

void add_header(CLI::App* avro, int& code) {
  auto file = std::make_shared<std::string>();
  CLI::App* command =
      avro->add_subcommand("header", "Print the codec, the metadata and the schema of a container file");
  command->add_option("file", *file, "Container file; \"-\" is standard input")->required();
  command->callback([file, &code] { code = print_header(*file, standard); });
}

void add_encode(CLI::App* avro, int& code) {
  auto arguments = std::make_shared<encode_arguments>();
  CLI::App* command = avro->add_subcommand("encode", "Encode lines in the JSON encoding of Avro");
  command->add_option("input", arguments->input, "File with lines of JSON; \"-\" is standard input")
      ->required();
  command->add_option("--schema", arguments->schema_file, "Schema to write with")->required();
  add_references(command, arguments->references);
  command->add_option("--output", arguments->output, "Output file; \"-\" is standard output")
      ->capture_default_str();
  command
      ->add_option("--to", arguments->form,
                   "Form of the output: container, datum (one message) or hex (one message per line)")
      ->transform(one_of(std::map<std::string, encode_form>{
          {"container", encode_form::container}, {"datum", encode_form::datum}, {"hex", encode_form::hex}}))
      ->default_str("container");
  command->add_option("--framed", arguments->framed_id,
                      "Begin each message with the Confluent frame of this schema id");
  command->add_flag("--single-object", arguments->single_object,
                    "Begin each message with the header of single-object encoding");
  command->add_option("--codec", arguments->codec, "Codec of a container: null, deflate, snappy or zstandard")
      ->capture_default_str();
  command->add_option("--level", arguments->level,
                      "Compression level: 1 to 9 for deflate, 1 to 19 for zstandard");
  command->callback([arguments, &code] { code = encode_data(*arguments, standard); });
}

}  // namespace

}  // namespace avro_commands

command avro_command() {
  return {"avro", "Inspect and convert Avro schemas and data", [](CLI::App& avro, int& code) {
            avro.require_subcommand(1);
            avro_commands::add_schema(&avro, code);
            avro_commands::add_compat(&avro, code);
            avro_commands::add_decode(&avro, code);
            avro_commands::add_header(&avro, code);
            avro_commands::add_encode(&avro, code);
          }};
}

}  // namespace millrace::app
