// The port through which records enter a worker, implemented by libs/kafka and by the simulation. A worker
// has one source.
//
// Example, at namespace scope:
//
//   struct counting final : stream::source_events {
//     std::size_t records = 0;
//     void on_record(const stream::record_view&) override { ++records; }
//     void on_assigned(std::span<const stream::partition_id>) override {}
//     void on_revoked(std::span<const stream::partition_id>) override {}
//     void on_lost(std::span<const stream::partition_id>) override {}
//     void on_committed(std::span<const stream::commit_result>) override {}
//     void on_source_error(const error&, bool) override {}
//   };
//
//   std::size_t poll_once(stream::source& from, counting& events) { return from.poll(events, 100); }
//
// Threads: the worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <millrace/base/errors.h>
#include <millrace/stream/record.h>

namespace millrace::stream {

// An offset to commit, or to read from.
struct partition_offset {
  partition_id partition;
  std::int64_t offset = 0;
  // Kept by the broker with the offset and handed to the next owner (finished_map.h); at most
  // commit_metadata_bytes_max bytes.
  std::string metadata = {};
};

// The broker's answer to the commit of one partition.
struct commit_result {
  partition_id partition;
  std::int64_t offset = 0;
  std::optional<error> failure;  // nullopt: the broker has the commit
};

// The start of reading of a partition: the group's committed offset, or, when the group has none, the
// beginning or the end of the log at the time when the offset was resolved.
enum class position_origin : std::uint8_t { committed, beginning, end };

// The events of a source. Called from within source::poll() and source::close() only.
class source_events {
 public:
  // A record, in the order of offsets per partition. The view is valid during the call.
  virtual void on_record(const record_view& record) = 0;
  // New partitions, incremental: partitions that were assigned before stay. Their records follow after this
  // returns.
  virtual void on_assigned(std::span<const partition_id> partitions) = 0;
  // The offset at which reading starts: once per assignment, after on_assigned and before its first record.
  // An offset with the origin `end` is to be committed at once: without the commit, the next owner would skip
  // the records that arrive until the first one is finished. From here on topic_id() is the id of its
  // records' topic.
  virtual void on_position(const partition_offset& start, position_origin origin) {
    static_cast<void>(start);
    static_cast<void>(origin);
  }
  // The log no longer has the records between the committed offset and its first one: `records` offsets,
  // which a policy allows to skip.
  virtual void on_gap(partition_id partition, std::uint64_t records) {
    static_cast<void>(partition);
    static_cast<void>(records);
  }
  // Reading begins, or goes on, at the offset `to`, which is below the expected or committed offset `from`: the
  // log ends before `from`, or is another one since the topic was recreated, and a policy allows to go back.
  // Records below `from` are processed again, or for the first time. Called after the on_position of a new
  // assignment; that of an assignment that read the partition before has ended by on_lost.
  virtual void on_rewind(partition_id partition, std::int64_t from, std::int64_t to) {
    static_cast<void>(partition);
    static_cast<void>(from);
    static_cast<void>(to);
  }
  // The partitions are to be given up: stop taking, drain within a deadline, commit, then call
  // source::release(). Until then they are still assigned here and commits for them are valid.
  virtual void on_revoked(std::span<const partition_id> partitions) = 0;
  // The partitions are lost already: commit nothing, drop everything, release nothing.
  virtual void on_lost(std::span<const partition_id> partitions) = 0;
  // The answers to a commit.
  virtual void on_committed(std::span<const commit_result> results) = 0;
  // A failure. `fatal`: the source cannot continue (fenced, unauthorised, offset out of range with policy
  // fail); the engine stops.
  virtual void on_source_error(const error& failure, bool fatal) = 0;

 protected:
  ~source_events() = default;
};

// The port.
class source {
 public:
  source() = default;
  source(const source&) = delete;
  source& operator=(const source&) = delete;
  virtual ~source() = default;

  // Serves events and passes at most `records_max` records to `events`; returns the number of records. Never
  // blocks. With 0 the group's protocol is still served; the client buffers the records that it fetches
  // meanwhile, within its limit.
  virtual std::size_t poll(source_events& events, std::size_t records_max) = 0;
  // Commits asynchronously; each partition's result arrives by on_committed. One commit is in flight at a
  // time. A newer call replaces, partition by partition, the offsets that are still waiting. An offset of an
  // assignment that has ended meanwhile is neither sent nor answered.
  virtual void commit(std::span<const partition_offset> offsets) = 0;
  // Commits as commit() does, without waiting for the commit in flight, which is given up. Its answer, if one
  // arrives, is reported only when it also holds for the offset that is committed now: the same offset with
  // the same metadata.
  virtual void commit_again(std::span<const partition_offset> offsets) = 0;
  // Gives up revoked partitions. To be called after their last commit was answered.
  virtual void release(std::span<const partition_id> partitions) = 0;
  // Stops or restarts fetching of a partition. For long stalls only: pausing discards prefetched records.
  virtual void pause(partition_id partition) = 0;
  virtual void resume(partition_id partition) = 0;
  // Leaves the group asynchronously: on_revoked (if anything is assigned) → release → closed() turns true.
  virtual void close() = 0;
  [[nodiscard]] virtual bool closed() const noexcept = 0;

  // The name of a topic by its index.
  [[nodiscard]] virtual std::string_view topic_name(std::uint32_t topic) const noexcept = 0;
  // The identity of a topic, which changes when the topic is deleted and created again; empty when it is not
  // known.
  [[nodiscard]] virtual std::string_view topic_id(std::uint32_t topic) const noexcept {
    static_cast<void>(topic);
    return {};
  }
  // One past the last readable record of the partition, as last reported by the broker; nullopt when not
  // known yet. It may include records of an open transaction for some seconds, and while readable records wait
  // before them.
  [[nodiscard]] virtual std::optional<std::int64_t> high_watermark(partition_id partition) const noexcept = 0;
  // The offset after everything that was read: records that were handed over, and what is never handed over
  // (markers of transactions, aborted records). It is never beyond a record that is still to be handed over.
  // It equals high_watermark() when nothing is left to read. nullopt: reading has not begun, the partition is
  // not owned, or the source does not know. Never blocks.
  [[nodiscard]] virtual std::optional<std::int64_t> read_position(partition_id partition) const {
    static_cast<void>(partition);
    return std::nullopt;
  }
};

}  // namespace millrace::stream
