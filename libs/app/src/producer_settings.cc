#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::spec;

namespace {

void check_producer(const producer_settings& value, findings& found) {
  if (value.linger < value.delivery_timeout) return;
  found.error("linger", "`linger` is not shorter than `delivery_timeout`",
              "lower it, or raise `kafka.producer.delivery_timeout`");
}

// Each property alone, so that a finding names its place.
void check_properties(const kafka_settings& value, const std::string& section,
                      const std::map<std::string, std::string>& properties, findings& found, bool by_both) {
  kafka::consumer_config consumer = static_cast<const kafka::consumer_config&>(value);
  kafka::producer_config producer = static_cast<const kafka::producer_config&>(value.producer);
  for (const auto& [name, text] : properties) {
    consumer.client.properties = {{name, text}};
    producer.client = consumer.client;
    auto accepted = kafka::check_properties(producer);
    if (accepted && by_both) accepted = kafka::check_properties(consumer);
    if (!accepted) found.error(section + "." + name, accepted.error().message());
  }
}

}  // namespace

void check_kafka_clients(const kafka_settings& value, findings& found) {
  if (value.client.bootstrap_servers.empty() || value.group.empty()) return;  // reported as missing
  check_properties(value, "properties", value.client.properties, found, true);
  check_properties(value, "producer_properties", value.producer_properties, found, false);
}

const spec<producer_settings>& producer_spec() {
  static const spec<producer_settings> declared =
      spec<producer_settings>{
          field(&producer_settings::linger, "linger")
              .range(milliseconds(0), seconds(60))
              .doc("Wait for further records before a batch is sent. In the orders `key` and `partition` the "
                   "next record waits for it, too."),
          field(&producer_settings::delivery_timeout, "delivery_timeout")
              .range(milliseconds(1'000), seconds(900))
              .doc("Timeout for the acknowledgement of a record, including the retries of the client. The "
                   "record engine then produces it again."),
          field(&producer_settings::records_max, "queue_records_max")
              .range(std::size_t{1}, std::size_t{10'000'000})
              .doc("Limit of records that are queued or in flight to the brokers, per worker."),
          field(&producer_settings::queue_bytes_max, "queue_bytes_max")
              .range(mib(1), gib(1))
              .doc("Memory limit of these records, per worker. Default: 64MiB, or less where many workers "
                   "share `engine.memory_max` or the cgroup has little memory."),
      }
          .check(check_producer);
  return declared;
}

}  // namespace millrace::app
