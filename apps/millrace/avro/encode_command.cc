// millrace avro encode INPUT
#include <millrace/avro/container.h>
#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>

#include "commands.h"
#include "lines.h"
#include "schema_text.h"

namespace millrace::avro_commands {
namespace {

class stream_output final : public avro::byte_output {
 public:
  explicit stream_output(std::ostream& out) : out_(out) {}
  result<void> write(bytes_view bytes) override {
    const std::string_view text = as_text(bytes);
    out_.write(text.data(), static_cast<std::streamsize>(text.size()));
    return out_.good() ? result<void>() : error(errc::io_error, "standard output: cannot be written");
  }
  result<void> close() override {
    return out_.flush().good() ? result<void>() : error(errc::io_error, "standard output: cannot be written");
  }

 private:
  std::ostream& out_;
};

[[nodiscard]] result<std::unique_ptr<avro::byte_output>> open_output(const std::string& file,
                                                                     std::ostream& out) {
  if (file == "-") return std::make_unique<stream_output>(out);
  return avro::create_file(file);
}

// Where the records go, whatever the form.
class record_output {
 public:
  record_output(const encode_arguments& arguments, std::unique_ptr<avro::byte_output> plain)
      : arguments_(arguments), plain_(std::move(plain)) {}
  explicit record_output(const encode_arguments& arguments, std::unique_ptr<avro::container_writer> container)
      : arguments_(arguments), container_(std::move(container)) {}

  [[nodiscard]] result<void> append(bytes_view datum) {
    if (container_ != nullptr) return container_->append(datum);
    if (arguments_.form == encode_form::hex) return plain_->write(as_bytes(to_hex(datum) + "\n"));
    if (written_++ > 0) {
      return error(errc::malformed,
                   "a second record: --to datum holds one; use --to hex or a container for several");
    }
    return plain_->write(datum);
  }
  [[nodiscard]] result<void> close() { return container_ != nullptr ? container_->close() : plain_->close(); }

 private:
  const encode_arguments& arguments_;
  std::unique_ptr<avro::byte_output> plain_;
  std::unique_ptr<avro::container_writer> container_;
  std::uint64_t written_ = 0;
};

[[nodiscard]] result<record_output> make_output(const encode_arguments& arguments, const avro::schema& writer,
                                                std::ostream& out) {
  avro::container_write_options options;
  if (arguments.form == encode_form::container) {
    auto codec = avro::container_codec_of(arguments.codec);
    if (!codec) return std::move(codec).error();
    options.codec = *codec;
    options.level = arguments.level;
    if (arguments.framed_id)
      return error(errc::config_invalid, "--framed is for single messages, not for containers");
  }
  auto file = open_output(arguments.output, out);
  if (!file) return std::move(file).error();
  if (arguments.form != encode_form::container) return record_output(arguments, *std::move(file));
  auto container = avro::container_writer::create(*std::move(file), writer, options);
  if (!container) return std::move(container).error();
  return record_output(arguments, *std::move(container));
}

}  // namespace

int encode_data(const encode_arguments& arguments, const terminal& to) {
  const auto fail = [&](int code, const std::string& why) {
    to.err << "millrace avro: " << why << "\n";
    return code;
  };
  auto writer = load_schema(arguments.schema_file, arguments.references);
  if (!writer) return fail(exit_usage, writer.error().message());
  auto input = avro::open_file(arguments.input);
  if (!input) return fail(exit_usage, input.error().message());
  auto output = make_output(arguments, *writer, to.out);
  if (!output) return fail(exit_usage, output.error().message());

  lines text(*std::move(input));
  byte_buffer datum;
  for (;;) {
    auto line = text.next();
    const auto in_line = [&](const error& why) {
      return fail(exit_bad_data,
                  arguments.input + ":" + std::to_string(text.number()) + ": " + why.message());
    };
    if (!line) return in_line(line.error());
    if (!line->has_value()) break;
    datum.clear();
    if (arguments.framed_id) avro::append_frame(*arguments.framed_id, datum);
    if (auto made = avro::encode_json(*writer, **line, datum); !made) return in_line(made.error());
    if (auto done = output->append(datum); !done) return in_line(done.error());
  }
  if (auto done = output->close(); !done) return fail(exit_bad_data, done.error().message());
  return exit_done;
}

}  // namespace millrace::avro_commands
