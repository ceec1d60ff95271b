// A group member on a simulated_log. The test decides about the group: assign, revoke, lose. The events reach
// the engine in its next poll, in order. Commits are answered after a delay, or fail, as the test decides. It
// implements the port stream/source.h.
//
// The source checks that its user keeps the port's contract: `violations()` must be empty at the end.
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   simulation::simulated_log log;
//   const std::uint32_t topic = log.add_topic("visits", 4);
//   simulation::simulated_source source(log, loop, {});
//   source.assign({{topic, 0}, {topic, 1}});
//   invariant(source.has_news(), "the events wait for the next poll");
//
// Threads: the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/runtime/loop.h>
#include <millrace/simulation/simulated_log.h>
#include <millrace/stream/source.h>

namespace millrace::simulation {

// The fate of the commit of one partition.
struct commit_fate {
  nanoseconds delay{0};
  std::optional<error> failure;   // the answer that the engine receives
  bool applied_although = false;  // the broker has the commit although the answer is a failure
  bool never_answered = false;    // delays later commits until it is given up
  bool answered_twice = false;
};

// The member.
class simulated_source final : public stream::source {
 public:
  // Events of the source, for a history. `offset` is that of a record or commit.
  enum class happening : std::uint8_t {
    assigned,          // reported
    began_at_end,      // the same, of a partition without a commit that begins at its log's end
    revoked,           // reported
    lost,              // reported
    delivered,         // a record
    commit_requested,  // by the engine
    committed,         // accepted by the broker
    released,          // by the engine
    paused,
    resumed,
  };
  struct options {
    std::uint64_t seed = 1;
    std::size_t poll_records_max = 64;  // a poll passes fewer records than requested, at random
    std::function<void(happening, stream::partition_id, std::int64_t offset)> on_event;
    std::function<commit_fate(stream::partition_id, std::int64_t offset)> commit_fate_of;
    bool leaves = true;  // false: closed() never turns true, the coordinator answers nothing
    // A partition without a commit begins at its log's end (`start_from: latest`). One that was added after the
    // group's first commit begins at offset 0.
    bool start_at_end = false;
  };

  simulated_source(simulated_log& log, runtime::loop& loop, options settings);
  ~simulated_source() override;

  // Decisions of the group. A partition begins at its committed offset, or where the options say.
  void assign(std::vector<stream::partition_id> partitions);
  void revoke(std::vector<stream::partition_id> partitions);
  void lose(std::vector<stream::partition_id> partitions);
  // Reports an error of the source in the next poll.
  void fail(error failure, bool fatal);
  // Delivers again from the record with that index, as after a truncated or recreated topic.
  void rewind(stream::partition_id which, std::size_t record_index);
  // Wakes the loop after new records were appended.
  void wake() { loop_.wake(); }
  // Ends the process: nothing reaches the cluster any more.
  void sever() noexcept { severed_ = true; }

  // The partitions that were assigned and neither lost nor released.
  [[nodiscard]] std::vector<stream::partition_id> held() const;
  // The partitions that are assigned and not being revoked.
  [[nodiscard]] std::vector<stream::partition_id> stable() const;
  // True when events wait for the next poll.
  [[nodiscard]] bool has_news() const noexcept { return !news_.empty(); }
  // True when the partition is paused.
  [[nodiscard]] bool paused(stream::partition_id which) const;
  // Violations of the port's contract by the user of the source, as text.
  [[nodiscard]] const std::vector<std::string>& violations() const noexcept { return violations_; }

  // stream::source
  std::size_t poll(stream::source_events& events, std::size_t records_max) override;
  void commit(std::span<const stream::partition_offset> offsets) override;
  void commit_again(std::span<const stream::partition_offset> offsets) override;
  void release(std::span<const stream::partition_id> partitions) override;
  void pause(stream::partition_id partition) override;
  void resume(stream::partition_id partition) override;
  void close() override;
  [[nodiscard]] bool closed() const noexcept override;
  [[nodiscard]] std::string_view topic_name(std::uint32_t topic) const noexcept override;
  [[nodiscard]] std::string_view topic_id(std::uint32_t topic) const noexcept override;
  [[nodiscard]] std::optional<std::int64_t> high_watermark(
      stream::partition_id partition) const noexcept override;
  [[nodiscard]] std::optional<std::int64_t> read_position(stream::partition_id partition) const override;

 private:
  enum class grip : std::uint8_t { assigned, revoking };
  struct holding {
    std::uint64_t assignment = 0;
    grip how = grip::assigned;
    bool paused = false;
    std::size_t next = 0;              // index of the next record
    std::optional<std::int64_t> read;  // the offset after what was read, markers of transactions included
  };
  struct news {
    enum class kind : std::uint8_t { assign, revoke, lose, error } what;
    std::vector<stream::partition_id> partitions;
    std::optional<millrace::error> failure;
    bool fatal = false;
  };
  struct asked_commit {
    stream::partition_offset at;
    std::uint64_t assignment = 0;
  };
  struct commit_run;

  void tell(stream::source_events& events, const news& item);
  void tell_assigned(stream::source_events& events, const std::vector<stream::partition_id>& partitions);
  [[nodiscard]] bool begins_at_end(stream::partition_id which) const;
  void read_markers();
  [[nodiscard]] std::size_t deliver(stream::source_events& events, std::size_t records_max);
  void deliver_one(stream::source_events& events, stream::partition_id from, holding& h);
  [[nodiscard]] bool still_held(const asked_commit& commit) const;
  void wait_to_commit(std::span<const stream::partition_offset> offsets);
  void send_commits();
  void give_up_commits();
  void answered(commit_run& run);
  [[nodiscard]] bool apply(const asked_commit& what);
  void note(happening what, stream::partition_id where, std::int64_t offset = -1) const;
  void violated(const std::string& what, stream::partition_id where);

  simulated_log& log_;
  runtime::loop& loop_;
  options options_;
  seeded_random random_;
  std::map<stream::partition_id, holding> held_;
  std::vector<news> news_;
  std::uint64_t last_assignment_ = 0;
  std::vector<std::unique_ptr<commit_run>> commits_;
  std::vector<asked_commit> waiting_commits_;
  std::vector<stream::commit_result> answers_;
  std::vector<std::string> violations_;
  bool closing_ = false;
  bool severed_ = false;
};

}  // namespace millrace::simulation
