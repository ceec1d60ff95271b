#include "input_checks.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <millrace/base/exceptions.h>
#include <millrace/base/text.h>

namespace millrace::engine {
namespace {

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

// A processor, as a reader of an input.
struct reader {
  const processor_base* processor;
  const input_base* declared;  // nullptr: the input `default`, without a declaration
};

void add_readers(const processors& work, std::string_view input, std::vector<reader>& all) {
  for (std::size_t i = 0; i < work.all.size(); ++i) {
    const input_of_processor found = find_input(work, i, input);
    if (found.reads) all.push_back({work.all[i].get(), found.declared});
  }
}

std::string reads(const reader& who) {
  return "processor " + quoted(who.processor->name()) + " reads " +
         std::string(who.processor->read_format().type_name());
}

// Why the records of two structs cannot be distinguished in one topic.
std::optional<std::string> confusion_of(const reader& a, const reader& b) {
  const value_format& first = a.processor->read_format();
  const value_format& second = b.processor->read_format();
  if (&first == &second) return std::nullopt;
  const std::string both = reads(a) + ", and " + reads(b);
  for (const value_format* each : {&first, &second}) {
    if (!each->record_name().empty()) continue;
    return both + ": " + std::string(each->type_name()) +
           " has no record name by which its records are distinguished from others in the same topic";
  }
  if (first.record_name() != second.record_name()) return std::nullopt;
  return both + ", which have the same record name " + quoted(first.record_name()) +
         ": the processors of one topic share each decoded record";
}

std::optional<std::string> confusion_of_keys(const reader& a, const reader& b) {
  const value_format* first = a.declared == nullptr ? nullptr : a.declared->key_type();
  const value_format* second = b.declared == nullptr ? nullptr : b.declared->key_type();
  if (first == nullptr || second == nullptr || first == second) return std::nullopt;
  return "processors " + quoted(a.processor->name()) + " and " + quoted(b.processor->name()) +
         " declare different types of keys, " + std::string(first->type_name()) + " and " +
         std::string(second->type_name()) + ": they share each decoded key";
}

std::optional<std::string> confusion_among(const std::vector<reader>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (auto why = confusion_of(all[k], all[i])) return why;
      if (auto why = confusion_of_keys(all[k], all[i])) return why;
    }
  }
  return std::nullopt;
}

bool reads_several_types(const std::vector<reader>& all) {
  return std::any_of(all.begin(), all.end(), [&](const reader& each) {
    return &each.processor->read_format() != &all.front().processor->read_format();
  });
}

// The checks of one set of inputs.
class input_checks {
 public:
  input_checks(const processors& work, std::span<const input_options> inputs)
      : work_(work), inputs_(inputs) {}

  std::vector<input_problem> run() {
    check_names();
    for (std::size_t i = 0; i < inputs_.size(); ++i) check_input(i);
    for (const auto& [topic, of_topic] : inputs_by_topic(inputs_)) check_topic(topic, of_topic);
    return std::move(found_);
  }

 private:
  void refuse(std::size_t input, std::string setting, std::string message, std::string help = {}) {
    found_.push_back({input, std::move(setting), std::move(message), std::move(help)});
  }

