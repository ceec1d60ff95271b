// millrace dlq show OFFSET
#include <future>
#include <memory>
#include <vector>

#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/avro/schema.h>
#include <millrace/registry/client.h>

#include "dlq_commands.h"
#include "topic_walk.h"

namespace millrace::app::dlq_commands {
namespace {

// The writer's schema, with what it refers to.
result<avro::schema> writer_of(const app::registry_settings& from, std::int32_t id) {
  auto client = registry::client::create(static_cast<const registry::client_options&>(from));
  if (!client) return client.error();
  std::promise<result<registry::client::document>> told;
  auto answer = told.get_future();
  (*client)->fetch(id, [&told](result<registry::client::document> got) { told.set_value(std::move(got)); });
  const result<registry::client::document> found = answer.get();
  if (!found) return found.error();
  std::vector<std::string_view> texts((*found)->references.begin(), (*found)->references.end());
  texts.emplace_back((*found)->text);
  auto parsed = avro::schema::parse_set(texts);
  if (!parsed) return parsed.error();
  return std::move(parsed->back());
}

result<std::string> as_json(const app::app_config& settings, bytes_view value) {
  const result<avro::framed> framed = avro::split_frame(value);
  if (!framed) return framed.error();
  if (!settings.registry) return error(errc::config_invalid, "the configuration has no `registry` section");
  const auto schema = writer_of(*settings.registry, framed->schema_id);
  if (!schema) return schema.error().in("schema " + std::to_string(framed->schema_id));
  auto json = avro::decode_to_json(*schema, framed->datum);
  if (!json) return json.error();
  if (json->bytes_used != framed->datum.size()) {
    return error(errc::trailing_bytes,
                 std::to_string(framed->datum.size() - json->bytes_used) + " bytes follow the value");
  }
  return std::move(json->text);
}

class searching final : public dead_letter_listener {
 public:
  searching(const app::app_config& settings, const show_arguments& arguments, std::ostream& out)
      : settings_(settings), arguments_(arguments), out_(out) {}

  void on_dead_letter(const stream::record_view& record) override {
    if (record.from.partition != arguments_.partition.value_or(0)) return;
    if (record.offset == arguments_.offset) print(record);
    if (record.offset >= arguments_.offset) over = true;
  }

  bool found = false;
  bool over = false;

 private:
  void print(const stream::record_view& record) {
    found = true;
    out_ << "offset: " << record.from.partition << '/' << record.offset
         << "\nwritten: " << to_text(record.created) << "\nkey: " << to_text(record.key) << '\n';
    for (const stream::header_view& header : record.headers) {
      out_ << "header " << header.name << ": " << to_text(header.value) << '\n';
    }
    print_value(record.value);
  }

  void print_value(std::optional<bytes_view> value) {
    if (!value) {
      out_ << "value: null\n";
      return;
    }
    if (!arguments_.payload) {
      out_ << "value: " << value->size() << " bytes; use --payload to print it\n";
      return;
    }
    const result<std::string> json = as_json(settings_, *value);
    if (json) {
      out_ << "value: " << *json << '\n';
    } else {
      out_ << "value in hexadecimal (" << json.error().to_string() << "): " << to_hex(*value) << '\n';
    }
  }

  const app::app_config& settings_;
  const show_arguments& arguments_;
  std::ostream& out_;
};

}  // namespace

int show_dead_letter(const app::app_config& settings, const show_arguments& arguments, const terminal& to) {
  const auto failed = [&](const std::string& why) {
    to.err << "dlq show: " << why << "\n";
    return exit_failure;
  };
  runtime::loop loop(system_clock());
  searching wanted(settings, arguments, to.out);
  const std::string& topic = settings.engine.dead_letter_topic;
  auto walk = topic_walk::open(settings, topic, viewer_group(settings), loop, wanted);
  if (!walk) return failed(walk.error().to_string());
  const std::int32_t partitions = (*walk)->partition_count();
  if (!arguments.partition && partitions > 1) {
    (*walk)->close();
    return failed("'" + topic + "' has " + std::to_string(partitions) +
                  " partitions; choose one with --partition N");
  }
  while (!wanted.over && !(*walk)->at_end() && !(*walk)->failure()) (*walk)->turn(dead_letters_a_turn);
  (*walk)->close();
  if ((*walk)->failure()) return failed((*walk)->failure()->to_string());
  if (wanted.found) return exit_ok;
  return failed("no dead-letter record at offset " + std::to_string(arguments.offset) + " of partition " +
                std::to_string(arguments.partition.value_or(0)) + " of '" + topic + "'");
}

}  // namespace millrace::app::dlq_commands
