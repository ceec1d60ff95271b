// millrace avro decode INPUT, and header FILE
#include <millrace/avro/container.h>
#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/avro/value.h>

#include "avro_commands.h"
#include "lines.h"
#include "schema_text.h"

namespace millrace::app::avro_commands {
namespace {

// Data of one schema → lines of JSON.
class json_printer {
 public:
  [[nodiscard]] static result<json_printer> create(const avro::schema& writer,
                                                   const std::optional<avro::schema>& reader,
                                                   const decode_arguments& arguments, std::ostream& out) {
    avro::plan_options options;
    options.raw_root_bytes = arguments.framed;
    auto compiled = reader ? avro::decoder<avro::value>::compile(writer, *reader, options)
                           : avro::decoder<avro::value>::compile(writer, options);
    if (!compiled) return std::move(compiled).error();
    return json_printer(reader.value_or(writer), *std::move(compiled), arguments, out);
  }

  // Prints the datum at the front of `in` and returns the bytes it took.
  [[nodiscard]] result<std::size_t> print(bytes_view in) {
    memory_.reset();
    avro::value datum;
    auto used = decoder_.decode(in, memory_, datum);
    if (!used) return used;
    auto text = avro::to_json(shown_, datum, form_);
    if (!text) return std::move(text).error();
    out_ << *text << '\n';
    return used;
  }
  // The same where the datum is all there is.
  [[nodiscard]] result<void> print_exactly(bytes_view in) {
    auto used = print(in);
    if (!used) return std::move(used).error();
    if (*used == in.size()) return {};
    return error(errc::trailing_bytes, std::to_string(in.size() - *used) +
                                           " bytes after the datum, at byte " + std::to_string(*used) +
                                           "; the schema may be the wrong one");
  }

 private:
  json_printer(avro::schema shown, avro::decoder<avro::value> with, const decode_arguments& arguments,
               std::ostream& out)
      : shown_(std::move(shown)),
        decoder_(std::move(with)),
        form_(arguments.avro_json ? avro::json_form::avro : avro::json_form::plain),
        out_(out) {}

  avro::schema shown_;
  avro::decoder<avro::value> decoder_;
  avro::json_form form_;
  avro::arena memory_;
  std::ostream& out_;
};

// One run of the command: errors become text and an exit code here.
class decoding {
 public:
  decoding(const decode_arguments& arguments, const terminal& to) : arguments_(arguments), to_(to) {}

  [[nodiscard]] int run() {
    if (!arguments_.reader_file.empty()) {
      auto loaded = load_schema(arguments_.reader_file, arguments_.references);
      if (!loaded) return fail(exit_config, loaded.error().message());
      reader_ = *std::move(loaded);
    }
    if (arguments_.schema_file.empty()) return container();
    auto writer = load_schema(arguments_.schema_file, arguments_.references);
    if (!writer) return fail(exit_config, writer.error().message());
    fingerprint_ = writer->fingerprint();
    auto printer = json_printer::create(*writer, reader_, arguments_, to_.out);
    if (!printer) return incompatible(printer.error());
    if (arguments_.hex) return hex_datum(*printer, *arguments_.hex, "--hex");
    return arguments_.hex_lines ? hex_file(*printer) : datum_file(*printer);
  }

 private:
  [[nodiscard]] int fail(int code, const std::string& why) const {
    to_.out.flush();
    to_.err << "avro: " << why << "\n";
    return code;
  }
  [[nodiscard]] int incompatible(const error& why) const {
    if (!reader_) return fail(exit_failure, why.message());
    return fail(exit_failure, "the data cannot be read as " + arguments_.reader_file + ": " + why.message() +
                                  " (`avro compat` lists every reason)");
  }
  [[nodiscard]] bool enough() const { return arguments_.records_max && printed_ >= *arguments_.records_max; }

