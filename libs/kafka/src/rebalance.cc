// The group's protocol. librdkafka waits for an assign or unassign call after each rebalance event and holds
// everything else back until then. An assignment is answered at once with no partitions at all, so that the
// group is never held up by an unanswered request for offsets; the partitions follow with their start
// offsets. A revocation is answered when its last partition was released.
#include <algorithm>
#include <utility>

#include "errors.h"
#include "group_member.h"
#include "group_start.h"

namespace millrace::kafka {

namespace {
using stage = owned_partition::stage;

std::string_view metadata_of(const rd_kafka_topic_partition_t& partition) {
  if (partition.metadata == nullptr) return {};
  return {static_cast<const char*>(partition.metadata), partition.metadata_size};
}
}  // namespace

bool consumer::group_member::eager() const noexcept {
  return config_.protocol == group_protocol::classic &&
         config_.assignment.value_or(assignor::cooperative_sticky) != assignor::cooperative_sticky;
}

void consumer::group_member::assign_in_client(partition_list added) {
  error_handle failure;
  if (eager()) {
    const rd_kafka_resp_err_t code = rd_kafka_assign(client_.get(), added.get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      failure.reset(rd_kafka_error_new(code, "%s", rd_kafka_err2str(code)));
  } else {
    failure.reset(rd_kafka_incremental_assign(client_.get(), added.get()));
  }
  if (failure) {
    failures_.push_back(client_error(rd_kafka_error_code(failure.get()), rd_kafka_error_string(failure.get()))
                            .in("taking over partitions"));
  }
}

void consumer::group_member::unassign_in_client(partition_list removed) {
  error_handle failure;
  if (eager()) {
    const rd_kafka_resp_err_t code = rd_kafka_assign(client_.get(), nullptr);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      failure.reset(rd_kafka_error_new(code, "%s", rd_kafka_err2str(code)));
  } else {
    failure.reset(rd_kafka_incremental_unassign(client_.get(), removed.get()));
  }
  if (failure) {
    failures_.push_back(client_error(rd_kafka_error_code(failure.get()), rd_kafka_error_string(failure.get()))
                            .in("giving up partitions"));
  }
}

void consumer::group_member::on_rebalance(rd_kafka_event_t* event, stream::source_events& events) {
  const rd_kafka_topic_partition_list_t* list = rd_kafka_event_topic_partition_list(event);
  last_topic_ = nullptr;
  commits_->on_rebalance();
  switch (static_cast<int>(rd_kafka_event_error(event))) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
      on_assign(*list, events);
      return;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
      on_revoke(*list, events);
      return;
    default:
      break;
  }
  const error failure = client_error(rd_kafka_event_error(event), "the group's rebalance failed");
  unassign_in_client(make_partition_list(0));
  events.on_source_error(failure, false);
}

void consumer::group_member::on_assign(const rd_kafka_topic_partition_list_t& partitions,
                                       stream::source_events& events) {
  ++counters_.rebalances_assigned;
  const std::vector<stream::partition_id> ids = partitions_.ids_of(partitions);
  const std::uint64_t assignment = ++assignments_;
  partition_list asked = make_partition_list(ids.size());
  for (const stream::partition_id id : ids) {
    owned_partition fresh;
    fresh.at = stage::asking;
    fresh.assignment = assignment;
    partitions_.at(id) = std::move(fresh);
    partitions_.add_to(asked.get(), id);
  }
  assign_in_client(make_partition_list(0));
  events.on_assigned(ids);
  if (!ids.empty()) lookup_->ask(assignment, std::move(asked));
}

void consumer::group_member::on_revoke(const rd_kafka_topic_partition_list_t& partitions,
                                       stream::source_events& events) {
  const bool lost = rd_kafka_assignment_lost(client_.get()) != 0;
  std::vector<stream::partition_id> told;
  for (const stream::partition_id id : partitions_.ids_of(partitions)) {
    const std::optional<std::int64_t> position = ends_->read_position(id);
    owned_partition& partition = partitions_.at(id);
    const stage before = partition.at;
    if (before != stage::revoking) revoking_.push_back(id);
    partition.at = stage::revoking;
    // Already being revoked, or reported as lost: one notification is enough.
    if (before == stage::absent) partition.released = true;
    if (before == stage::reading) partition.read_position = position;
    if (lost ? before != stage::absent : before != stage::revoking && before != stage::absent)
      told.push_back(id);
  }
  revoke_pending_ = true;
  if (lost) {
    ++counters_.rebalances_lost;
    finish_revoke();
    if (!told.empty()) events.on_lost(told);
    return;
  }
  ++counters_.rebalances_revoked;
  if (all_released()) return finish_revoke();
  if (!told.empty()) events.on_revoked(told);
}

bool consumer::group_member::all_released() const {
  return std::all_of(revoking_.begin(), revoking_.end(),
                     [&](stream::partition_id id) { return partitions_.find(id)->released; });
}

void consumer::group_member::release(std::span<const stream::partition_id> partitions) {
  if (!revoke_pending_) return;
  for (const stream::partition_id id : partitions) {
    owned_partition* partition = partitions_.find(id);
    if (partition != nullptr && partition->at == stage::revoking) partition->released = true;
  }
  if (all_released()) finish_revoke();
}

void consumer::group_member::finish_revoke() {
  partition_list removed = make_partition_list(revoking_.size());
  for (const stream::partition_id id : revoking_) {
    if (partitions_.at(id).in_assignment) partitions_.add_to(removed.get(), id);
    partitions_.at(id) = owned_partition{};
  }
  revoking_.clear();
  revoke_pending_ = false;
  last_topic_ = nullptr;
  unassign_in_client(std::move(removed));
  worker_.wake();
}

void consumer::group_member::serve_lookups(stream::source_events& events) {
  while (std::optional<lookup_answer> answer = lookup_->take()) {
    topics_asked_ = topics_asked_ && !answer->only_topics;
    if (answer->only_ends) ends_->on_answer(*answer);
    if (!takes_records() || answer->only_ends) continue;
    if (answer->only_topics) {
      note_topics(answer->topics, events);
      continue;
    }
    if (answer->range) {
      on_log_range(*answer, events);
      continue;
    }
    if (answer->offsets != nullptr) {
      start_reading(*answer, events);
      continue;
    }
    const error failure = client_error(answer->failure, rd_kafka_err2str(answer->failure))
                              .in("committed offsets of group '" + config_.group + "'");
    if (answer->final) {
      fail(events, failure);
    } else {
      events.on_source_error(failure, false);
    }
  }
}

void consumer::group_member::start_reading(const lookup_answer& answer, stream::source_events& events) {
  note_topics(answer.topics, events);
  partition_list added = make_partition_list(static_cast<std::size_t>(answer.offsets->cnt));
  const partition_list paused = make_partition_list(0);
  std::vector<stream::partition_id> again;
  for (const stream::partition_id id : partitions_.ids_of(*answer.offsets)) {
    if (!takes_records()) return;
    owned_partition& partition = partitions_.at(id);
    if (partition.at != stage::asking || partition.assignment != answer.assignment) continue;
    const char* topic = config_.topics[id.topic].c_str();
    const rd_kafka_topic_partition_t* known =
        rd_kafka_topic_partition_list_find(answer.offsets.get(), topic, id.partition);
    const auto first = answer.first.find({topic, id.partition});
    if (first == answer.first.end()) {
      std::string_view metadata = metadata_of(*known);
      partition.group_start = take_group_start(metadata);
      begin_reading({id, known->offset, std::string(metadata)}, stream::position_origin::committed, events);
    } else if (first->second.refused) {
      return fail(
          events,
          error(errc::offset_out_of_range,
                partitions_.describe(id) + ": group '" + config_.group +
                    "' has no committed offset and `kafka.start_from` is fail; set the group's offsets, or "
                    "choose earliest or latest"));
    } else {
      const auto start = answer.group_start.find(topic);
      if (start != answer.group_start.end()) partition.group_start = start->second;
      begin_reading({id, first->second.offset}, first->second.origin, events);
    }
    if (partition.paused) partitions_.add_to(paused.get(), id);
    if (partition.in_assignment) {
      again.push_back(id);
      continue;
    }
    partition.in_assignment = true;
    rd_kafka_topic_partition_t* element = partitions_.add_to(added.get(), id);
    element->offset = partition.next_offset;
    rd_kafka_topic_partition_set_leader_epoch(element, rd_kafka_topic_partition_get_leader_epoch(known));
    const queue_handle own(rd_kafka_queue_get_partition(client_.get(), topic, id.partition));
    rd_kafka_queue_forward(own.get(), fetch_queue_.get());
  }
  if (added->cnt > 0) assign_in_client(std::move(added));
  for (const stream::partition_id id : again) fetch_from(id, partitions_.at(id));
  if (paused->cnt > 0) rd_kafka_pause_partitions(client_.get(), paused.get());
}

void consumer::group_member::begin_reading(const stream::partition_offset& start,
                                           stream::position_origin origin, stream::source_events& events) {
  owned_partition& partition = partitions_.at(start.partition);
  partition.next_offset = start.offset;
  partition.at = stage::reading;
  const std::optional<std::int64_t> from = std::exchange(partition.rewound_from, std::nullopt);
  events.on_position(start, origin);
  if (from && *from > start.offset) events.on_rewind(start.partition, *from, start.offset);
}

}  // namespace millrace::kafka