  // Each input that a processor reads is there, once.
  void check_names() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (inputs_[k].name == inputs_[i].name)
          refuse(i, "name", "the input " + quoted(inputs_[i].name) + " is configured twice",
                 "merge both entries");
      }
    }
    for (std::size_t i = 0; i < work_.all.size(); ++i) {
      if (work_.inputs[i].empty()) check_presence(*work_.all[i], default_input);
      for (const input_base* each : work_.inputs[i]) check_presence(*work_.all[i], each->name());
    }
  }

  void check_presence(const processor_base& of, std::string_view input) {
    const bool present = std::any_of(inputs_.begin(), inputs_.end(),
                                     [input](const input_options& each) { return each.name == input; });
    if (present || !missing_.insert(std::string(input)).second) return;
    const std::string who = "processor " + quoted(of.name());
    if (input == default_input) {
      return refuse(input_problem::nowhere, "",
                    who + " declares no input, and `kafka.topics` names no topic for it",
                    "set `kafka.topics`, or declare a millrace::input as a member of the processor");
    }
    refuse(input_problem::nowhere, "", who + " reads the input " + quoted(input) + ", which has no topics",
           "add `- name: " + std::string(input) + "` with its `topics` to `inputs`");
  }

  void check_input(std::size_t index) {
    const input_options& in = inputs_[index];
    std::vector<reader> readers;
    add_readers(work_, in.name, readers);
    if (readers.empty()) {
      return refuse(index, "name", "no processor reads the input " + quoted(in.name),
                    "the inputs that processors read are: " + joined(known_names(), ", "));
    }
    if (in.topics.empty() && in.name != default_input)
      refuse(index, "topics", "the input " + quoted(in.name) + " has no topics", "name at least one topic");
    for (std::size_t i = 0; i < in.topics.size(); ++i) {
      if (std::find(in.topics.begin(), in.topics.begin() + static_cast<std::ptrdiff_t>(i), in.topics[i]) !=
          in.topics.begin() + static_cast<std::ptrdiff_t>(i))
        refuse(index, "topics[" + std::to_string(i) + "]",
               "topic " + quoted(in.topics[i]) + " is named twice");
    }
    for (const reader& each : readers) {
      check_value(index, each);
      check_key(index, each);
    }
  }

  void check_value(std::size_t index, const reader& who) {
    const part_format& format = inputs_[index].value;
    const value_format* const reading = who.processor->read_format_as(format.encoding);
    if (reading == nullptr) {
      return refuse(index, "format",
                    reads(who) + ", which cannot be read from " + std::string(to_string(format.encoding)),
                    help_for(format.encoding, "value"));
    }
    check_schema(index, "schema_file", *reading, format);
  }

  void check_key(std::size_t index, const reader& who) {
    if (who.declared == nullptr || who.declared->key_type() == nullptr) return;
    const part_format& format = inputs_[index].key;
    const value_format* const reading = who.declared->key_as(format.encoding);
    if (reading == nullptr) {
      return refuse(index, "key_format",
                    "processor " + quoted(who.processor->name()) + " reads the keys as " +
                        std::string(who.declared->key_type()->type_name()) + ", which cannot be read from " +
                        std::string(to_string(format.encoding)),
                    help_for(format.encoding, "key"));
    }
    check_schema(index, "key_schema_file", *reading, format);
  }

  static std::string help_for(value_encoding encoding, std::string_view part) {
    switch (encoding) {
      case value_encoding::bytes:
        return "bytes are read as millrace::bytes_view; choose the format of the " + std::string(part) + "s";
      case value_encoding::text:
        return "text is read as std::string_view; choose the format of the " + std::string(part) + "s";
      case value_encoding::json:
        return "JSON is read into structs with a schema, where the program has a JSON format for them";
      case value_encoding::avro:
        break;
    }
    return "Avro is read into generated and described structs";
  }

  void check_schema(std::size_t index, std::string setting, const value_format& reading,
                    const part_format& format) {
    if (format.frame != frame_kind::none) return;
    if (format.schema == nullptr) {
      if (format.encoding == value_encoding::avro)
        refuse(index, std::move(setting), "the records have no frame, and the input names no schema",
               "name the file of the schema with which they were written");
      return;
    }
    if (const auto why = refusal_of(reading, *format.schema)) refuse(index, std::move(setting), *why);
  }

  static std::optional<std::string> refusal_of(const value_format& reading,
                                               const stream::schema_document& schema) {
    try {
      const auto compiled = reading.compile(schema);
      if (compiled) return std::nullopt;
      return "the schema cannot be read as " + std::string(reading.type_name()) + ": " +
             compiled.error().to_string();
    } catch (...) {
      return "compiling the schema threw: " + describe(std::current_exception()).what;
    }
  }

  void check_topic(const std::string& topic, const std::vector<std::size_t>& of_topic) {
    const input_options& first = inputs_[of_topic.front()];
    std::vector<reader> readers;
    for (const std::size_t each : of_topic) {
      const input_options& other = inputs_[each];
      add_readers(work_, other.name, readers);
      if (const auto setting = difference_of(first, other)) {
        refuse(each, place_of(topic, other),
               "topic " + quoted(topic) + " is of the inputs " + quoted(first.name) + " and " +
                   quoted(other.name) + ", whose `" + std::string(*setting) + "` differ",
               "a topic has one format: make them equal, or name the topic once");
      }
    }
    if (readers.empty()) return;
    if (reads_several_types(readers) && first.value.frame == frame_kind::none) {
      refuse(
          of_topic.back(), "format",
          reads(readers.front()) + " and others read other structs, but no frame names the type of a record",
          "let one struct read them, or use a format with a frame");
    }
    // build() has checked the readers of one input.
    if (of_topic.size() == 1) return;
    if (const auto why = confusion_among(readers))
      refuse(of_topic.back(), place_of(topic, inputs_[of_topic.back()]), *why);
  }

  static std::optional<std::string_view> difference_of(const input_options& a, const input_options& b) {
    if (!same_format(a.value, b.value)) return "format";
    if (!same_format(a.key, b.key)) return "key_format";
    if (a.unmatched != b.unmatched) return "unmatched";
    return std::nullopt;
  }

  static std::string place_of(const std::string& topic, const input_options& in) {
    const auto at = std::find(in.topics.begin(), in.topics.end(), topic);
    return at == in.topics.end() ? "topics" : "topics[" + std::to_string(at - in.topics.begin()) + "]";
  }

  std::vector<std::string> known_names() const {
    std::set<std::string> names;
    for (const auto& declared : work_.inputs) {
      if (declared.empty()) names.insert(std::string(default_input));
      for (const input_base* each : declared) names.insert(each->name());
    }
    return {names.begin(), names.end()};
  }

  const processors& work_;
  std::span<const input_options> inputs_;
  std::set<std::string> missing_;  // inputs that were reported
  std::vector<input_problem> found_;
};

}  // namespace