  [[nodiscard]] int datum(json_printer& printer, bytes_view in, const std::string& where) {
    auto bare = without_frame(in);
    if (!bare) return fail(exit_failure, where + ": " + bare.error().message());
    if (auto done = printer.print_exactly(*bare); !done) {
      const bool behind = bare->size() < in.size();
      return fail(exit_failure, where + (behind ? ": after the frame: " : ": ") + done.error().message());
    }
    ++printed_;
    return exit_ok;
  }
  [[nodiscard]] result<bytes_view> without_frame(bytes_view in) const {
    if (arguments_.framed) {
      auto split = avro::split_message(std::nullopt, in);
      if (!split) return std::move(split).error();
      if (!split->has_value()) return error(errc::bad_frame, "no message");
      return (*split)->datum;
    }
    if (!arguments_.single_object) return in;
    auto split = avro::split_single_object(in);
    if (!split) return std::move(split).error();
    if (split->fingerprint != fingerprint_) {
      return error(errc::bad_frame, "the message names another schema: its fingerprint is not that of " +
                                        arguments_.schema_file + " (`avro schema fingerprint`)");
    }
    return split->datum;
  }
  [[nodiscard]] int hex_datum(json_printer& printer, std::string_view text, const std::string& where) {
    auto bytes = from_hex(text);
    if (!bytes) return fail(exit_failure, where + ": not hexadecimal: " + bytes.error().message());
    return datum(printer, *bytes, where);
  }
  [[nodiscard]] int datum_file(json_printer& printer) {
    auto text = read_text(arguments_.input);
    if (!text) return fail(exit_config, text.error().message());
    return datum(printer, as_bytes(*text), arguments_.input);
  }
  [[nodiscard]] int hex_file(json_printer& printer) {
    auto input = avro::open_file(arguments_.input);
    if (!input) return fail(exit_config, input.error().message());
    lines text(*std::move(input));
    while (!enough()) {
      auto line = text.next();
      const std::string where = arguments_.input + ":" + std::to_string(text.number());
      if (!line) return fail(exit_failure, where + ": " + line.error().message());
      if (!line->has_value()) break;
      if (const int code = hex_datum(printer, **line, where); code != exit_ok) return code;
    }
    return exit_ok;
  }

  [[nodiscard]] int container() {
    if (arguments_.hex || arguments_.hex_lines || arguments_.framed || arguments_.single_object)
      return fail(exit_config, "--schema is missing: single messages do not hold their schema");
    auto input = avro::open_file(arguments_.input);
    if (!input) return fail(exit_config, input.error().message());
    auto file = avro::container_reader::open(*std::move(input));
    if (!file) {
      return fail(exit_failure,
                  arguments_.input + ": " + file.error().message() + " (a file of one datum needs --schema)");
    }
    auto printer = json_printer::create((*file)->writer(), reader_, arguments_, to_.out);
    if (!printer) return incompatible(printer.error());
    const auto damaged = [&](const error& why) {
      return fail(exit_failure,
                  arguments_.input + ": record " + std::to_string(printed_ + 1) + ": " + why.message());
    };
    while (!enough()) {
      auto front = (*file)->next();
      if (!front) return damaged(front.error());
      if (!front->has_value()) break;
      auto used = printer->print(**front);
      if (!used) return damaged((*file)->in_block(used.error()));
      ++printed_;
      if (auto done = (*file)->took(*used); !done) return damaged(done.error());
    }
    return exit_ok;
  }

  const decode_arguments& arguments_;
  const terminal& to_;
  std::optional<avro::schema> reader_;
  std::uint64_t fingerprint_ = 0;  // of the writer's schema
  std::uint64_t printed_ = 0;
};

}  // namespace

int decode_data(const decode_arguments& arguments, const terminal& to) {
  return decoding(arguments, to).run();
}

int print_header(const std::string& file, const terminal& to) {
  auto input = avro::open_file(file);
  if (!input) {
    to.err << "avro: " << input.error().message() << "\n";
    return exit_config;
  }
  auto opened = avro::container_reader::open(*std::move(input));
  if (!opened) {
    to.err << "avro: " << file << ": " << opened.error().message() << "\n";
    return exit_failure;
  }
  to.out << "codec: " << to_string((*opened)->codec()) << "\n";
  for (const auto& [name, value] : (*opened)->metadata()) {
    if (name.starts_with("avro.")) continue;
    const std::string_view text = as_text(value);
    const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
    to.out << "metadata " << name << ": " << (printable ? std::string(text) : "0x" + to_hex(value)) << "\n";
  }
  to.out << "schema: " << (*opened)->writer().to_json() << "\n";
  return exit_ok;
}

}  // namespace millrace::app::avro_commands
