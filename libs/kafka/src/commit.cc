// One commit at a time: what is asked meanwhile waits, the newest offset per partition.
#include <algorithm>
#include <cstring>
#include <utility>

#include "errors.h"
#include "group_member.h"
#include "group_start.h"

namespace millrace::kafka {
namespace {

// The list frees it.
void attach(const std::string& metadata, rd_kafka_topic_partition_t& to) {
  if (metadata.empty()) return;
  to.metadata = rd_kafka_mem_malloc(nullptr, metadata.size());
  to.metadata_size = metadata.size();
  std::memcpy(to.metadata, metadata.data(), metadata.size());
}

}  // namespace

void consumer::group_member::commit(std::span<const stream::partition_offset> offsets) {
  for (const stream::partition_offset& at : offsets) {
    const owned_partition* partition = find(at.partition);
    // Not ours (any more): somebody else's commit must not be overwritten.
    if (partition == nullptr || partition->at == owned_partition::stage::absent) continue;
    const auto waiting =
        std::find_if(commit_waiting_.begin(), commit_waiting_.end(),
                     [&](const commit_entry& entry) { return entry.at.partition == at.partition; });
    if (waiting == commit_waiting_.end()) {
      commit_waiting_.push_back({at, partition->assignment});
    } else {
      *waiting = {at, partition->assignment};
    }
  }
  if (!commit_busy_) send_commit();
}

std::int32_t consumer::group_member::epoch_before(owned_partition& partition, std::int64_t offset) {
  auto& epochs = partition.epochs;
  // Kept: the last one that starts before the offset, and all later ones.
  const auto after = std::find_if(epochs.begin(), epochs.end(),
                                  [&](const owned_partition::epoch_start& e) { return e.offset >= offset; });
  if (after == epochs.begin()) return -1;
  epochs.erase(epochs.begin(), std::prev(after));
  return epochs.front().epoch;
}

void consumer::group_member::send_commit() {
  std::erase_if(commit_waiting_, [&](const commit_entry& entry) {
    const owned_partition* partition = find(entry.at.partition);
    return partition == nullptr || partition->at == owned_partition::stage::absent ||
           partition->assignment != entry.assignment;
  });
  if (commit_waiting_.empty()) return;
  const partition_list list = make_partition_list(commit_waiting_.size());
  for (const commit_entry& entry : commit_waiting_) {
    const stream::partition_id id = entry.at.partition;
    rd_kafka_topic_partition_t* element =
        rd_kafka_topic_partition_list_add(list.get(), config_.topics[id.topic].c_str(), id.partition);
    element->offset = entry.at.offset;
    attach(with_group_start(owned(id).group_start, entry.at.metadata), *element);
    const std::int32_t epoch = epoch_before(owned(id), entry.at.offset);
    if (epoch >= 0) rd_kafka_topic_partition_set_leader_epoch(element, epoch);
  }
  commit_in_flight_ = std::exchange(commit_waiting_, {});
  const rd_kafka_resp_err_t refused =
      rd_kafka_commit_queue(client_.get(), list.get(), group_queue_.get(), nullptr, nullptr);
  if (refused == RD_KAFKA_RESP_ERR_NO_ERROR) {
    commit_busy_ = true;
    return;
  }
  for (const commit_entry& entry : commit_in_flight_) {
    commit_results_.push_back({entry.at.partition, entry.at.offset, commit_error(refused)});
  }
  commit_in_flight_.clear();
  worker_.wake();
}

void consumer::group_member::on_commit_event(rd_kafka_event_t* event, stream::source_events& events) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_event_topic_partition_list(event);
  // Where single partitions failed, the event's own error repeats one of theirs.
  const rd_kafka_resp_err_t whole = rd_kafka_event_error(event);
  const bool detailed =
      list != nullptr && std::any_of(list->elems, list->elems + list->cnt, [](const auto& element) {
        return element.err != RD_KAFKA_RESP_ERR_NO_ERROR;
      });
  for (const commit_entry& entry : std::exchange(commit_in_flight_, {})) {
    const stream::partition_id id = entry.at.partition;
    // Of an assignment that has ended: nobody may mistake it for an answer to the next one.
    owned_partition* partition = find(id);
    if (partition == nullptr || partition->assignment != entry.assignment) continue;
    rd_kafka_resp_err_t failure = whole;
    if (detailed) {
      const rd_kafka_topic_partition_t* element =
          rd_kafka_topic_partition_list_find(list, config_.topics[id.topic].c_str(), id.partition);
      failure = element != nullptr ? element->err : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    stream::commit_result answer{id, entry.at.offset, verdict_on_commit(*partition, failure)};
    if (answer.failure) answer.failure = answer.failure->in(describe(id));
    commit_results_.push_back(std::move(answer));
  }
  commit_busy_ = false;
  report_commits(events);
  if (!commit_busy_) send_commit();
}

std::optional<error> consumer::group_member::verdict_on_commit(owned_partition& partition,
                                                               rd_kafka_resp_err_t answer) const {
  if (answer != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    partition.unknown_since.reset();
    return answer == RD_KAFKA_RESP_ERR_NO_ERROR ? std::nullopt : std::optional(commit_error(answer));
  }
  const error unknown = commit_error(answer);
  if (!partition.unknown_since) partition.unknown_since = worker_.now();
  const nanoseconds denied_for = worker_.now() - *partition.unknown_since;
  if (config_.on_missing_topic == missing_topic::wait || denied_for < config_.unknown_topic_grace) {
    return error(errc::broker_unavailable, unknown.message() + "; it is tried again");
  }
  return error(errc::topic_not_found, unknown.message() + "; the brokers say so for longer than " +
                                          std::to_string(config_.unknown_topic_grace.count()) +
                                          " ms: the topic was deleted, or has fewer partitions");
}

void consumer::group_member::report_commits(stream::source_events& events) {
  if (commit_results_.empty()) return;
  const std::vector<stream::commit_result> results = std::exchange(commit_results_, {});
  for (const stream::commit_result& answer : results) counters_.commits_failed += answer.failure ? 1 : 0;
  events.on_committed(results);
}

}  // namespace millrace::kafka
