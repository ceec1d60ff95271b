#include "topic_walk.h"

#include <algorithm>
#include <array>
#include <utility>

#include <unistd.h>

#include <millrace/kafka/connectivity.h>

namespace millrace::app::dlq_commands {
namespace {

constexpr milliseconds connect_timeout{10'000};
// A member that was killed keeps its partitions until its session has timed out.
constexpr seconds ready_within{90};
// Compaction may leave nothing to deliver before the end.
constexpr seconds silent_at_end{15};
constexpr seconds left_within{5};
constexpr milliseconds turn_sleep_max{20};
constexpr byte_size fetch_bytes_max = mib(16);

}  // namespace

kafka::client_config client_of(const app::app_config& settings) {
  kafka::client_config client;
  client.bootstrap_servers = settings.kafka.client.bootstrap_servers;
  client.client_id = "millrace-dlq";
  client.properties = settings.kafka.client.properties;
  return client;
}

std::string viewer_group(const app::app_config& settings) {
  return settings.kafka.group + "-dlq-view-" + std::to_string(::getpid()) + "-" +
         std::to_string(system_clock().wall().time_since_epoch().count());
}

result<std::unique_ptr<topic_walk>> topic_walk::open(const app::app_config& settings,
                                                     const std::string& topic, const std::string& group,
                                                     runtime::loop& loop, dead_letter_listener& listener) {
  const std::array<std::string, 1> topics{topic};
  const auto cluster = kafka::check_connectivity(client_of(settings), topics, connect_timeout);
  if (!cluster) return cluster.error();
  std::unique_ptr<topic_walk> walk(
      new topic_walk(topic, group, cluster->topics.front().partitions, loop, listener));
  kafka::consumer_config config;
  config.client = client_of(settings);
  config.client.properties.emplace("fetch.wait.max.ms", "100");
  config.group = group;
  config.topics = {topic};
  config.protocol = settings.kafka.protocol;
  config.start_from = kafka::start_position::earliest;
  config.on_offset_out_of_range = kafka::out_of_range::earliest;
  config.fetch_bytes_max = fetch_bytes_max;
  auto source = kafka::consumer::create(std::move(config), loop);
  if (!source) return source.error();
  walk->source_ = std::move(*source);
  return walk;
}

void topic_walk::turn(std::size_t records_max) {
  const std::size_t taken = source_->poll(*this, records_max);
  note_ends();
  const instant now = loop_.time().now();
  if (taken > 0 || records_max == 0) heard_ = now;
  loop_.run_turn(taken > 0 ? nanoseconds(0) : turn_sleep_max);
  if (failure_ || now - began_ <= ready_within || ready()) return;
  const auto known = std::count_if(partitions_.begin(), partitions_.end(),
                                   [](const auto& p) { return p.second.end.has_value(); });
  failure_ = error(errc::timed_out, "only " + std::to_string(known) + " of the " +
                                        std::to_string(partition_count_) + " partitions of '" + topic_ +
                                        "' could be read; check whether another member of the group '" +
                                        group_ + "' is running or a broker is down");
}

// The broker sends a partition's end with every answer to a fetch.
void topic_walk::note_ends() {
  for (auto& [id, at] : partitions_) {
    if (!at.end) at.end = source_->high_watermark(id);
    // Markers of transactions are not delivered.
    at.next = std::max(at.next, source_->read_position(id).value_or(0));
  }
}

bool topic_walk::ready() const {
  return partitions_.size() >= static_cast<std::size_t>(partition_count_) &&
         std::all_of(partitions_.begin(), partitions_.end(),
                     [](const auto& p) { return p.second.end.has_value(); });
}

bool topic_walk::at_end() const {
  return ready() && (read_all() || loop_.time().now() - heard_ > silent_at_end);
}

bool topic_walk::read_all() const {
  return std::all_of(partitions_.begin(), partitions_.end(),
                     [](const auto& p) { return p.second.end && p.second.next >= *p.second.end; });
}

void topic_walk::close() {
  closing_ = true;
  const instant until = loop_.time().now() + left_within;
  source_->close();
  while (!source_->closed() && loop_.time().now() < until) {
    source_->poll(*this, 0);
    if (!revoked_.empty()) source_->release(std::exchange(revoked_, {}));
    loop_.run_turn(turn_sleep_max);
  }
}

void topic_walk::on_record(const stream::record_view& record) {
  const auto at = partitions_.find(record.from);
  if (closing_ || at == partitions_.end()) return;
  at->second.next = record.offset + 1;
  // What came after the walk began is for the next one.
  if (at->second.end && record.offset >= *at->second.end) return;
  listener_.on_dead_letter(record);
}

void topic_walk::on_assigned(std::span<const stream::partition_id> partitions) {
  for (const stream::partition_id id : partitions) partitions_.emplace(id, progress());
}

void topic_walk::on_position(const stream::partition_offset& start, stream::position_origin origin) {
  partitions_[start.partition].next = start.offset;
  stream::partition_offset committed = start;
  if (origin != stream::position_origin::committed) committed.offset = -1;
  listener_.on_start(committed);
}

// They are given up in close(), when everything that was sent has been committed.
void topic_walk::on_revoked(std::span<const stream::partition_id> partitions) {
  revoked_.insert(revoked_.end(), partitions.begin(), partitions.end());
  if (closing_ || failure_) return;
  failure_ =
      error(errc::cancelled, "another member joined the group '" + group_ + "'; run one redrive at a time");
}

void topic_walk::on_lost(std::span<const stream::partition_id> partitions) {
  for (const stream::partition_id id : partitions) partitions_.erase(id);
  if (!closing_ && !failure_) {
    failure_ = error(errc::broker_fenced, "the group '" + group_ + "' gave the partitions to another member");
  }
}

void topic_walk::on_committed(std::span<const stream::commit_result> results) {
  listener_.on_committed(results);
}

void topic_walk::on_source_error(const error& failure, bool fatal) {
  if (fatal && !failure_) failure_ = failure;
}

}  // namespace millrace::app::dlq_commands
