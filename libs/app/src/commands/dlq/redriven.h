// The redriven dead letters of one partition, as stored by a commit of the redrive's group. The offset is the
// lowest one not redriven; those redriven beyond it are in the commit's metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/stream/finished_map.h>
#include <millrace/stream/offset_tracker.h>
#include <millrace/stream/source.h>

namespace millrace::app::dlq_commands {

class redriven {
 public:
  // Letters that stay, from the lowest on, and those between them.
  static constexpr std::uint64_t window_max = 10'000'000;

  // `topic`: the name of the dead-letter topic. It identifies the topic sufficiently, with every broker:
  // Kafka deletes the offsets of a topic that it deletes.
  redriven(std::string topic, const stream::partition_offset& start)
      : topic_(std::move(topic)), partition_(start.partition) {
    if (auto ranges = stream::decode_finished(start.metadata, topic_, start.offset)) {
      before_ = stream::finished_before(std::move(*ranges));
    }
  }

  // nullopt: an earlier run has redriven it.
  [[nodiscard]] std::optional<stream::offset_tracker::ticket> delivered(std::int64_t offset) {
    const auto ticket = tracker_.delivered(offset);
    last_delivered_ = offset;
    if (!before_.contains(offset)) return ticket;
    tracker_.finished(ticket);
    return std::nullopt;
  }
  void sent(stream::offset_tracker::ticket which) {
    tracker_.finished(which);
    changed_ = true;
  }

  // What to commit, when anything is new. When the metadata cannot hold all of it, it is the last: then
  // full().
  [[nodiscard]] std::optional<stream::partition_offset> news() {
    if (!changed_ || full_) return std::nullopt;
    const std::int64_t position = *tracker_.position();
    std::vector<stream::offset_range> ranges = tracker_.finished_beyond();
    before_.append_beyond(*last_delivered_, ranges);
    stream::partition_offset at{partition_, position, stream::encode_finished(topic_, position, ranges)};
    changed_ = false;
    full_ = !ranges.empty() && stream::decode_finished(at.metadata, topic_, position) != ranges;
    return at;
  }
  // A commit failed.
  void commit_again() noexcept { changed_ = true; }
  // The remaining dead letters are too many and too scattered to store which ones between them were redriven.
  [[nodiscard]] bool full() const noexcept { return full_ || tracker_.window() >= window_max; }

 private:
  const std::string topic_;
  const stream::partition_id partition_;
  stream::offset_tracker tracker_;
  stream::finished_before before_;
  std::optional<std::int64_t> last_delivered_;
  bool changed_ = false;
  bool full_ = false;
};

}  // namespace millrace::app::dlq_commands
