#include "inputs.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <millrace/app/preparation.h>
#include <millrace/avro/schema.h>
#include <millrace/config/load.h>

namespace millrace::app {
namespace {

using engine::frame_kind;
using engine::part_format;
using engine::value_encoding;

bool has_fixed_schema(input_format format) {
  return format == input_format::avro_raw || format == input_format::json;
}

// How a format is written: the encoding behind a frame.
part_format written_as(input_format format) {
  part_format made;
  made.frame = frame_kind::none;
  switch (format) {
    case input_format::avro:
      made.frame = frame_kind::confluent;
      break;
    case input_format::avro_single_object:
      made.frame = frame_kind::single_object;
      break;
    case input_format::avro_raw:
      break;
    case input_format::json:
      made.encoding = value_encoding::json;
      break;
    case input_format::bytes:
      made.encoding = value_encoding::bytes;
      break;
    case input_format::text:
      made.encoding = value_encoding::text;
      break;
  }
  return made;
}

// Makes the options of one entry.
class input_reader {
 public:
  input_reader(const input_settings& from, std::string path, const input_refusal& refuse)
      : from_(from), path_(std::move(path)), refuse_(refuse) {}

  engine::input_options read() {
    engine::input_options made;
    made.name = from_.name;
    made.topics = from_.topics;
    made.unmatched = from_.unmatched;
    made.value = read_part(from_.format, "format", from_.schema_file, "schema_file");
    made.key = read_part(from_.key_format, "key_format", from_.key_schema_file, "key_schema_file");
    check_schema_files();
    if (!reads_single_objects()) {
      refuse_without_use("schema_files", !from_.schema_files.empty());
      refuse_without_use("subjects", !from_.subjects.empty());
    }
    return made;
  }

 private:
  [[nodiscard]] bool reads_single_objects() const {
    return from_.format == input_format::avro_single_object ||
           from_.key_format == input_format::avro_single_object;
  }

  void check_schema_files() {
    const avro::parse_options lenient{.limits = {}, .check_defaults = false};
    for (std::size_t i = 0; i < from_.schema_files.size(); ++i) {
      const std::string& file = from_.schema_files[i];
      const std::string where = path_ + ".schema_files[" + std::to_string(i) + "]";
      const auto text = config::read_file(file);
      if (!text) {
        refuse_(where, "cannot read '" + file + "': " + text.error().message(), "");
        continue;
      }
      const auto schema = avro::schema::parse(*text, lenient);
      if (!schema) refuse_(where, "'" + file + "' is not a schema: " + schema.error().message(), "");
    }
  }

  void refuse_without_use(const char* setting, bool set) {
    if (!set) return;
    refuse_(path_ + "." + setting, "`" + std::string(setting) + "` is for the format `avro-single-object`",
            "remove it, or change `format` or `key_format`");
  }

  part_format read_part(input_format format, const char* format_setting, const std::string& file,
                        const char* file_setting) {
    part_format made = written_as(format);
    if (file.empty()) return made;
    const std::string where = path_ + "." + file_setting;
    if (!has_fixed_schema(format)) {
      refuse_(where, "`" + std::string(file_setting) + "` is for the formats `avro-raw` and `json`",
              "remove it, or change `" + std::string(format_setting) + "`");
      return made;
    }
    result<std::string> text = config::read_file(file);
    if (!text) {
      refuse_(where, "cannot read '" + file + "': " + text.error().message(), "");
      return made;
    }
    made.schema = std::make_shared<const stream::schema_document>(
        stream::schema_document{.text = std::move(*text), .references = {}});
    return made;
  }

  const input_settings& from_;
  const std::string path_;
  const input_refusal& refuse_;
};

}  // namespace

engine_inputs inputs_of(const app_config& settings, const input_refusal& refuse) {
  engine_inputs made;
  if (settings.inputs.empty()) return made;
  bool has_default = false;
  for (std::size_t i = 0; i < settings.inputs.size(); ++i) {
    std::string path = "inputs[" + std::to_string(i) + "]";
    engine::input_options one = input_reader(settings.inputs[i], path, refuse).read();
    if (one.name == engine::default_input) {
      has_default = true;
      if (!one.topics.empty())
        refuse(path + ".topics", "the topics of the input 'default' are those of `kafka.topics`",
               "move them there, or give the input another name");
      one.topics = settings.kafka.topics;
      if (one.topics.empty())
        refuse(path + ".name", "the input 'default' has no topics: `kafka.topics` is empty",
               "set `kafka.topics`");
    }
    made.options.push_back(std::move(one));
    made.paths.push_back(std::move(path));
  }
  if (!has_default && !settings.kafka.topics.empty()) {
    engine::input_options& rest = made.options.emplace_back();
    rest.topics = settings.kafka.topics;
    made.paths.emplace_back("kafka");
  }
  return made;
}

result<std::vector<engine::input_options>> read_inputs(const app_config& settings) {
  std::optional<error> first;
  engine_inputs made =
      inputs_of(settings, [&first](const std::string& path, const std::string& message, const std::string&) {
        if (!first) first = error(errc::config_invalid, "`" + path + "`: " + message);
      });
  if (first) return *first;
  return std::move(made.options);
}

void check_inputs(const engine::processors& work, const app_config& settings, const input_refusal& refuse) {
  const engine_inputs inputs = inputs_of(settings, refuse);
  for (engine::input_problem& problem : engine::check_inputs(work, inputs.options)) {
    std::string path = "inputs";
    if (inputs.options.empty()) {
      path = "kafka.topics";
    } else if (problem.input != engine::input_problem::nowhere) {
      const std::string& of = inputs.paths[problem.input];
      path = of == "kafka" ? "kafka.topics" : of + "." + problem.setting;
    }
    refuse(path, std::move(problem.message), std::move(problem.help));
  }
}

bool needs_registry(const engine::processors& work, const app_config& settings) {
  if (!work.declared.outputs.empty() || settings.inputs.empty()) return true;
  const bool has_default =
      std::any_of(settings.inputs.begin(), settings.inputs.end(),
                  [](const input_settings& each) { return each.name == engine::default_input; });
  if (!has_default && !settings.kafka.topics.empty()) return true;
  return std::any_of(settings.inputs.begin(), settings.inputs.end(), [](const input_settings& each) {
    return each.format == input_format::avro || each.key_format == input_format::avro ||
           !each.subjects.empty();
  });
}

bool reads_single_objects(const app_config& settings) {
  return std::any_of(settings.inputs.begin(), settings.inputs.end(), [](const input_settings& each) {
    return each.format == input_format::avro_single_object ||
           each.key_format == input_format::avro_single_object;
  });
}

}  // namespace millrace::app
