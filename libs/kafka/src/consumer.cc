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

// Members that lose their membership before they have handed over a record.
constexpr std::uint32_t joined_in_a_row_max = 5;
// The first new member joins at once, the second after this time, which doubles with each one.
constexpr milliseconds join_backoff{1'000};
// For the former member to leave the group.
constexpr seconds leave_max{5};
constexpr milliseconds leave_poll{20};

constexpr std::string_view commits_are_ours = "offsets are committed when everything before them is finished";
constexpr managed_property managed[] = {
    {"group.id", "use `kafka.group`"},
    {"group.instance.id", "use `kafka.instance_id`"},
    {"group.protocol", "use `kafka.protocol`"},
    {"partition.assignment.strategy", "use `kafka.assignor`"},
    {"enable.auto.commit", commits_are_ours},
    {"auto.commit.enable", commits_are_ours},
    {"auto.commit.interval.ms", commits_are_ours},
    {"enable.auto.offset.store", commits_are_ours},
    {"auto.offset.reset", "use `kafka.start_from` and `kafka.on_offset_out_of_range`"},
    {"enable.partition.eof", "partition ends are not records"},
    {"queued.max.messages.kbytes", "use `kafka.fetch_bytes_max`"},
    {"queued.min.messages", "use `kafka.fetch_bytes_max`"},
    {"fetch.max.bytes", "use `kafka.fetch_bytes_max`"},
    {"receive.message.max.bytes", "use `kafka.fetch_bytes_max`"},
};
// The coordinator decides these under KIP-848, and librdkafka refuses them.
constexpr managed_property managed_by_the_group[] = {
    {"session.timeout.ms",
     "the brokers' group.consumer.session.timeout.ms applies under `kafka.protocol: consumer`"},
    {"heartbeat.interval.ms",
     "the brokers' group.consumer.heartbeat.interval.ms applies under `kafka.protocol: consumer`"},
    {"group.protocol.type", "it is not used under `kafka.protocol: consumer`"},
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

result<void> fill(conf_builder& conf, const consumer_config& config) {
  conf.prefer("check.crcs", "true");
  conf.prefer("isolation.level", "read_committed");
  conf.prefer("allow.auto.create.topics", "false");
  conf.prefer("fetch.queue.backoff.ms", "10");
  conf.prefer("statistics.interval.ms", "10000");
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
  if (result<void> done = conf.apply(config.client, all); !done) return done;
  if (result<void> done = set_group(conf, config); !done) return done;
  return set_fetching(conf, config);
}

result<client_handle> make_client(const consumer_config& config) {
  conf_builder conf;
  if (result<void> done = fill(conf, config); !done) return done.error();
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
           "the brokers assign partitions under `kafka.protocol: consumer`; remove the assignor "
           "and set group.consumer.assignors on the brokers");
  }
  if (config.fetch_bytes_max < fetch_bytes_least || config.fetch_bytes_max > fetch_bytes_most)
    refuse("fetch_bytes_max", "`kafka.fetch_bytes_max` must be from 1 MiB to 1 GiB");
}

result<void> check_properties(const consumer_config& config) {
  conf_builder conf;
  return fill(conf, config);
}

// The client in use. One that has lost its membership leaves the group, and then another one joins.
class consumer::membership {
 public:
  membership(consumer_config config, runtime::loop& worker)
      : config_(std::move(config)), worker_(worker), alarm_(worker) {}

  result<void> join();
  std::size_t poll(stream::source_events& events, std::size_t records_max);
  void close();
  [[nodiscard]] bool closed() const noexcept { return member_->closed() && (closing_ || !leaving_); }
  [[nodiscard]] group_member& member() noexcept { return *member_; }
  [[nodiscard]] const consumer_config& config() const noexcept { return config_; }
  [[nodiscard]] const consumer_counters& counters() const noexcept { return counters_; }

 private:
  void leave(stream::source_events& events);
  void join_again(stream::source_events& events);

  const consumer_config config_;
  runtime::loop& worker_;
  consumer_counters counters_;
  std::unique_ptr<group_member> member_;
  bool leaving_ = false;  // and joining again then
  bool closing_ = false;
  instant leaves_until_;
  instant joins_at_;
  std::uint32_t joined_in_a_row_ = 0;
  std::uint64_t records_before_ = 0;
  wake_alarm alarm_;
};

