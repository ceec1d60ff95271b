// One partition, from the moment it was assigned until it was given up. What happens to a record after its
// assignment was sealed changes nothing: that is the fence against late acknowledgements. Never reused.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/engine/status.h>
#include <millrace/metrics/cells.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/stream/finished_map.h>
#include <millrace/stream/offset_tracker.h>
#include <millrace/stream/record.h>
#include <millrace/stream/write_clock.h>

#include "dead_letter_limit.h"
#include "finish_times.h"

namespace millrace::engine {

class envelope;
struct route;

// The metadata of a commit that says nothing but whose it is: the topic's id was not known.
inline constexpr std::string_view own_commit = "millrace";

// An envelope is in two lists at once.
struct unsettled_hook : runtime::list_hook {};
struct waiting_hook : runtime::list_hook {};

class assignment {
 public:
  // open: takes records. revoking: takes no more, finishes what it has. sealed: nothing that finishes counts
  // any more, the last commit is under way. closed: no longer ours.
  enum class phase : std::uint8_t { open, revoking, sealed, closed };

  assignment(stream::partition_id which, std::uint64_t at_epoch, std::string topic_name)
      : id(which), epoch(at_epoch), topic(std::move(topic_name)) {}
  assignment(const assignment&) = delete;
  assignment& operator=(const assignment&) = delete;

  [[nodiscard]] bool paused() const noexcept { return paused_for != pause_reason::none; }
  [[nodiscard]] bool counts() const noexcept { return state == phase::open || state == phase::revoking; }
  // One past everything that is finished. Without an unfinished record this includes what is no record: the
  // markers of transactions at the end of the log.
  [[nodiscard]] std::optional<std::int64_t> position() const noexcept { return position_with(read_to); }
  // The same with a newer `read_to`.
  [[nodiscard]] std::optional<std::int64_t> position_with(std::optional<std::int64_t> read) const noexcept {
    const std::optional<std::int64_t> delivered = tracker.position();
    const std::optional<std::int64_t> finished = delivered ? delivered : starts_at;
    if (tracker.unfinished() > 0 || !read || (finished && *finished > *read)) return finished;
    return read;
  }
  // The offset to commit, when the broker does not have it.
  [[nodiscard]] std::optional<std::int64_t> uncommitted() const noexcept {
    if (fenced || state == phase::closed) return std::nullopt;
    const std::optional<std::int64_t> position = this->position();
    if (!position || (!tracker.position() && !began_at && position == starts_at)) return std::nullopt;
    if (position == committed && exceeded_limit == committed_exceeded &&
        !(remembers() && tracker.finished_count() != committed_count))
      return std::nullopt;
    return position;
  }
  // Delivered from the committed offset on: what a crash now would deliver again, at most.
  [[nodiscard]] std::uint64_t window() const noexcept { return tracker.delivered_count() - committed_passed; }
  // How many of them a commit now would take off.
  [[nodiscard]] std::uint64_t committable() const noexcept {
    return tracker.passed_count() - committed_passed;
  }
  // Of the records that finished here, those that the next owner works on again when nothing more is
  // committed.
  [[nodiscard]] std::uint64_t finished_uncommitted() const noexcept {
    return remembers() ? finished_here - committed_here : finishes.kept();
  }
  // The records finished beyond `position` can be passed to the next owner.
  [[nodiscard]] bool remembers() const noexcept { return !topic_id.empty(); }
  // The write time of the next record, in offset order.
  [[nodiscard]] std::int64_t write_time_of(const stream::record_view& next, std::int64_t wall_us) {
    if (keeps_write_floors) write_floors.emplace_back(next.offset, writes.last_us());
    return writes.next(next.created, wall_us);
  }
  // A record was delivered.
  void took(std::int64_t offset, std::optional<std::int64_t> created_us) noexcept {
    last_delivered = offset;
    last_created_us = created_us;
    if (!committed && !began_at) committed = offset;
  }
  // The metadata of a commit of `position`, which never goes back.
  [[nodiscard]] std::string metadata_of(std::int64_t position) {
    std::string text;
    while (!write_floors.empty() && write_floors.front().first < position) write_floors.pop_front();
    const std::int64_t floor = write_floors.empty() ? writes.last_us() : write_floors.front().second;
    if (keeps_write_floors && floor > 0) text = stream::encode_write_floor(floor) + ' ';
    if (exceeded_limit) text += exceeded_mark;
    if (metadata_bytes_max < text.size()) return {};
    if (!remembers()) return text + std::string(own_commit);
    std::vector<stream::offset_range> ranges = tracker.finished_beyond();
    if (last_delivered) before.append_beyond(*last_delivered, ranges);
    return text + stream::encode_finished(topic_id, position, ranges, metadata_bytes_max - text.size());
  }

