// What is fetched, and whether it can be trusted.
//
// librdkafka 2.12.1 reads on after a batch with a bad checksum, from a place inside it, and takes what it
// finds there for offsets; the next fetch then requests an invalid offset, and its reset policy would jump.
// Offsets, lengths and the format's number stand outside of the checksum. So nothing is skipped on
// librdkafka's word:
//   - auto.offset.reset is always `error`. An offset that the broker refuses is compared with the one that is
//   expected
//     and with the offsets that the log has, and only then `on_offset_out_of_range` decides.
//   - after a damaged batch, fetching begins at the expected offset again; after some attempts the source
//   fails.
//   - a jump forwards is read a second time. Compaction and transactions leave holes: when a partition has
//   shown a few
//     that were confirmed, the next ones are taken as they are, up to the end of the log.
#include <algorithm>
#include <charconv>
#include <utility>

#include "errors.h"
#include "group_member.h"

namespace millrace::kafka {
namespace {

using stage = owned_partition::stage;

constexpr std::size_t batch_records_max = 256;
constexpr std::uint32_t rereads_max = 10;  // in a row; the last one begins after about 40 s
constexpr milliseconds reread_backoff_first{100};
constexpr std::uint32_t jumps_confirmed_max = 3;
constexpr int seek_wait_ms = 200;  // for librdkafka's own thread
constexpr milliseconds seek_retry{20};
constexpr milliseconds restart_wait{5'000};  // then the partition is assigned once more

std::optional<bytes_view> part(const void* data, std::size_t length) noexcept {
  if (data == nullptr) return std::nullopt;
  return bytes_view(static_cast<const std::byte*>(data), length);
}

bool is_damage(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED ||
         code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
}

// Where the log of the leader's epoch ends. librdkafka says it only in the text of a detected truncation.
std::optional<std::int64_t> end_of_truncated(std::string_view text) noexcept {
  constexpr std::string_view before = "broker end offset is ";
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t end = 0;
  const std::string_view digits = text.substr(at + before.size());
  const auto [rest, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), end);
  return failure == std::errc{} && end >= 0 ? std::optional(end) : std::nullopt;
}

}  // namespace

std::size_t consumer::group_member::take_records(stream::source_events& events, std::size_t records_max) {
  std::size_t taken = 0;
  batch_.resize(batch_records_max);
  while (taken < records_max && takes_records()) {
    const std::size_t wanted = std::min(records_max - taken, batch_records_max);
    const ssize_t got = rd_kafka_consume_batch_queue(fetch_queue_.get(), 0, batch_.data(), wanted);
    if (got <= 0) break;
    ++batch_number_;
    ends_->hold(true);
    for (ssize_t i = 0; i < got; ++i) {
      rd_kafka_message_t* message = batch_[static_cast<std::size_t>(i)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (!failed_) on_message_error(*message, events);
      } else if (!failed_ && take_message(*message, events)) {
        ++taken;
      }
      rd_kafka_message_destroy(message);
    }
    ends_->hold(!takes_records());
  }
  return taken;
}

// Null: nothing of it is taken now, because the partition is not ours, is being given up, or is being read
// again.
owned_partition* consumer::group_member::reading_of(const rd_kafka_message_t& message,
                                                    stream::partition_id& id) {
  if (message.rkt == nullptr) return nullptr;
  if (message.rkt != last_topic_) {
    const auto topic = partitions_.index_of(rd_kafka_topic_name(message.rkt));
    if (!topic) return nullptr;
    last_topic_ = message.rkt;
    last_topic_index_ = *topic;
  }
  id = {last_topic_index_, message.partition};
  owned_partition* partition = partitions_.find(id);
  if (partition == nullptr || partition->at != stage::reading) return nullptr;
  if (partition->distrusted_batch == batch_number_ || partition->reread_at || partition->range_asked)
    return nullptr;
  return partition;
}

bool consumer::group_member::take_message(const rd_kafka_message_t& message, stream::source_events& events) {
  stream::partition_id from;
  owned_partition* partition = reading_of(message, from);
  if (partition == nullptr) return false;
  if (message.offset > partition->next_offset && !trusts(*partition, from, message, events)) return false;
  if (partition->jump_to) note_false_jump(*partition, from, events);
  partition->next_offset = message.offset + 1;
  partition->rereads = 0;
  note_epoch(*partition, message);
  hand_over(message, from, events);
  return true;
}

// The record that a jump would have skipped exists.
void consumer::group_member::note_false_jump(owned_partition& partition, stream::partition_id id,
                                             stream::source_events& events) {
  ++counters_.damaged_batches;
  events.on_source_error(
      error(errc::malformed, partitions_.describe(id) + ": a fetched batch claimed to begin at offset " +
                                 std::to_string(*partition.jump_to) +
                                 " and was damaged; it was read again from offset " +
                                 std::to_string(partition.next_offset)),
      false);
  partition.jump_to.reset();
}

bool consumer::group_member::trusts(owned_partition& partition, stream::partition_id id,
                                    const rd_kafka_message_t& message, stream::source_events& events) {
  if (partition.jump_to == message.offset) {
    partition.jump_to.reset();
    ++partition.jumps_confirmed;
    return true;
  }
  const auto marks = ends_->watermarks_of(id);
  const bool beyond_the_log = marks && message.offset >= marks->high;
  if (partition.jumps_confirmed >= jumps_confirmed_max && !beyond_the_log) return true;
  partition.jump_to = message.offset;
  reread(partition, id,
         error(errc::malformed, "offset " + std::to_string(message.offset) + " was fetched where " +
                                    std::to_string(partition.next_offset) + " was expected"),
         events);
  return false;
}

void consumer::group_member::hand_over(const rd_kafka_message_t& message, stream::partition_id from,
                                       stream::source_events& events) {
  headers_.clear();
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      headers_.push_back({name, part(value, size)});
    }
  }
  rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t created = rd_kafka_message_timestamp(&message, &kind);
  const stream::record_view record{
      from,
      message.offset,
      timestamp(milliseconds(kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || created < 0 ? 0 : created)),
      part(message.key, message.key_len),
      part(message.payload, message.len),
      headers_};
  ++counters_.records;
  counters_.bytes += message.key_len + message.len;
  events.on_record(record);
}

