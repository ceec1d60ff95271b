// The port through which records enter a worker, implemented by libs/kafka and by the simulation. One source
// per worker; everything here happens on the worker's thread.
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

struct partition_offset {
  partition_id partition;
  std::int64_t offset = 0;
  // Kept by the broker with the offset and handed to the next owner (finished_map.h); at most
  // commit_metadata_bytes_max.
  std::string metadata = {};
};

struct commit_result {
  partition_id partition;
  std::int64_t offset = 0;
  std::optional<error> failure;  // empty: the broker has it
};

// Where reading of a partition begins: at the group's committed offset, or, where the group has none, at the
// beginning or the end of the log as it was when the offset was resolved.
enum class position_origin : std::uint8_t { committed, beginning, end };

// What a source tells. Called from within source::poll() and source::close() only.
class source_events {
 public:
  virtual void on_record(const record_view& record) = 0;
  // New partitions, incremental: those assigned before stay. Records follow after this returns.
  virtual void on_assigned(std::span<const partition_id> partitions) = 0;
  // Where the partition is read from: once per assignment, after on_assigned and before its first record. An
  // offset with the origin `end` is to be committed at once: without it, the records that arrive until the
  // first one is finished would be skipped by the next owner. From here on topic_id() is that of its records.
  virtual void on_position(const partition_offset& start, position_origin origin) {
    static_cast<void>(start);
    static_cast<void>(origin);
  }
  // Records between the committed offset and the first one that the log still has are gone: `records`
  // offsets, which a policy allows to skip.
  virtual void on_gap(partition_id partition, std::uint64_t records) {
    static_cast<void>(partition);
    static_cast<void>(records);
  }
  // The partitions are to be given up: stop taking, drain within a deadline, commit, then source::release().
  // Until then they are still ours and commits for them are valid.
  virtual void on_revoked(std::span<const partition_id> partitions) = 0;
  // The partitions are gone already: no commit, drop everything; nothing to release.
  virtual void on_lost(std::span<const partition_id> partitions) = 0;
  virtual void on_committed(std::span<const commit_result> results) = 0;
  // `fatal`: the source cannot go on (fenced, unauthorised, out of range with policy fail); the line stops.
  virtual void on_source_error(const error& failure, bool fatal) = 0;

 protected:
  ~source_events() = default;
};

class source {
 public:
  source() = default;
  source(const source&) = delete;
  source& operator=(const source&) = delete;
  virtual ~source() = default;

  // Serves events and hands over at most `records_max` records; returns how many. Never blocks. With 0 the
  // group's protocol is still served: records that the client delivers meanwhile are parked, boundedly.
  virtual std::size_t poll(source_events& events, std::size_t records_max) = 0;
  // Asynchronous; each partition's result arrives by on_committed. One commit is in flight at a time; a newer
  // call replaces, partition by partition, what is still waiting. What concerns an assignment that has ended
  // meanwhile is neither sent nor answered.
  virtual void commit(std::span<const partition_offset> offsets) = 0;
  // As commit(), without waiting for the commit that is in flight: it is given up. Its answer, if one comes,
  // is told only where it is also true of what is committed now: the same offset with the same metadata.
  virtual void commit_again(std::span<const partition_offset> offsets) = 0;
  // Gives up revoked partitions; call after their last commit was answered.
  virtual void release(std::span<const partition_id> partitions) = 0;
  // Stops or restarts fetching of a partition (long stalls only: pausing discards what was prefetched).
  virtual void pause(partition_id partition) = 0;
  virtual void resume(partition_id partition) = 0;
  // Leaves the group, asynchronously: on_revoked (if anything is assigned) → release → closed() turns true.
  virtual void close() = 0;
  [[nodiscard]] virtual bool closed() const noexcept = 0;

  [[nodiscard]] virtual std::string_view topic_name(std::uint32_t topic) const noexcept = 0;
  // Changes when the topic is deleted and created again; empty: not known.
  [[nodiscard]] virtual std::string_view topic_id(std::uint32_t topic) const noexcept {
    static_cast<void>(topic);
    return {};
  }
  // One past the last record of the partition that may be read, as last heard; nullopt when not known yet.
  [[nodiscard]] virtual std::optional<std::int64_t> high_watermark(partition_id partition) const noexcept = 0;
};

}  // namespace millrace::stream