std::map<std::string, std::vector<std::size_t>> inputs_by_topic(std::span<const input_options> inputs) {
  std::map<std::string, std::vector<std::size_t>> all;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].topics.empty() && inputs[i].name == default_input) all[""].push_back(i);
    for (const std::string& topic : inputs[i].topics) {
      std::vector<std::size_t>& of = all[topic];
      if (of.empty() || of.back() != i) of.push_back(i);
    }
  }
  return all;
}

input_of_processor find_input(const processors& work, std::size_t processor, std::string_view name) {
  const std::vector<const input_base*>& declared = work.inputs[processor];
  if (declared.empty()) return {name == default_input, nullptr};
  const auto found = std::find_if(declared.begin(), declared.end(),
                                  [name](const input_base* each) { return each->name() == name; });
  if (found == declared.end()) return {};
  return {true, *found};
}

bool same_format(const part_format& a, const part_format& b) noexcept {
  const bool same_schema = a.schema == b.schema ||
                           (a.schema != nullptr && b.schema != nullptr && a.schema->text == b.schema->text &&
                            a.schema->references == b.schema->references);
  return a.encoding == b.encoding && a.frame == b.frame && a.custom_frame == b.custom_frame && same_schema;
}

std::vector<input_problem> check_inputs(const processors& work, std::span<const input_options> inputs) {
  if (!inputs.empty()) return input_checks(work, inputs).run();
  const input_options only;
  return input_checks(work, std::span(&only, 1)).run();
}

result<void> check_declared_inputs(const processor_base& of, const std::vector<const input_base*>& declared) {
  const auto wrong = [&of](const std::string& why) {
    return error(errc::config_invalid, "processor " + quoted(of.name()) + " " + why);
  };
  std::set<std::string_view> names;
  for (const input_base* each : declared) {
    if (each == nullptr) return wrong("declares an input that is not an engine::input");
    if (!names.insert(each->name()).second)
      return wrong("declares the input " + quoted(each->name()) + " twice");
    if (&each->value_type() != &of.read_format()) {
      return wrong("reads " + std::string(of.read_format().type_name()) + ", but its input " +
                   quoted(each->name()) + " is of " + std::string(each->value_type().type_name()) +
                   ": the T of input<T> is that of processor<T>");
    }
    if (each->key_type() != declared.front()->key_type())
      return wrong("declares inputs with different types of keys: the inputs of one processor have one");
  }
  return {};
}

result<void> check_types_of_inputs(const processors& work) {
  std::map<std::string, std::vector<reader>> by_input;
  for (std::size_t i = 0; i < work.all.size(); ++i) {
    if (work.inputs[i].empty()) by_input[std::string(default_input)].push_back({work.all[i].get(), nullptr});
    for (const input_base* each : work.inputs[i]) by_input[each->name()].push_back({work.all[i].get(), each});
  }
  for (const auto& [name, readers] : by_input) {
    if (const auto why = confusion_among(readers))
      return error(errc::config_invalid, "input " + quoted(name) + ": " + *why);
  }
  return {};
}

}  // namespace millrace::engine
