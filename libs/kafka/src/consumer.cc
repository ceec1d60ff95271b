#include <algorithm>
#include <utility>

#include <millrace/kafka/consumer.h>

#include "conf.h"
#include "group_member.h"

namespace millrace::kafka {
namespace {

// librdkafka: the answer's limit must leave room for the protocol around a fetch.
constexpr std::size_t receive_bytes_default = 100'000'000;
constexpr std::size_t receive_overhead_bytes = 512;

constexpr std::string_view commits_are_ours = "offsets are committed when everything before them is finished";
constexpr managed_property managed[] = {
    {"group.id", "use 'group'"},
    {"group.instance.id", "use 'instance_id'"},
    {"group.protocol", "use 'group_protocol'"},
    {"partition.assignment.strategy", "use 'assignor'"},
    {"enable.auto.commit", commits_are_ours},
    {"auto.commit.enable", commits_are_ours},
    {"auto.commit.interval.ms", commits_are_ours},
    {"enable.auto.offset.store", commits_are_ours},
    {"auto.offset.reset", "use 'start_from' and 'on_offset_out_of_range'"},
    {"enable.partition.eof", "partition ends are not records"},
    {"queued.max.messages.kbytes", "use 'fetch_bytes_max'"},
    {"queued.min.messages", "use 'fetch_bytes_max'"},
    {"fetch.max.bytes", "use 'fetch_bytes_max'"},
    {"receive.message.max.bytes", "use 'fetch_bytes_max'"},
};
// The coordinator decides these under KIP-848, and librdkafka refuses them.
constexpr managed_property managed_by_the_group[] = {
    {"session.timeout.ms",
     "the brokers' group.consumer.session.timeout.ms applies under group protocol 'consumer'"},
    {"heartbeat.interval.ms",
     "the brokers' group.consumer.heartbeat.interval.ms applies under group protocol 'consumer'"},
    {"group.protocol.type", "it is not used under group protocol 'consumer'"},
};

result<void> set_group(conf_builder& conf, const consumer_config& config) {
  if (result<void> done = conf.set("group.id", config.group); !done) return done;
  if (!config.instance_id.empty()) {
    if (result<void> done = conf.set("group.instance.id", config.instance_id); !done) return done;
  }
  switch (config.protocol) {
    case group_protocol::consumer:
      return conf.set("group.protocol", "consumer");
    case group_protocol::classic:
      break;
  }
  if (result<void> done = conf.set("group.protocol", "classic"); !done) return done;
  switch (config.assignment.value_or(assignor::cooperative_sticky)) {
    case assignor::cooperative_sticky:
      return conf.set("partition.assignment.strategy", "cooperative-sticky");
    case assignor::range:
      return conf.set("partition.assignment.strategy", "range");
    case assignor::round_robin:
      break;
  }
  return conf.set("partition.assignment.strategy", "roundrobin");
}

result<void> set_fetching(conf_builder& conf, const consumer_config& config) {
  const std::size_t fetch_bytes = std::max(config.fetch_bytes_max.count() / 2, fetch_bytes_least.count());
  const std::pair<const char*, std::string> properties[] = {
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"enable.partition.eof", "false"},
      {"auto.offset.reset", "error"},  // the member decides (reading.cc)
      {"queued.max.messages.kbytes", std::to_string(config.fetch_bytes_max.count() / 1024)},
      {"queued.min.messages", "100000"},
      {"receive.message.max.bytes",
       std::to_string(std::max(receive_bytes_default, fetch_bytes + receive_overhead_bytes))},
      {"fetch.max.bytes", std::to_string(fetch_bytes)},
  };
  for (const auto& [name, value] : properties) {
    if (result<void> done = conf.set(name, value); !done) return done;
  }
  return {};
}

result<client_handle> make_client(const consumer_config& config) {
  conf_builder conf;
  conf.prefer("check.crcs", "true");
  conf.prefer("isolation.level", "read_committed");
  conf.prefer("allow.auto.create.topics", "false");
  conf.prefer("fetch.queue.backoff.ms", "10");
  conf.prefer("statistics.interval.ms", "1000");
  // Longer than librdkafka's 500 ms between requests for a lost coordinator. A commit that is to be sent
  // again sooner waits on a connection that the answer replaces: it fails, the coordinator counts as lost
  // again, and so on without end.
  conf.prefer("retry.backoff.ms", "1000");
  // librdkafka takes part in no rebalance while a commit is unanswered. After its 60 s other members have
  // waited too long; less would break a fetch of 'fetch_bytes_max' over a slow network.
  conf.prefer("socket.timeout.ms", "20000");
  std::vector<managed_property> all(std::begin(managed), std::end(managed));
  if (config.protocol == group_protocol::consumer) {
    all.insert(all.end(), std::begin(managed_by_the_group), std::end(managed_by_the_group));
  }
  if (result<void> done = conf.apply(config.client, all); !done) return done.error();
  if (result<void> done = set_group(conf, config); !done) return done.error();
  if (result<void> done = set_fetching(conf, config); !done) return done.error();
  conf.enable_events(RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_FETCH);
  return conf.make_client(RD_KAFKA_CONSUMER);
}

}  // namespace

