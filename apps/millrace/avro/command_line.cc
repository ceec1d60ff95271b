#include "command_line.h"

#include <iostream>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>

#include "commands.h"

namespace millrace::avro_commands {
namespace {

const terminal standard{std::cout, std::cerr};

void add_references(CLI::App* command, std::vector<std::string>& references) {
  command
      ->add_option("--reference", references, "A schema whose types may be named (again for more, in order)")
      ->take_all()
      ->allow_extra_args(false);
}

void add_check(CLI::App* schema, int& code) {
  auto arguments = std::make_shared<check_arguments>();
  CLI::App* command = schema->add_subcommand("check", "Say whether schemas are valid, and where not");
  command->add_option("files", arguments->files, "Schema files (.avsc)")->required();
  add_references(command, arguments->references);
  command->callback([arguments, &code] { code = check_schemas(*arguments, standard); });
}

void add_canonical(CLI::App* schema, int& code) {
  auto arguments = std::make_shared<schema_arguments>();
  CLI::App* command = schema->add_subcommand("canonical", "Print the Parsing Canonical Form");
  command->add_option("file", arguments->file, "Schema file (.avsc)")->required();
  add_references(command, arguments->references);
  command->callback([arguments, &code] { code = print_canonical(*arguments, standard); });
}

void add_fingerprint(CLI::App* schema, int& code) {
  auto arguments = std::make_shared<fingerprint_arguments>();
  CLI::App* command = schema->add_subcommand("fingerprint", "Print a fingerprint of the canonical form");
  command->add_option("file", arguments->file, "Schema file (.avsc)")->required();
  add_references(command, arguments->references);
  const std::map<std::string, fingerprint_algorithm> algorithms{{"rabin", fingerprint_algorithm::rabin},
                                                                {"md5", fingerprint_algorithm::md5},
                                                                {"sha256", fingerprint_algorithm::sha256}};
  command
      ->add_option("--algorithm", arguments->algorithm,
                   "rabin (CRC-64-AVRO, as single-object encoding has it; the default), md5 or sha256")
      ->transform(CLI::CheckedTransformer(algorithms));
  command->callback([arguments, &code] { code = print_fingerprint(*arguments, standard); });
}

void add_pair(CLI::App* command, pair_arguments& pair) {
  command->add_option("old", pair.before, "The schema there was")->required();
  command->add_option("new", pair.after, "The schema there is to be")->required();
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
      schema->add_subcommand("diff", "List what changed between two schemas; code 1 when anything did");
  add_pair(diff, *arguments);
  diff->callback([arguments, &code] { code = diff_schemas(*arguments, standard); });
}

void add_compat(CLI::App* avro, int& code) {
  auto arguments = std::make_shared<compat_arguments>();
  CLI::App* command = avro->add_subcommand(
      "compat", "Say whether data of each schema can be read by the other, and where not");
  add_pair(command, arguments->schemas);
  command
      ->add_option("--require", arguments->require,
                   "Which way decides the exit code: backward (new reads old), forward (old reads new), full")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, compat_direction>{{"backward", compat_direction::backward},
                                                  {"forward", compat_direction::forward},
                                                  {"full", compat_direction::full}}))
      ->default_str("full");
  command->callback([arguments, &code] { code = check_compatibility(*arguments, standard); });
}

void add_decode(CLI::App* avro, int& code) {
  auto arguments = std::make_shared<decode_arguments>();
  CLI::App* command = avro->add_subcommand(
      "decode", "Print data as lines of JSON: a container file, or with --schema single messages");
  CLI::Option* input = command->add_option("input", arguments->input, "File (\"-\": standard input)");
  CLI::Option* hex =
      command->add_option("--hex", arguments->hex, "One message in hexadecimal, in place of a file");
  input->excludes(hex);
  command->add_flag("--hex-lines", arguments->hex_lines, "The file holds a message in hexadecimal a line")
      ->excludes(hex);
  command->add_flag("--framed", arguments->framed,
                    "Messages begin with Confluent's frame (schema id or GUID)");
  command->add_flag("--single-object", arguments->single_object,
                    "Messages begin with the header of single-object encoding");
  command->add_option("--schema", arguments->schema_file, "The schema that wrote the messages");
  command->add_option("--reader", arguments->reader_file, "Read as this schema (default: as it was written)");
  add_references(command, arguments->references);
  command->add_flag("--avro-json", arguments->avro_json,
                    "Avro's own JSON encoding, which encode reads (default: JSON for people)");
  command->add_option("--max", arguments->records_max, "Stop after so many records");
  command->callback([arguments, input, hex, &code] {
    if (input->empty() && hex->empty()) throw CLI::RequiredError("input or --hex");
    code = decode_data(*arguments, standard);
  });
}

void add_header(CLI::App* avro, int& code) {
  auto file = std::make_shared<std::string>();
  CLI::App* command = avro->add_subcommand("header", "Print a container file's codec, metadata and schema");
  command->add_option("file", *file, "Container file (\"-\": standard input)")->required();
  command->callback([file, &code] { code = print_header(*file, standard); });
}

void add_encode(CLI::App* avro, int& code) {
  auto arguments = std::make_shared<encode_arguments>();
  CLI::App* command = avro->add_subcommand("encode", "Write lines of Avro's JSON encoding as data");
  command->add_option("input", arguments->input, "Lines of JSON (\"-\": standard input)")->required();
  command->add_option("--schema", arguments->schema_file, "The schema to write by")->required();
  add_references(command, arguments->references);
  command->add_option("--output", arguments->output, "File (\"-\": standard output)")->capture_default_str();
  command->add_option("--to", arguments->form, "container, datum (one message) or hex (a message a line)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, encode_form>{
          {"container", encode_form::container}, {"datum", encode_form::datum}, {"hex", encode_form::hex}}))
      ->default_str("container");
  command->add_option("--framed", arguments->framed_id, "Put Confluent's frame with this schema id in front");
  command->add_flag("--single-object", arguments->single_object,
                    "Put the header of single-object encoding in front");
  command->add_option("--codec", arguments->codec, "Of a container: null, deflate, snappy or zstandard")
      ->capture_default_str();
  command->add_option("--level", arguments->level, "Of deflate (1 to 9) or zstandard (1 to 19)");
  command->callback([arguments, &code] { code = encode_data(*arguments, standard); });
}

}  // namespace

void add_to(CLI::App& program, int& code) {
  CLI::App* avro = program.add_subcommand("avro", "Look at Avro schemas and data, and change their form");
  avro->require_subcommand(1);
  add_schema(avro, code);
  add_compat(avro, code);
  add_decode(avro, code);
  add_header(avro, code);
  add_encode(avro, code);
}

}  // namespace millrace::avro_commands
