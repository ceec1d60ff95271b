// Topics that are deleted and created again while they are read. librdkafka 2.12.1 follows such a topic by its
// name and goes on at the offset that it had reached in the former log. Only the topic's id tells the two
// apart.
#include <algorithm>
#include <utility>

#include "errors.h"
#include "group_member.h"

namespace millrace::kafka {
namespace {

using stage = owned_partition::stage;

// Between two requests of the ids because of answers that do not fit.
constexpr milliseconds suspicion_interval{1'000};

}  // namespace

void consumer::group_member::check_topics() {
  if (topics_asked_) return;
  const nanoseconds interval = topics_suspect_
                                   ? std::min<nanoseconds>(suspicion_interval, config_.topic_check_interval)
                                   : nanoseconds(config_.topic_check_interval);
  const nanoseconds wait = topics_checked_at_ + interval - worker_.now();
  if (wait > nanoseconds(0)) {
    if (!topics_alarm_.armed()) worker_.start(topics_alarm_, wait);
    return;
  }
  topics_asked_ = true;
  topics_suspect_ = false;
  topics_checked_at_ = worker_.now();
  partition_list topics = make_partition_list(config_.topics.size());
  for (std::uint32_t i = 0; i < config_.topics.size(); ++i) partitions_.add_to(topics.get(), {i, 0});
  lookup_->ask_topics(std::move(topics));
}

// The id of a topic that is gone is kept: it tells that its successor is another one.
void consumer::group_member::note_topics(const topics_told& told, stream::source_events& events) {
  const bool denied = denied_since_ && !told.denied.empty();
  if (denied_since_ && !denied && !told.ids.empty()) denied_since_.reset();
  topics_suspect_ = topics_suspect_ || denied_since_;
  if (denied && worker_.now() - *denied_since_ >= config_.unknown_topic_grace) {
    return fail(events,
                error(errc::topic_not_found,
                      "topic '" + told.denied.front() +
                          "' does not exist any more: the brokers have reported this for longer than " +
                          std::to_string(config_.unknown_topic_grace.count()) + " ms"));
  }
  for (std::uint32_t topic = 0; topic < config_.topics.size(); ++topic) {
    const auto known = told.ids.find(config_.topics[topic]);
    if (known == told.ids.end()) continue;
    const std::string before = std::exchange(partitions_.id_of(topic), known->second);
    if (before.empty() || before == known->second) continue;
    on_recreated(topic,
                 "topic '" + config_.topics[topic] + "' was deleted and created again (its id was " + before +
                     " and is " + known->second + "): its offsets are those of another log",
                 events);
  }
}

// An error that the client reports. Brokers deny for seconds what they have not heard of yet, also a topic that is
// being read. A deleted one ends the member, as does one that never was.
void consumer::group_member::on_client_error(rd_kafka_resp_err_t code, const error& failure,
                                             stream::source_events& events) {
  const bool denied =
      failure.code() == errc::topic_not_found && config_.on_missing_topic == missing_topic::fail;
  if (stops_the_line(code) || (denied && assignments_ == 0)) return fail(events, failure);
  if (!denied) return events.on_source_error(failure, false);
  if (!denied_since_) denied_since_ = worker_.now();
  topics_suspect_ = true;
  events.on_source_error(
      error(errc::broker_unavailable, failure.message() + "; it was there before and is waited for, for " +
                                          std::to_string(config_.unknown_topic_grace.count()) + " ms"),
      false);
}

// The offsets of a partition whose start is still being requested are of the new log.
void consumer::group_member::on_recreated(std::uint32_t topic, const std::string& text,
                                          stream::source_events& events) {
  std::vector<stream::partition_id> reading;
  std::vector<stream::partition_id> revoking;
  for (const stream::partition_id id : partitions_.owned_of(topic)) {
    if (partitions_.at(id).at == stage::reading) reading.push_back(id);
    if (partitions_.at(id).at == stage::revoking && !partitions_.at(id).released) revoking.push_back(id);
  }
  // Nothing of the former log may be committed any more.
  if (!revoking.empty()) {
    for (const stream::partition_id id : revoking) partitions_.at(id).assignment = ++assignments_;
    events.on_lost(revoking);
    release(revoking);
  }
  if (reading.empty()) return;
  if (config_.on_offset_out_of_range == out_of_range::fail) {
    for (const stream::partition_id id : reading) {
      owned_partition gone;
      gone.in_assignment = partitions_.at(id).in_assignment;
      partitions_.at(id) = std::move(gone);
    }
    events.on_lost(reading);
    return fail(events,
                error(errc::offset_out_of_range,
                      text + ". Set the group's offsets of the topic to the beginning to process what "
                             "it contains now"));
  }
  events.on_source_error(error(errc::offset_out_of_range,
                               text + "; it is read from its beginning (`kafka.on_offset_out_of_range`)"),
                         false);
  renew(reading, events);
  partition_list asked = make_partition_list(reading.size());
  for (const stream::partition_id id : reading) partitions_.add_to(asked.get(), id);
  lookup_->ask_beginning(assignments_, std::move(asked));
}

// The same partitions as another assignment, whose start is not known yet. The client goes on to fetch them;
// what it fetches is dropped until then.
void consumer::group_member::renew(std::span<const stream::partition_id> partitions,
                                   stream::source_events& events) {
  ++assignments_;
  const partition_list paused = make_partition_list(0);
  for (const stream::partition_id id : partitions) {
    owned_partition& partition = partitions_.at(id);
    if (partition.paused) partitions_.add_to(paused.get(), id);
    owned_partition fresh;
    fresh.at = stage::asking;
    fresh.in_assignment = partition.in_assignment;
    fresh.assignment = assignments_;
    fresh.rewound_from = partition.next_offset;
    fresh.group_start = partition.group_start;
    partition = std::move(fresh);
  }
  if (paused->cnt > 0) rd_kafka_resume_partitions(client_.get(), paused.get());
  events.on_lost(partitions);
  events.on_assigned(partitions);
}

}  // namespace millrace::kafka
