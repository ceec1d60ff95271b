// millrace avro encode INPUT
#include <millrace/avro/container.h>
#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/avro/value.h>

#include "avro_commands.h"
#include "lines.h"
#include "schema_text.h"

namespace millrace::app::avro_commands {
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
      return error(errc::malformed, "--to datum holds one record; use --to hex or a container for several");
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
    if (arguments.framed_id || arguments.single_object)
      return error(errc::config_invalid, "frames are for single messages, not for containers");
  }
  auto file = open_output(arguments.output, out);
  if (!file) return std::move(file).error();
  if (arguments.form != encode_form::container) return record_output(arguments, *std::move(file));
  auto container = avro::container_writer::create(*std::move(file), writer, options);
  if (!container) return std::move(container).error();
  return record_output(arguments, *std::move(container));
}

}  // namespace

namespace {

// JSON lines → data, each with what goes before it.
class message_encoder {
 public:
  [[nodiscard]] static result<message_encoder> create(avro::schema writer,
                                                      const encode_arguments& arguments) {
    if (arguments.framed_id && arguments.single_object)
      return error(errc::config_invalid, "a message has one frame: --framed or --single-object");
    avro::encode_options options;
    options.raw_root_bytes = arguments.framed_id.has_value();
    auto compiled = avro::encoder<avro::value>::compile(writer, options);
    if (!compiled) return std::move(compiled).error();
    return message_encoder(std::move(writer), *std::move(compiled), arguments);
  }

  // Valid until the next call.
  [[nodiscard]] result<bytes_view> encode(std::string_view line) {
    datum_.clear();
    if (arguments_.framed_id) avro::append_frame(*arguments_.framed_id, datum_);
    if (arguments_.single_object) avro::append_single_object(writer_.fingerprint(), datum_);
    memory_.reset();
    auto value = avro::value_from_json(writer_, line, memory_);
    if (!value) return std::move(value).error();
    if (auto made = encoder_.encode(*value, datum_); !made) return std::move(made).error();
    return bytes_view(datum_);
  }

 private:
  message_encoder(avro::schema writer, avro::encoder<avro::value> with, const encode_arguments& arguments)
      : writer_(std::move(writer)), encoder_(std::move(with)), arguments_(arguments) {}

  avro::schema writer_;
  avro::encoder<avro::value> encoder_;
  const encode_arguments& arguments_;
  avro::arena memory_;
  byte_buffer datum_;
};

}  // namespace

int encode_data(const encode_arguments& arguments, const terminal& to) {
  const auto fail = [&](int code, const std::string& why) {
    to.err << "avro: " << why << "\n";
    return code;
  };
  auto writer = load_schema(arguments.schema_file, arguments.references);
  if (!writer) return fail(exit_config, writer.error().message());
  auto input = avro::open_file(arguments.input);
  if (!input) return fail(exit_config, input.error().message());
  auto messages = message_encoder::create(*writer, arguments);
  if (!messages) return fail(exit_config, messages.error().message());
  auto output = make_output(arguments, *writer, to.out);
  if (!output) return fail(exit_config, output.error().message());

  lines text(*std::move(input));
  for (;;) {
    auto line = text.next();
    const auto in_line = [&](const error& why) {
      return fail(exit_failure, arguments.input + ":" + std::to_string(text.number()) + ": " + why.message());
    };
    if (!line) return in_line(line.error());
    if (!line->has_value()) break;
    auto datum = messages->encode(**line);
    if (!datum) return in_line(datum.error());
    if (auto done = output->append(*datum); !done) return in_line(done.error());
  }
  if (auto done = output->close(); !done) return fail(exit_failure, done.error().message());
  return exit_ok;
}

}  // namespace millrace::app::avro_commands