void consumer::group_member::note_epoch(owned_partition& partition, const rd_kafka_message_t& message) {
  const std::int32_t epoch = rd_kafka_message_leader_epoch(&message);
  if (epoch < 0) return;
  if (!partition.epochs.empty() && partition.epochs.back().epoch == epoch) return;
  // Within a log the epochs of leaders ascend.
  if (!partition.epochs.empty() && partition.epochs.back().epoch > epoch) topics_suspect_ = true;
  partition.epochs.push_back({message.offset, epoch});
}

void consumer::group_member::on_message_error(const rd_kafka_message_t& message,
                                              stream::source_events& events) {
  const char* said = rd_kafka_message_errstr(&message);
  const std::string text = said != nullptr ? said : "";
  stream::partition_id id;
  owned_partition* partition = reading_of(message, id);
  if (partition != nullptr) partition->misread_at = partition->next_offset;
  topics_suspect_ = topics_suspect_ || is_of_topic(message.err);
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    if (partition != nullptr) on_offset_refused(*partition, id, message.offset, text, events);
    return;
  }
  if (is_damage(message.err)) {
    if (partition != nullptr) {
      ++counters_.damaged_batches;
      reread(*partition, id, error(errc::malformed, "a fetched batch is damaged (" + text + ")"), events);
    }
    return;
  }
  std::string where = "source '" + config_.group + "'";
  if (message.rkt != nullptr) {
    where = "topic '" + std::string(rd_kafka_topic_name(message.rkt)) + "' partition " +
            std::to_string(message.partition);
  }
  const error failure = client_error(message.err, text).in(where);
  on_client_error(message.err, failure, events);
}

