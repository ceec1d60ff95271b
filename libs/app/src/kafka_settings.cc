#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::section;
using config::spec;

namespace {

void check_kafka(const kafka_settings& value, findings& found) {
  kafka::check(value, [&](std::string_view member, std::string why) {
    // The topics may be those of `inputs`: check_topics().
    if (member != "topics" || !value.topics.empty()) found.error(member, std::move(why));
  });
  if (value.start_from == kafka::start_position::latest)
    found.warning("start_from", "records produced before the first start are not processed");
}

}  // namespace

const spec<kafka_settings>& kafka_spec() {
  using kafka::assignor;
  using kafka::client_config;
  using kafka::group_protocol;
  using kafka::missing_topic;
  using kafka::out_of_range;
  using kafka::start_position;
  static const spec<kafka_settings> declared =
      spec<kafka_settings>{
          field(&kafka_settings::client, &client_config::bootstrap_servers, "bootstrap_servers")
              .required()
              .doc("Brokers to connect to first, as host:port, separated by commas.")
              .example("broker-1:9092,broker-2:9092"),
          field(&kafka_settings::group, "group").required().doc("Consumer group.").example("navigation"),
          field(&kafka_settings::former_groups, "former_groups")
              .doc("Former consumer groups of this application. Their dead-letter records are redriven, and "
                   "records redriven for them are processed.")
              .example("[navigation-v1]"),
          field(&kafka_settings::other_groups, "other_groups")
              .doc("Consumer groups of other applications that read the same topics. Records redriven for "
                   "them are skipped; one redriven for an unknown group is dead-lettered again."),
          field(&kafka_settings::topics, "topics").doc("Topics to read.").example("[navigation]"),
          field(&kafka_settings::instance_id, "instance_id")
              .doc("Static membership: worker N joins as `<instance_id>-w<N>`. Empty: dynamic membership.")
              .example("${env:POD_NAME}"),
          field(&kafka_settings::protocol, "protocol")
              .choices({{"classic", group_protocol::classic}, {"consumer", group_protocol::consumer}})
              .doc("Group protocol: classic, or consumer (KIP-848, Kafka 4): brokers assign partitions."),
          field(&kafka_settings::assignment, "assignor")
              .choices({{"cooperative-sticky", assignor::cooperative_sticky},
                        {"range", assignor::range},
                        {"roundrobin", assignor::round_robin}})
              .doc("Partition assignor of the classic protocol. Default: cooperative-sticky, where a "
                   "rebalance revokes only the partitions that move. range and roundrobin revoke all "
                   "partitions: the whole group drains, commits and pauses. All members of a group must use "
                   "the same kind; stop all of them to change it."),
          field(&kafka_settings::start_from, "start_from")
              .choices({{"fail", start_position::fail},
                        {"earliest", start_position::earliest},
                        {"latest", start_position::latest}})
              .doc("Start position of a partition without a committed offset. latest is resolved and "
                   "committed once; a partition that is added later starts at its beginning."),
          field(&kafka_settings::on_offset_out_of_range, "on_offset_out_of_range")
              .choices({{"fail", out_of_range::fail},
                        {"earliest", out_of_range::earliest},
                        {"latest", out_of_range::latest}})
              .doc("Action when the next offset is not in the log, as its first and last offsets confirm, or "
                   "the topic was recreated: fail stops the process and skips nothing; earliest and latest "
                   "count the gap, and read a recreated topic from its beginning."),
          field(&kafka_settings::on_missing_topic, "on_missing_topic")
              .choices({{"fail", missing_topic::fail}, {"wait", missing_topic::wait}})
              .doc("Action when a topic is deleted while the process runs: stop, or retry until it exists."),
          field(&kafka_settings::fetch_bytes_max_set, "fetch_bytes_max")
              .range(kafka::fetch_bytes_least, kafka::fetch_bytes_most)
              .doc("Memory limit of prefetched records, per worker. Default: 64MiB, or less where many "
                   "workers share `engine.memory_max` or the cgroup has little memory."),
          section(&kafka_settings::producer, "producer", producer_spec())
              .doc("Producer of emitted records and dead-letter records, one per worker."),
          field(&kafka_settings::client, &client_config::properties, "properties")
              .doc("Properties of librdkafka for consumer and producer, such as security.protocol. "
                   "sasl.username and sasl.password may be rotated. Certificate files need a restart."),
          field(&kafka_settings::producer_properties, "producer_properties")
              .doc("Properties of librdkafka for the producer only. They override `kafka.properties`. "
                   "Defaults of their own: `partitioner` murmur2_random, as in Java clients, and "
                   "`message.max.bytes` 64 MiB, so that the topic decides."),
      }
          .check(check_kafka)
          .check(check_kafka_clients);
  return declared;
}

}  // namespace millrace::app