  const stream::partition_id id;
  const std::uint64_t epoch;
  const std::string topic;
  const std::string number = std::to_string(id.partition);  // label and header value
  const route* way = nullptr;                               // of its topic
  phase state = phase::open;
  pause_reason paused_for = pause_reason::none;
  bool crowding = false;  // holds its share, and is not paused for it yet
  bool touched = false;   // since flow control last looked at it
  bool fenced = false;    // the broker refused our generation: no more commits
  stream::offset_tracker tracker;
  finish_times finishes;
  std::optional<std::int64_t> starts_at;  // as the source says: where delivery begins
  std::optional<std::int64_t> read_to;    // as the source says: no record below it will be delivered
  std::size_t metadata_bytes_max = stream::commit_metadata_bytes_max - 1;
  // The group has no offset of the partition yet, and this is where `start_from: latest` begins.
  std::optional<std::int64_t> began_at;
  std::optional<std::int64_t> last_delivered;
  std::optional<std::int64_t> last_created_us;  // of the record delivered last
  std::optional<std::int64_t> committed;        // or, before the first commit, where delivery began
  std::uint64_t committed_count = 0;            // of finished records, when that was committed
  std::uint64_t committed_passed = 0;           // of delivered records, the ones below it
  std::uint64_t finished_here = 0;              // records; not those that an earlier owner had finished
  std::uint64_t committed_here = 0;             // of those, when that was committed
  bool exceeded_limit = false;                  // what the next commit says (dead_letter_limit.h)
  bool committed_exceeded = false;
  bool broker_has_commit = false;
  std::string topic_id;            // empty: not known
  stream::finished_before before;  // by an earlier owner
  stream::write_clock writes;
  bool keeps_write_floors = false;  // a statement uses the record's write time
  // Per record that is delivered and not committed: its offset, and the write time of its predecessor.
  std::deque<std::pair<std::int64_t, std::int64_t>> write_floors;
  std::size_t in_flight = 0;
  std::size_t waiting_count = 0;
  runtime::intrusive_list<unsettled_hook> unsettled;  // in order of delivery
  runtime::intrusive_list<waiting_hook> waiting;      // for a schema; the tail of `unsettled`

 private:
  friend class assignment_ref;
  std::uint32_t references_ = 0;
};

// Reference-counted: by the engine while it is assigned, and by each of its records.
class assignment_ref {
 public:
  assignment_ref() = default;
  explicit assignment_ref(assignment* of) noexcept : of_(of) {
    if (of_ != nullptr) ++of_->references_;
  }
  assignment_ref(const assignment_ref& other) noexcept : assignment_ref(other.of_) {}
  assignment_ref(assignment_ref&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  assignment_ref& operator=(assignment_ref other) noexcept {
    std::swap(of_, other.of_);
    return *this;
  }
  ~assignment_ref() {
    if (of_ != nullptr && --of_->references_ == 0) delete of_;
  }

  [[nodiscard]] assignment* operator->() const noexcept { return of_; }
  [[nodiscard]] assignment& operator*() const noexcept { return *of_; }
  [[nodiscard]] explicit operator bool() const noexcept { return of_ != nullptr; }
  [[nodiscard]] bool is(const assignment& other) const noexcept { return of_ == &other; }

 private:
  assignment* of_ = nullptr;
};

}  // namespace millrace::engine
