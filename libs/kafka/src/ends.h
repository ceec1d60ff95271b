// How far the partitions were read, and where their ends are.
#pragma once

#include <cstdint>
#include <optional>

#include <millrace/runtime/loop.h>
#include <millrace/stream/source.h>

#include "handles.h"
#include "offset_lookup.h"
#include "partition_table.h"
#include "wake_alarm.h"

namespace millrace::kafka {

class log_ends {
 public:
  // All of them must outlive it. `fetched`: the queue of records that were not handed over yet.
  log_ends(rd_kafka_t* client, rd_kafka_queue_t* fetched, runtime::loop& worker, partition_table& partitions,
           offset_lookup& lookup)
      : client_(client),
        fetched_(fetched),
        worker_(worker),
        partitions_(partitions),
        lookup_(lookup),
        checked_at_(worker.now()),
        alarm_(worker) {}

  // The oldest offset and the high watermark, as last reported.
  [[nodiscard]] std::optional<log_range> watermarks_of(stream::partition_id partition) const noexcept;
  // As stream::source::read_position() and high_watermark().
  [[nodiscard]] std::optional<std::int64_t> read_position(stream::partition_id partition) const;
  [[nodiscard]] std::optional<std::int64_t> readable_end(stream::partition_id partition) const;

  // Records were taken from the client that are not handed over, or not yet.
  void hold(bool held) noexcept { held_ = held; }
  // Asks for what is to be known; to be called in every turn.
  void check();
  void on_answer(const lookup_answer& answer);

 private:
  [[nodiscard]] bool waits_for_more(const owned_partition& partition) const;

  rd_kafka_t* client_;
  rd_kafka_queue_t* fetched_;
  runtime::loop& worker_;
  partition_table& partitions_;
  offset_lookup& lookup_;
  bool held_ = false;
  instant checked_at_;
  bool asked_ = false;
  wake_alarm alarm_;
};

}  // namespace millrace::kafka
