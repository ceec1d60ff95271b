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

std::vector<stream::partition_id> consumer::group_member::ids_of(
    const rd_kafka_topic_partition_list_t& list) const {
  std::vector<stream::partition_id> ids;
  ids.reserve(static_cast<std::size_t>(list.cnt));
  for (int i = 0; i < list.cnt; ++i) {
    if (const auto topic = topic_index(list.elems[i].topic)) ids.push_back({*topic, list.elems[i].partition});
  }
  return ids;
}

void consumer::group_member::add_to(rd_kafka_topic_partition_list_t* list,
                                    stream::partition_id partition) const {
  rd_kafka_topic_partition_list_add(list, config_.topics[partition.topic].c_str(), partition.partition);
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
  const std::vector<stream::partition_id> ids = ids_of(partitions);
  const std::uint64_t assignment = ++assignments_;
  partition_list asked = make_partition_list(ids.size());
  for (const stream::partition_id id : ids) {
    owned_partition fresh;
    fresh.at = stage::asking;
    fresh.assignment = assignment;
    owned(id) = std::move(fresh);
    add_to(asked.get(), id);
  }
  assign_in_client(make_partition_list(0));
  events.on_assigned(ids);
  if (!ids.empty()) lookup_->ask(assignment, std::move(asked));
}

void consumer::group_member::on_revoke(const rd_kafka_topic_partition_list_t& partitions,
                                       stream::source_events& events) {
  const bool lost = rd_kafka_assignment_lost(client_.get()) != 0;
  std::vector<stream::partition_id> told = ids_of(partitions);
  // Already being revoked: one notification is enough.
  if (!lost) std::erase_if(told, [&](stream::partition_id id) { return owned(id).at == stage::revoking; });
  for (const stream::partition_id id : told) {
    if (owned(id).at != stage::revoking) revoking_.push_back(id);
    owned(id).at = stage::revoking;
  }
  revoke_pending_ = true;
  if (lost) {
    ++counters_.rebalances_lost;
    finish_revoke();
    events.on_lost(told);
    return;
  }
  ++counters_.rebalances_revoked;
  if (revoking_.empty()) {
    finish_revoke();
    return;
  }
  if (!told.empty()) events.on_revoked(told);
}

void consumer::group_member::release(std::span<const stream::partition_id> partitions) {
  if (!revoke_pending_) return;
  for (const stream::partition_id id : partitions) {
    owned_partition* partition = find(id);
    if (partition != nullptr && partition->at == stage::revoking) partition->released = true;
  }
  const bool all = std::all_of(revoking_.begin(), revoking_.end(),
                               [&](stream::partition_id id) { return owned(id).released; });
  if (all) finish_revoke();
}

void consumer::group_member::finish_revoke() {
  partition_list removed = make_partition_list(revoking_.size());
  for (const stream::partition_id id : revoking_) {
    if (owned(id).in_assignment) add_to(removed.get(), id);
    owned(id) = owned_partition{};
  }
  revoking_.clear();
  revoke_pending_ = false;
  last_topic_ = nullptr;
  unassign_in_client(std::move(removed));
  worker_.wake();
}

void consumer::group_member::serve_lookups(stream::source_events& events) {
  while (std::optional<lookup_answer> answer = lookup_->take()) {
    if (closing_ || failed_) continue;
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
  partition_list added = make_partition_list(static_cast<std::size_t>(answer.offsets->cnt));
  partition_list paused = make_partition_list(0);
  for (std::uint32_t topic = 0; topic < topic_ids_.size(); ++topic) {
    const auto told = answer.topic_ids.find(config_.topics[topic]);
    if (told != answer.topic_ids.end()) topic_ids_[topic] = told->second;
  }
  for (const stream::partition_id id : ids_of(*answer.offsets)) {
    owned_partition& partition = owned(id);
    if (partition.at != stage::asking || partition.assignment != answer.assignment) continue;
    const char* topic = config_.topics[id.topic].c_str();
    const rd_kafka_topic_partition_t* known =
        rd_kafka_topic_partition_list_find(answer.offsets.get(), topic, id.partition);
    rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(added.get(), topic, id.partition);
    const auto first = answer.first.find({topic, id.partition});
    if (first == answer.first.end()) {
      element->offset = known->offset;
      rd_kafka_topic_partition_set_leader_epoch(element, rd_kafka_topic_partition_get_leader_epoch(known));
      std::string_view metadata = metadata_of(*known);
      partition.group_start = take_group_start(metadata);
      events.on_position({id, known->offset, std::string(metadata)}, stream::position_origin::committed);
    } else {
      if (first->second.refused) {
        fail(events,
             error(errc::offset_out_of_range,
                   describe(id) + ": group '" + config_.group +
                       "' has no committed offset and 'start_from' is fail; set the group's offsets, or "
                       "choose earliest or latest"));
        return;
      }
      element->offset = first->second.offset;
      const auto start = answer.group_start.find(topic);
      if (start != answer.group_start.end()) partition.group_start = start->second;
      events.on_position({id, element->offset}, first->second.origin);
    }
    partition.next_offset = element->offset;
    partition.at = stage::reading;
    partition.in_assignment = true;
    if (partition.paused) add_to(paused.get(), id);
    const queue_handle own(rd_kafka_queue_get_partition(client_.get(), topic, id.partition));
    rd_kafka_queue_forward(own.get(), fetch_queue_.get());
  }
  if (added->cnt == 0) return;
  assign_in_client(std::move(added));
  if (paused->cnt > 0) rd_kafka_pause_partitions(client_.get(), paused.get());
}

}  // namespace millrace::kafka
