// Reads a topic as a member of a group, from where the group was to what was there when the walk began.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/kafka/client.h>
#include <millrace/kafka/consumer.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/source.h>

namespace millrace::app::dlq_commands {

// For commands that read without a rate limit.
inline constexpr std::size_t dead_letters_a_turn = 1'000;

inline constexpr const char* silent_before_the_end =
    "note: no record arrived for some time before the end of the topic; compaction, an open transaction or a "
    "broker that is down can be the cause";

class dead_letter_listener {
 public:
  // The offset from which a partition is read, before its first dead letter.
  virtual void on_start(const stream::partition_offset& start) { static_cast<void>(start); }
  virtual void on_dead_letter(const stream::record_view& record) = 0;
  virtual void on_committed(std::span<const stream::commit_result> results) { static_cast<void>(results); }

 protected:
  ~dead_letter_listener() = default;
};

// How the configuration reaches Kafka.
[[nodiscard]] kafka::client_config client_of(const app::app_config& settings);

// A group for one look: nothing is committed in it.
[[nodiscard]] std::string viewer_group(const app::app_config& settings);

class topic_walk final : private stream::source_events {
 public:
  // Checks that the topic exists. The loop and the listener must outlive the walk.
  [[nodiscard]] static result<std::unique_ptr<topic_walk>> open(const app::app_config& settings,
                                                                const std::string& topic,
                                                                const std::string& group, runtime::loop& loop,
                                                                dead_letter_listener& listener);
  topic_walk(const topic_walk&) = delete;
  topic_walk& operator=(const topic_walk&) = delete;

  // Takes at most `records_max` and turns the loop once.
  void turn(std::size_t records_max);
  // Every partition was read to what was its end at first, or nothing more comes.
  [[nodiscard]] bool at_end() const;
  // False at the end: compaction or an open transaction left nothing there, or a broker is silent.
  [[nodiscard]] bool read_all() const;
  // It cannot go on.
  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }
  [[nodiscard]] std::int32_t partition_count() const noexcept { return partition_count_; }
  [[nodiscard]] kafka::consumer& source() noexcept { return *source_; }
  // Leaves the group; waits for it, a few seconds at most.
  void close();

 private:
  struct progress {
    std::int64_t next = 0;
    std::optional<std::int64_t> end;  // when the walk began
  };

  topic_walk(std::string topic, std::string group, std::int32_t partition_count, runtime::loop& loop,
             dead_letter_listener& listener)
      : topic_(std::move(topic)),
        group_(std::move(group)),
        partition_count_(partition_count),
        loop_(loop),
        listener_(listener),
        began_(loop.time().now()),
        heard_(began_) {}

  void on_record(const stream::record_view& record) override;
  void on_assigned(std::span<const stream::partition_id> partitions) override;
  void on_position(const stream::partition_offset& start, stream::position_origin origin) override;
  void on_revoked(std::span<const stream::partition_id> partitions) override;
  void on_lost(std::span<const stream::partition_id> partitions) override;
  void on_committed(std::span<const stream::commit_result> results) override;
  void on_source_error(const error& failure, bool fatal) override;
  void note_ends();
  // Every partition is ours, and its end is known.
  [[nodiscard]] bool ready() const;

  const std::string topic_;
  const std::string group_;
  const std::int32_t partition_count_;
  runtime::loop& loop_;
  dead_letter_listener& listener_;
  std::unique_ptr<kafka::consumer> source_;
  std::map<stream::partition_id, progress> partitions_;
  std::vector<stream::partition_id> revoked_;
  std::optional<error> failure_;
  bool closing_ = false;
  const instant began_;
  instant heard_;  // the last record came, or none was asked for
};

}  // namespace millrace::app::dlq_commands