// The broker refused an offset: the expected one, an invalid one that followed damage, or (negative) one of a
// log that an unclean leader election cut off. The client has stopped fetching the partition.
void consumer::group_member::on_offset_refused(owned_partition& partition, stream::partition_id id,
                                               std::int64_t refused, const std::string& text,
                                               stream::source_events& events) {
  if (const auto end = end_of_truncated(text)) return leave_range(partition, id, text, *end, events);
  if (refused != partition.next_offset) {
    return reread(partition, id,
                  error(errc::malformed, "the client requested offset " + std::to_string(refused)), events);
  }
  partition.range_asked = true;
  partition_list asked = make_partition_list(1);
  partitions_.add_to(asked.get(), id);
  lookup_->ask_range(partition.assignment, std::move(asked));
}

void consumer::group_member::on_log_range(const lookup_answer& answer, stream::source_events& events) {
  note_topics(answer.topics, events);
  for (const stream::partition_id id : partitions_.ids_of(*answer.offsets)) {
    owned_partition& partition = partitions_.at(id);
    if (partition.at != stage::reading || partition.assignment != answer.assignment || !partition.range_asked)
      continue;
    partition.range_asked = false;
    const log_range range = *answer.range;
    const std::string reaches =
        "the log reaches from offset " + std::to_string(range.low) + " to " + std::to_string(range.high);
    if (partition.next_offset >= range.low && partition.next_offset <= range.high) {
      reread(partition, id,
             error(errc::offset_out_of_range, "the broker refused an offset that exists (" + reaches + ")"),
             events);
    } else {
      const bool earliest = config_.on_offset_out_of_range == out_of_range::earliest;
      leave_range(partition, id, reaches, earliest ? range.low : range.high, events);
    }
  }
}

// The next expected offset is not in the log: the policy decides; reading resumes at `resume_at`.
void consumer::group_member::leave_range(owned_partition& partition, stream::partition_id id,
                                         const std::string& why, std::int64_t resume_at,
                                         stream::source_events& events) {
  const std::int64_t expected = partition.next_offset;
  std::string text =
      partitions_.describe(id) + ": offset " + std::to_string(expected) + " cannot be read (" + why + ")";
  if (config_.on_offset_out_of_range == out_of_range::fail) {
    text +=
        "; nothing was skipped. If the log begins later, retention deleted records before they were read: "
        "compare "
        "it with the lag, and set the group's offset to the first offset of the log to continue without "
        "them. If it "
        "ends "
        "earlier, an unclean leader election truncated it or the topic was recreated: compare its records "
        "with "
        "the processed ones before the group's offset is set";
    return fail(events, error(errc::offset_out_of_range, text));
  }
  if (resume_at < expected) {
    text +=
        "; reading goes back to offset " + std::to_string(resume_at) + " (`kafka.on_offset_out_of_range`)";
    events.on_source_error(error(errc::offset_out_of_range, text), false);
    return go_back(id, resume_at, events);
  }
  if (resume_at > expected) {
    const auto missing = static_cast<std::uint64_t>(resume_at - expected);
    counters_.offset_gap_records += missing;
    events.on_gap(id, missing);
    text += "; the offsets from " + std::to_string(expected) + " to " + std::to_string(resume_at - 1) +
            " are skipped (`kafka.on_offset_out_of_range`); check the topic's retention against the lag";
  }
  events.on_source_error(error(errc::offset_out_of_range, text), false);
  partition.next_offset = resume_at;
  partition.distrusted_batch = batch_number_;
  fetch_from(id, partition);
}

// Within an assignment offsets ascend: another one begins.
void consumer::group_member::go_back(stream::partition_id id, std::int64_t resume_at,
                                     stream::source_events& events) {
  renew({&id, 1}, events);
  begin_reading({id, resume_at}, stream::position_origin::beginning, events);
  partitions_.at(id).distrusted_batch = batch_number_;
  fetch_from(id, partitions_.at(id));
}