void check(const consumer_config& config, const config_problem& refuse) {
  if (config.group.empty()) refuse("group", "no consumer group is set");
  if (config.topics.empty()) refuse("topics", "no topic is set");
  for (auto topic = config.topics.begin(); topic != config.topics.end(); ++topic) {
    const std::string member = "topics[" + std::to_string(topic - config.topics.begin()) + "]";
    if (topic->empty() || topic->front() == '^')
      refuse(member, "'" + *topic + "' is not a topic name; patterns are not supported");
    if (std::find(config.topics.begin(), topic, *topic) != topic)
      refuse(member, "topic '" + *topic + "' is listed twice");
  }
  if (config.protocol == group_protocol::consumer && config.assignment) {
    refuse("assignor",
           "the brokers assign partitions under the group protocol `consumer`; remove the assignor "
           "and set group.consumer.assignors on the brokers");
  }
  if (config.fetch_bytes_max < fetch_bytes_least || config.fetch_bytes_max > fetch_bytes_most)
    refuse("fetch_bytes_max", "`fetch_bytes_max` must be from 1 MiB to 1 GiB");
}

result<std::unique_ptr<consumer>> consumer::create(consumer_config config, runtime::loop& worker) {
  std::optional<error> wrong;
  check(config, [&wrong](std::string_view member, const std::string& why) {
    if (!wrong) wrong.emplace(errc::config_invalid, "Kafka source: " + std::string(member) + ": " + why);
  });
  if (wrong) return *wrong;
  result<client_handle> client = make_client(config);
  if (!client) return std::move(client).error().in("source");
  auto member = std::make_unique<group_member>(std::move(config), worker, std::move(client).value());
  if (result<void> joined = member->subscribe(); !joined) return joined.error();
  return std::unique_ptr<consumer>(new consumer(std::move(member)));
}

consumer::consumer(std::unique_ptr<group_member> member) : member_(std::move(member)) {}
consumer::~consumer() = default;

std::size_t consumer::poll(stream::source_events& events, std::size_t records_max) {
  return member_->poll(events, records_max);
}
void consumer::commit(std::span<const stream::partition_offset> offsets) { member_->commit(offsets); }
void consumer::commit_again(std::span<const stream::partition_offset> offsets) {
  member_->commit_again(offsets);
}
void consumer::release(std::span<const stream::partition_id> partitions) { member_->release(partitions); }
void consumer::pause(stream::partition_id partition) { member_->set_paused(partition, true); }
void consumer::resume(stream::partition_id partition) { member_->set_paused(partition, false); }
void consumer::close() { member_->close(); }
bool consumer::closed() const noexcept { return member_->closed(); }
std::string_view consumer::topic_name(std::uint32_t topic) const noexcept {
  return member_->topic_name(topic);
}

std::string_view consumer::topic_id(std::uint32_t topic) const noexcept { return member_->topic_id(topic); }

std::optional<std::int64_t> consumer::high_watermark(stream::partition_id partition) const noexcept {
  const auto marks = member_->watermarks_of(partition);
  return marks ? std::optional(marks->high) : std::nullopt;
}
std::optional<std::int64_t> consumer::low_watermark(stream::partition_id partition) const noexcept {
  const auto marks = member_->watermarks_of(partition);
  return marks ? std::optional(marks->low) : std::nullopt;
}
const consumer_counters& consumer::counters() const noexcept { return member_->counters(); }

}  // namespace millrace::kafka
