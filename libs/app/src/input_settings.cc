#include <algorithm>
#include <initializer_list>
#include <utility>

#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::spec;

const spec<input_settings>& input_spec() {
  using engine::unmatched_policy;
  const std::initializer_list<std::pair<std::string_view, input_format>> formats = {
      {"avro", input_format::avro},         {"avro-single-object", input_format::avro_single_object},
      {"avro-raw", input_format::avro_raw}, {"json", input_format::json},
      {"bytes", input_format::bytes},       {"text", input_format::text}};
  static const spec<input_settings> declared{
      field(&input_settings::name, "name")
          .required()
          .doc("Name of the input, as the processor declares it. `default`: that of the processors that "
               "declare "
               "none, whose topics are `kafka.topics`.")
          .example("orders"),
      field(&input_settings::topics, "topics").doc("Topics to read.").example("[orders, orders-eu]"),
      field(&input_settings::format, "format")
          .choices(formats)
          .doc("Format of the values. avro: Confluent's wire format, with the schema's id in front or in a "
               "header. "
               "avro-single-object: the schema's fingerprint is in front. avro-raw: all have the schema of "
               "`schema_file`. json: JSON by a schema. bytes, text: without a schema."),
      field(&input_settings::key_format, "key_format")
          .choices(formats)
          .doc("Format of the keys, for processors that declare a type of keys. Other keys are bytes."),
      field(&input_settings::schema_file, "schema_file")
          .doc("File of the schema of the values: required with the format avro-raw, and with json where it "
               "differs "
               "from that of the struct.")
          .example("/etc/orders/order.avsc"),
      field(&input_settings::key_schema_file, "key_schema_file").doc("The same for the keys."),
      field(&input_settings::schema_files, "schema_files")
          .doc("With the format avro-single-object: files of further schemas that are known by their "
               "fingerprint. "
               "Those of the structs of the processors are known."),
      field(&input_settings::subjects, "subjects")
          .doc(
              "With the format avro-single-object: subjects of the registry whose schemas are known by their "
              "fingerprint. They are read at the start: restart for a newer version."),
      field(&input_settings::unmatched, "unmatched")
          .choices({{"auto", unmatched_policy::automatic},
                    {"skip", unmatched_policy::skip},
                    {"dead_letter", unmatched_policy::dead_letter},
                    {"stop", unmatched_policy::stop}})
          .doc("Action for a record whose schema has another record name than the structs of the processors. "
               "auto: "
               "where one struct is read, every schema is tried, whatever its name; otherwise dead_letter. "
               "stop: "
               "the process stops and does not commit the record."),
  };
  return declared;
}

std::vector<std::string> topics_of(const app_config& from) {
  std::vector<std::string> all = from.kafka.topics;
  for (const input_settings& input : from.inputs) {
    for (const std::string& topic : input.topics) {
      if (std::find(all.begin(), all.end(), topic) == all.end()) all.push_back(topic);
    }
  }
  return all;
}

void check_topics(const app_config& value, findings& found) {
  if (topics_of(value).empty())
    found.error("kafka.topics", "`kafka.topics` is required, unless `inputs` name topics",
                "for example `topics: [navigation]`");
}

}  // namespace millrace::app