result<void> consumer::membership::join() {
  result<client_handle> client = make_client(config_);
  if (!client) return std::move(client).error().in("source");
  auto member = std::make_unique<group_member>(config_, worker_, std::move(client).value(), counters_);
  if (result<void> joined = member->subscribe(); !joined) return joined;
  if (member_) group_member::end_in_background(std::exchange(member_, nullptr));
  member_ = std::move(member);
  return {};
}

std::size_t consumer::membership::poll(stream::source_events& events, std::size_t records_max) {
  if (leaving_) {
    join_again(events);
    return 0;
  }
  const std::size_t taken = member_->poll(events, records_max);
  if (member_->broken() && !closing_) leave(events);
  return taken;
}

void consumer::membership::close() {
  closing_ = true;
  member_->close();
}

void consumer::membership::leave(stream::source_events& events) {
  const error cause = *member_->broken();
  if (counters_.records > records_before_) joined_in_a_row_ = 0;
  member_->drop_everything(events);
  if (joined_in_a_row_ == joined_in_a_row_max) {
    return member_->fail(events,
                         error(cause.code(), cause.message() + "; " + std::to_string(joined_in_a_row_max) +
                                                 " new members in a row failed before a record"));
  }
  events.on_source_error(
      error(cause.code(), cause.message() + "; its partitions are given up, and a new member joins"), false);
  leaving_ = true;
  leaves_until_ = worker_.now() + leave_max;
  joins_at_ = worker_.now();
  if (joined_in_a_row_ > 0) joins_at_ = joins_at_ + join_backoff * (1U << (joined_in_a_row_ - 1));
  ++joined_in_a_row_;
  records_before_ = counters_.records;
  member_->close();
}

void consumer::membership::join_again(stream::source_events& events) {
  member_->poll_silently(0);
  if (closing_) return;
  const instant now = worker_.now();
  if (now >= joins_at_ && (member_->closed() || now >= leaves_until_)) {
    const result<void> joined = join();
    leaving_ = false;
    if (!joined) return member_->fail(events, joined.error());
    ++counters_.rejoined;
    return;
  }
  if (!alarm_.armed()) worker_.start(alarm_, leave_poll);
}

result<std::unique_ptr<consumer>> consumer::create(consumer_config config, runtime::loop& worker) {
  std::optional<error> wrong;
  check(config, [&wrong](std::string_view member, const std::string& why) {
    if (!wrong) wrong.emplace(errc::config_invalid, "Kafka source: " + std::string(member) + ": " + why);
  });
  if (wrong) return *wrong;
  auto joined = std::make_unique<membership>(std::move(config), worker);
  if (result<void> done = joined->join(); !done) return done.error();
  return std::unique_ptr<consumer>(new consumer(std::move(joined)));
}

consumer::consumer(std::unique_ptr<membership> joined) : membership_(std::move(joined)) {}
consumer::~consumer() = default;

std::size_t consumer::poll(stream::source_events& events, std::size_t records_max) {
  return membership_->poll(events, records_max);
}
void consumer::commit(std::span<const stream::partition_offset> offsets) {
  membership_->member().commit(offsets);
}
void consumer::commit_again(std::span<const stream::partition_offset> offsets) {
  membership_->member().commit_again(offsets);
}
void consumer::release(std::span<const stream::partition_id> partitions) {
  membership_->member().release(partitions);
}
void consumer::pause(stream::partition_id partition) { membership_->member().set_paused(partition, true); }
void consumer::resume(stream::partition_id partition) { membership_->member().set_paused(partition, false); }
void consumer::close() { membership_->close(); }
bool consumer::closed() const noexcept { return membership_->closed(); }
std::string_view consumer::topic_name(std::uint32_t topic) const noexcept {
  const std::vector<std::string>& topics = membership_->config().topics;
  return topic < topics.size() ? std::string_view(topics[topic]) : std::string_view();
}
std::string_view consumer::topic_id(std::uint32_t topic) const noexcept {
  return membership_->member().topic_id(topic);
}
std::optional<std::int64_t> consumer::high_watermark(stream::partition_id partition) const noexcept {
  return membership_->member().ends().readable_end(partition);
}
std::optional<std::int64_t> consumer::read_position(stream::partition_id partition) const {
  return membership_->member().ends().read_position(partition);
}
std::optional<std::int64_t> consumer::low_watermark(stream::partition_id partition) const noexcept {
  const auto marks = membership_->member().ends().watermarks_of(partition);
  return marks ? std::optional(marks->low) : std::nullopt;
}
const consumer_counters& consumer::counters() const noexcept { return membership_->counters(); }

}  // namespace millrace::kafka
