#include "commit.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <millrace/base/assert.h>

#include "errors.h"
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

// The epoch of the last record before the offset; -1: not known.
std::int32_t epoch_before(owned_partition& partition, std::int64_t offset) {
  auto& epochs = partition.epochs;
  // Kept: the last one that starts before the offset, and all later ones.
  const auto after = std::find_if(epochs.begin(), epochs.end(),
                                  [&](const owned_partition::epoch_start& e) { return e.offset >= offset; });
  if (after == epochs.begin()) return -1;
  epochs.erase(epochs.begin(), std::prev(after));
  return epochs.front().epoch;
}

// Answers of a coordinator to a member that it no longer counts as one, or that has missed an epoch.
bool is_fence(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
         code == RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH || code == RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH;
}

}  // namespace

void commit_queue::commit(std::span<const stream::partition_offset> offsets) {
  wait_to_commit(offsets);
  if (in_flight_ == nullptr) send();
}

// librdkafka sends a commit whether or not an earlier one was answered. What it does not do before all of
// them are answered is to take part in a rebalance or to leave the group: `socket.timeout.ms` bounds that.
void commit_queue::commit_again(std::span<const stream::partition_offset> offsets) {
  wait_to_commit(offsets);
  if (sent_.size() < unanswered_commits_max) in_flight_ = nullptr;
  if (in_flight_ == nullptr) send();
}

void commit_queue::wait_to_commit(std::span<const stream::partition_offset> offsets) {
  for (const stream::partition_offset& at : offsets) {
    const owned_partition* partition = partitions_.find(at.partition);
    // Not ours (any more): the commit of another member must not be overwritten.
    if (partition == nullptr || partition->at == owned_partition::stage::absent) continue;
    const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), [&](const commit_entry& entry) {
      return entry.at.partition == at.partition;
    });
    if (waiting == waiting_.end()) {
      waiting_.push_back({at, partition->assignment});
    } else {
      *waiting = {at, partition->assignment};
    }
  }
}

partition_list commit_queue::offsets_to_send() {
  partition_list list = make_partition_list(waiting_.size());
  for (const commit_entry& entry : waiting_) {
    const stream::partition_id id = entry.at.partition;
    rd_kafka_topic_partition_t* element = partitions_.add_to(list.get(), id);
    element->offset = entry.at.offset;
    attach(with_group_start(partitions_.at(id).group_start, entry.at.metadata), *element);
    const std::int32_t epoch = epoch_before(partitions_.at(id), entry.at.offset);
    if (epoch >= 0) rd_kafka_topic_partition_set_leader_epoch(element, epoch);
  }
  return list;
}

void commit_queue::send() {
  std::erase_if(waiting_, [&](const commit_entry& entry) {
    const owned_partition* partition = partitions_.find(entry.at.partition);
    return partition == nullptr || partition->at == owned_partition::stage::absent ||
           partition->assignment != entry.assignment;
  });
  if (waiting_.empty()) return;
  const partition_list list = offsets_to_send();
  commit_request& request = sent_.emplace_back();
  request.number = ++requests_;
  request.entries = std::exchange(waiting_, {});
  const rd_kafka_resp_err_t refused = rd_kafka_commit_queue(client_, list.get(), answers_, nullptr, &request);
  if (refused == RD_KAFKA_RESP_ERR_NO_ERROR) {
    in_flight_ = &request;
    return;
  }
  for (const commit_entry& entry : request.entries) {
    if (!entry.unasked) results_.push_back({entry.at.partition, entry.at.offset, commit_error(refused)});
  }
  sent_.pop_back();
  worker_.wake();
}

