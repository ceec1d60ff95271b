// How far a partition was read, and where the end is of what may be read.
//
// Under read_committed the end is the last stable offset: an open transaction puts it before the high
// watermark. librdkafka knows it from each fetch and does not tell (its statistics do, seldom; its
// PARTITION_EOF events do, but rd_kafka_consume_batch_queue takes such an event for a record and skips one
// after the next rebalance). So where a partition stays below its high watermark and nothing of it was
// fetched, its leader is asked.
#include "ends.h"

#include <algorithm>
#include <utility>

namespace millrace::kafka {
namespace {

using stage = owned_partition::stage;

constexpr milliseconds check_interval{1'000};
constexpr milliseconds asked_again_after{5'000};
// Longer than it takes to ask again.
constexpr milliseconds valid_for{10'000};

}  // namespace

std::optional<log_range> log_ends::watermarks_of(stream::partition_id id) const noexcept {
  if (id.topic >= partitions_.topics().size()) return std::nullopt;
  log_range marks;
  if (rd_kafka_get_watermark_offsets(client_, partitions_.topics()[id.topic].c_str(), id.partition,
                                     &marks.low, &marks.high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      marks.high < 0) {
    return std::nullopt;
  }
  return marks;
}

// librdkafka's position also passes what it does not hand over: markers of transactions, and aborted records.
// It passes records that were fetched and dropped, and an error that rd_kafka_consume_batch_queue takes for a
// record, too: then the expected offset counts.
std::optional<std::int64_t> log_ends::read_position(stream::partition_id id) const {
  const owned_partition* partition = partitions_.find(id);
  if (partition == nullptr || partition->next_offset < 0) return std::nullopt;
  if (partition->at == stage::revoking) return partition->read_position;
  if (partition->at != stage::reading) return std::nullopt;
  const bool misread = partition->misread_at == partition->next_offset;
  if (held_ || misread || partition->reread_at || partition->range_asked || partition->jump_to)
    return partition->next_offset;
  const partition_list list = make_partition_list(1);
  const rd_kafka_topic_partition_t* element = partitions_.add_to(list.get(), id);
  if (rd_kafka_position(client_, list.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return partition->next_offset;
  return std::max(partition->next_offset, element->offset);
}

bool log_ends::waits_for_more(const owned_partition& partition) const {
  return partition.at == stage::reading && !partition.paused && !partition.reread_at &&
         !partition.range_asked && rd_kafka_queue_length(fetched_) == 0;
}

std::optional<std::int64_t> log_ends::readable_end(stream::partition_id id) const {
  const std::optional<log_range> marks = watermarks_of(id);
  if (!marks) return std::nullopt;
  const owned_partition* partition = partitions_.find(id);
  const bool known = partition != nullptr && partition->nothing_after >= partition->next_offset &&
                     partition->nothing_after < marks->high && waits_for_more(*partition) &&
                     worker_.now() - partition->nothing_after_at < valid_for;
  if (known && read_position(id) == partition->nothing_after) return partition->nothing_after;
  return marks->high;
}

void log_ends::check() {
  const nanoseconds wait = checked_at_ + check_interval - worker_.now();
  if (asked_ || wait > nanoseconds(0)) return;
  checked_at_ = worker_.now();
  partition_list asked = make_partition_list(0);
  bool stalled = false;
  for (const stream::partition_id id : partitions_.owned()) {
    owned_partition& partition = partitions_.at(id);
    const std::optional<log_range> marks = watermarks_of(id);
    if (!marks || partition.next_offset >= marks->high || !waits_for_more(partition)) continue;
    const std::int64_t position = read_position(id).value_or(marks->high);
    if (position >= marks->high) continue;
    stalled = true;
    const bool known =
        partition.nothing_after == position && worker_.now() - partition.nothing_after_at < asked_again_after;
    if (std::exchange(partition.stalled_at, position) == position && !known)
      partitions_.add_to(asked.get(), id);
  }
  if (stalled) worker_.start(alarm_, check_interval);
  if (asked->cnt == 0) return;
  asked_ = true;
  lookup_.ask_ends(std::move(asked));
}

void log_ends::on_answer(const lookup_answer& answer) {
  asked_ = false;
  if (answer.offsets == nullptr) return;
  for (int i = 0; i < answer.offsets->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = answer.offsets->elems[i];
    const auto topic = partitions_.index_of(each.topic);
    owned_partition* partition = topic ? partitions_.find({*topic, each.partition}) : nullptr;
    if (partition == nullptr || partition->stalled_at < each.offset) continue;
    partition->nothing_after = partition->stalled_at;
    partition->nothing_after_at = worker_.now();
  }
}

}  // namespace millrace::kafka
