// One commit at a time: later ones wait, the newest offset per partition. A commit that is not
// answered is abandoned when the engine requests it, and the next one is sent over it.
#include <algorithm>
#include <cstring>
#include <utility>

#include <millrace/base/assert.h>

#include "errors.h"
#include "group_member.h"
#include "group_start.h"

namespace millrace::kafka {
namespace {

// Given up ones among them; librdkafka keeps each for `socket.timeout.ms` at most.
constexpr std::size_t unanswered_commits_max = 16;

// The list frees it.
void attach(const std::string& metadata, rd_kafka_topic_partition_t& to) {
  if (metadata.empty()) return;
  to.metadata = rd_kafka_mem_malloc(nullptr, metadata.size());
  to.metadata_size = metadata.size();
  std::memcpy(to.metadata, metadata.data(), metadata.size());
}

}  // namespace

void consumer::group_member::commit(std::span<const stream::partition_offset> offsets) {
  wait_to_commit(offsets);
  if (commit_in_flight_ == nullptr) send_commit();
}

// librdkafka sends a commit whether or not an earlier one was answered. What it does not do before all of
// them are answered is to take part in a rebalance or to leave the group: `socket.timeout.ms` bounds that.
void consumer::group_member::commit_again(std::span<const stream::partition_offset> offsets) {
  wait_to_commit(offsets);
  if (commits_.size() < unanswered_commits_max) commit_in_flight_ = nullptr;
  if (commit_in_flight_ == nullptr) send_commit();
}

void consumer::group_member::wait_to_commit(std::span<const stream::partition_offset> offsets) {
  for (const stream::partition_offset& at : offsets) {
    const owned_partition* partition = find(at.partition);
    // Not ours (any more): the commit of another member must not be overwritten.
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
  commit_request& request = commits_.emplace_back();
  request.number = ++commit_requests_;
  request.entries = std::exchange(commit_waiting_, {});
  const rd_kafka_resp_err_t refused =
      rd_kafka_commit_queue(client_.get(), list.get(), group_queue_.get(), nullptr, &request);
  if (refused == RD_KAFKA_RESP_ERR_NO_ERROR) {
    commit_in_flight_ = &request;
    return;
  }
  for (const commit_entry& entry : request.entries) {
    if (!entry.unasked)
      commit_results_.push_back({entry.at.partition, entry.at.offset, commit_error(refused)});
  }
  commits_.pop_back();
  worker_.wake();
}

// An event names its request: the late answer to one that was given up is never taken for that to a newer
// one.
void consumer::group_member::on_commit_event(rd_kafka_event_t* event, stream::source_events& events) {
  const void* const name = rd_kafka_event_opaque(event);
  const auto request = std::find_if(commits_.begin(), commits_.end(),
                                    [name](const commit_request& sent) { return &sent == name; });
  invariant(request != commits_.end(), "a commit is answered once");
  const bool given_up = commit_in_flight_ != name;
  if (!given_up) commit_in_flight_ = nullptr;
  const commit_request answered = std::move(*request);
  commits_.erase(request);

  const rd_kafka_topic_partition_list_t* list = rd_kafka_event_topic_partition_list(event);
  // Where single partitions failed, the event's own error repeats one of theirs.
  const rd_kafka_resp_err_t whole = rd_kafka_event_error(event);
  const bool detailed =
      list != nullptr && std::any_of(list->elems, list->elems + list->cnt, [](const auto& element) {
        return element.err != RD_KAFKA_RESP_ERR_NO_ERROR;
      });
  for (const commit_entry& entry : answered.entries) {
    const stream::partition_id id = entry.at.partition;
    // Of an assignment that has ended: it must not count as an answer for the next one.
    owned_partition* partition = find(id);
    if (partition == nullptr || partition->assignment != entry.assignment) continue;
    rd_kafka_resp_err_t failure = whole;
    if (detailed) {
      const rd_kafka_topic_partition_t* element =
          rd_kafka_topic_partition_list_find(list, config_.topics[id.topic].c_str(), id.partition);
      failure = element != nullptr ? element->err : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (given_up) {
      if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) on_late_commit(entry, answered.number, *partition);
    } else {
      on_commit_answer(entry, answered.number, *partition, failure);
    }
  }
  report_commits(events);
  if (commit_in_flight_ == nullptr) send_commit();
}

void consumer::group_member::on_commit_answer(const commit_entry& entry, std::uint64_t request,
                                              owned_partition& partition, rd_kafka_resp_err_t failure) {
  if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    partition.committed = entry.at;
    partition.committed_by = request;
  }
  if (entry.unasked || entry.answered) return;
  stream::commit_result answer{entry.at.partition, entry.at.offset, verdict_on_commit(partition, failure)};
  if (answer.failure) answer.failure = answer.failure->in(describe(entry.at.partition));
  commit_results_.push_back(std::move(answer));
}

// The broker took a commit that had been given up. Where it says what the newest one says, it answers that
// one. Where a newer one was answered before, the broker may have taken this one later (librdkafka sends both
// again, in any order, when the connection breaks): the newer one is sent once more, so that the committed
// offset does not stay behind what was reported.
void consumer::group_member::on_late_commit(const commit_entry& late, std::uint64_t request,
                                            owned_partition& partition) {
  const auto concerns = [&late](const commit_entry& entry) {
    return entry.at.partition == late.at.partition && entry.assignment == late.assignment;
  };
  if (commit_in_flight_ != nullptr) {
    std::vector<commit_entry>& sent = commit_in_flight_->entries;
    const auto newest = std::find_if(sent.begin(), sent.end(), concerns);
    if (newest != sent.end()) {
      const bool same = newest->at.offset == late.at.offset && newest->at.metadata == late.at.metadata;
      if (same && !newest->answered && !newest->unasked) {
        newest->answered = true;
        commit_results_.push_back({late.at.partition, late.at.offset, std::nullopt});
      }
      return;
    }
  }
  if (partition.committed_by <= request) return;
  if (std::any_of(commit_waiting_.begin(), commit_waiting_.end(), concerns)) return;
  commit_waiting_.push_back({partition.committed, late.assignment, true});
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
    return error(errc::broker_unavailable, unknown.message() + "; the commit is retried");
  }
  return error(errc::topic_not_found, unknown.message() +
                                          "; the brokers have reported this for longer than " +
                                          std::to_string(config_.unknown_topic_grace.count()) +
                                          " ms: the topic was deleted or has fewer partitions");
}

void consumer::group_member::report_commits(stream::source_events& events) {
  if (commit_results_.empty()) return;
  const std::vector<stream::commit_result> results = std::exchange(commit_results_, {});
  for (const stream::commit_result& answer : results) counters_.commits_failed += answer.failure ? 1 : 0;
  events.on_committed(results);
}

}  // namespace millrace::kafka