void consumer::group_member::reread(owned_partition& partition, stream::partition_id id, const error& cause,
                                    stream::source_events& events) {
  partition.distrusted_batch = batch_number_;
  ++counters_.rereads;
  const bool jump = partition.jump_to.has_value();
  const std::string from = std::to_string(partition.next_offset);
  if (++partition.rereads > rereads_max) {
    return fail(events,
                error(cause.code(), partitions_.describe(id) + ": " + cause.message() + ", " +
                                        std::to_string(rereads_max) + " times in a row at offset " + from +
                                        ". Nothing was skipped. Check the broker's log and disk"));
  }
  // A hole of compaction or a transaction looks the same, so one is not worth a report.
  if (!jump || partition.rereads > 2) {
    events.on_source_error(error(cause.code(), partitions_.describe(id) + ": " + cause.message() +
                                                   "; it is read again from offset " + from),
                           false);
  }
  if (partition.rereads <= 2) return fetch_from(id, partition);
  const nanoseconds backoff = std::min<nanoseconds>(reread_backoff_first * (1U << (partition.rereads - 3)),
                                                    config_.reread_backoff_max);
  reread_in(backoff, id, partition);
}

void consumer::group_member::reread_in(nanoseconds delay, stream::partition_id id,
                                       owned_partition& partition) {
  partition.reread_at = worker_.now() + delay;
  rereading_.push_back(id);
  if (!reread_alarm_.armed()) worker_.start(reread_alarm_, delay);
}

void consumer::group_member::serve_rereads() {
  for (const stream::partition_id id : std::exchange(rereading_, {})) {
    owned_partition* partition = partitions_.find(id);
    if (partition == nullptr || partition->at != stage::reading || !partition->reread_at) continue;
    const nanoseconds more = *partition->reread_at - worker_.now();
    if (more > nanoseconds(0)) {
      reread_in(more, id, *partition);
      continue;
    }
    partition->reread_at.reset();
    fetch_from(id, *partition);
  }
}

// Everything fetched before is dropped by the client. After an offset was refused it has stopped fetching and
// cannot seek: assigned again, the partition restarts, and then it can. During a revocation an assignment
// would be taken for the answer to it.
void consumer::group_member::fetch_from(stream::partition_id id, owned_partition& partition) {
  const char* topic = config_.topics[id.topic].c_str();
  const partition_list list = make_partition_list(1);
  rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(list.get(), topic, id.partition);
  element->offset = partition.next_offset;
  const error_handle failure(rd_kafka_seek_partitions(client_.get(), list.get(), seek_wait_ms));
  if (!failure && element->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    partition.restarted_at.reset();
    partition.misread_at = -1;
    // A partition that was stopped has left the queue.
    const queue_handle own(rd_kafka_queue_get_partition(client_.get(), topic, id.partition));
    rd_kafka_queue_forward(own.get(), fetch_queue_.get());
    return;
  }
  const bool stopped = element->err == RD_KAFKA_RESP_ERR__STATE;
  const bool restarting = partition.restarted_at && worker_.now() - *partition.restarted_at < restart_wait;
  if (stopped && !restarting && !revoke_pending_) {
    partition.restarted_at = worker_.now();
    restart_fetching(id);
  }
  reread_in(seek_retry, id, partition);
}

void consumer::group_member::restart_fetching(stream::partition_id id) {
  partition_list again = make_partition_list(1);
  const partition_list paused = make_partition_list(0);
  const auto add = [&](stream::partition_id which) {
    rd_kafka_topic_partition_list_add(again.get(), config_.topics[which.topic].c_str(), which.partition)
        ->offset = partitions_.at(which).next_offset;
    if (partitions_.at(which).paused) partitions_.add_to(paused.get(), which);
  };
  if (eager()) {
    // The eager protocol knows whole assignments only.
    for (const stream::partition_id each : partitions_.owned()) {
      if (partitions_.at(each).at == stage::reading) add(each);
    }
  } else {
    add(id);
    partition_list removed = make_partition_list(1);
    partitions_.add_to(removed.get(), id);
    unassign_in_client(std::move(removed));
  }
  assign_in_client(std::move(again));
  if (paused->cnt > 0) rd_kafka_pause_partitions(client_.get(), paused.get());
}

}  // namespace millrace::kafka