// An event names its request: the late answer to one that was given up is never taken for that to a newer
// one.
void commit_queue::on_event(rd_kafka_event_t* event, stream::source_events& events) {
  const void* const name = rd_kafka_event_opaque(event);
  const auto request =
      std::find_if(sent_.begin(), sent_.end(), [name](const commit_request& sent) { return &sent == name; });
  invariant(request != sent_.end(), "a commit is answered once");
  const bool given_up = in_flight_ != name;
  if (!given_up) in_flight_ = nullptr;
  const commit_request answered = std::move(*request);
  sent_.erase(request);

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
    owned_partition* partition = partitions_.find(id);
    if (partition == nullptr || partition->assignment != entry.assignment) continue;
    rd_kafka_resp_err_t failure = whole;
    if (detailed) {
      const rd_kafka_topic_partition_t* element =
          rd_kafka_topic_partition_list_find(list, partitions_.topics()[id.topic].c_str(), id.partition);
      failure = element != nullptr ? element->err : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (given_up) {
      if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) on_late_answer(entry, answered.number, *partition);
    } else {
      on_answer(entry, answered.number, *partition, failure);
    }
  }
  report(events);
  if (in_flight_ == nullptr) send();
}

void commit_queue::on_answer(const commit_entry& entry, std::uint64_t request, owned_partition& partition,
                             rd_kafka_resp_err_t failure) {
  note_answer(failure);
  if (failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    partition.committed = entry.at;
    partition.committed_by = request;
  }
  if (entry.unasked || entry.answered) return;
  stream::commit_result answer{entry.at.partition, entry.at.offset, verdict_on(partition, failure)};
  if (answer.failure) answer.failure = answer.failure->in(partitions_.describe(entry.at.partition));
  results_.push_back(std::move(answer));
}

// The broker took a commit that had been given up. Where it says what the newest one says, it answers that
// one. Where a newer one was answered before, the broker may have taken this one later (librdkafka sends both
// again, in any order, when the connection breaks): the newer one is sent once more, so that the committed
// offset does not stay behind what was reported.
void commit_queue::on_late_answer(const commit_entry& late, std::uint64_t request,
                                  owned_partition& partition) {
  const auto concerns = [&late](const commit_entry& entry) {
    return entry.at.partition == late.at.partition && entry.assignment == late.assignment;
  };
  if (in_flight_ != nullptr) {
    std::vector<commit_entry>& sent = in_flight_->entries;
    const auto newest = std::find_if(sent.begin(), sent.end(), concerns);
    if (newest != sent.end()) {
      const bool same = newest->at.offset == late.at.offset && newest->at.metadata == late.at.metadata;
      if (same && !newest->answered && !newest->unasked) {
        newest->answered = true;
        results_.push_back({late.at.partition, late.at.offset, std::nullopt});
      }
      return;
    }
  }
  if (partition.committed_by <= request) return;
  if (std::any_of(waiting_.begin(), waiting_.end(), concerns)) return;
  waiting_.push_back({partition.committed, late.assignment, true});
}

void commit_queue::note_answer(rd_kafka_resp_err_t answer) {
  if (answer == RD_KAFKA_RESP_ERR_NO_ERROR) fenced_since_.reset();
  if (is_fence(answer) && !fenced_since_) fenced_since_ = worker_.now();
  topic_denied_ = topic_denied_ || is_of_topic(answer);
}

std::optional<error> commit_queue::verdict_on(owned_partition& partition, rd_kafka_resp_err_t answer) const {
  if (answer != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    partition.unknown_since.reset();
    return answer == RD_KAFKA_RESP_ERR_NO_ERROR ? std::nullopt : std::optional(commit_error(answer));
  }
  const error unknown = commit_error(answer);
  if (!partition.unknown_since) partition.unknown_since = worker_.now();
  const nanoseconds denied_for = worker_.now() - *partition.unknown_since;
  if (rules_.waits_for_topics || denied_for < rules_.unknown_topic_grace) {
    return error(errc::broker_unavailable, unknown.message() + "; the commit is retried");
  }
  return error(errc::topic_not_found, unknown.message() +
                                          "; the brokers have reported this for longer than " +
                                          std::to_string(rules_.unknown_topic_grace.count()) +
                                          " ms: the topic was deleted or has fewer partitions");
}

void commit_queue::report(stream::source_events& events) {
  if (results_.empty()) return;
  const std::vector<stream::commit_result> results = std::exchange(results_, {});
  for (const stream::commit_result& answer : results) failed_ += answer.failure ? 1 : 0;
  events.on_committed(results);
}

}  // namespace millrace::kafka
