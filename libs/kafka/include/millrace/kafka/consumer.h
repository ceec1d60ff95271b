// The source of a worker: one librdkafka consumer, a member of a consumer group. It implements the port
// stream/source.h.
//
// Example, at namespace scope:
//
//   result<std::unique_ptr<stream::source>> open(kafka::consumer_config config, runtime::loop& worker) {
//     config.topics = {"visits"};
//     config.start_from = kafka::start_position::earliest;
//     auto made = kafka::consumer::create(std::move(config), worker);
//     if (!made) return made.error();
//     return std::unique_ptr<stream::source>(*std::move(made));
//   }
//
// Fetching. Two queues are polled: one with the group's events, and one that all assigned partitions feed.
// While no records are taken, the second queue is not polled: it fills up to `fetch_bytes_max` and fetching
// stops, while rebalances, commits and errors continue. No prefetched record is discarded. poll() is to be
// called before every sleep and whenever records may be taken again: the loop is woken only when an empty
// queue receives its first entry.
//
// Start of reading. When partitions are assigned, the consumer requests their committed offsets and repeats
// the request until the coordinator answers; a failed answer never counts as "nothing was committed". Reading
// starts at the committed offset. When the group has none, it starts where `start_from` says, which the
// source resolves to an offset first. A partition that was added to the topic after the group had begun
// starts at its beginning, whatever `start_from` says: every commit's metadata carries the number of
// partitions at the group's beginning.
//
// Skipped records. None, unless the brokers report the expected offset as out of range and the first and last
// offsets of the log confirm it; then `on_offset_out_of_range` decides. A damaged batch is read again, up to
// ten times over 40 s; then the source fails. A jump in the offsets that compaction and transactions do not
// explain is read again, too.
//
// Recreated topics. The topics' ids are requested every `topic_check_interval`. Where a topic was deleted and
// created again, its partitions are reported as lost, so that nothing of the former log is committed, and
// `on_offset_out_of_range` decides: `fail` stops, otherwise they are assigned again at the beginning.
//
// Lost membership. Where librdkafka calls a client fatally failed that only lost its membership (a member of
// the protocol `consumer` whose loop was blocked for `max.poll.interval.ms`), and where every commit is
// refused for `fenced_max`, the partitions are reported as lost and a new client joins the group.
//
// Commits. Offsets are committed by commit() only, with the leader epoch of the last record before the
// offset.
//
// A static member (`instance_id`) does not leave the group on close under the classic protocol: its
// partitions wait for its return until the session times out.
//
// Errors: on_source_error(fatal) reports: fenced by another member with the same identity, not authorised,
// topic unknown (policy), offset out of range (policy), no committed offset (policy), and every state that
// librdkafka calls fatal. No records follow; close() still works. Every other error is retried by the client
// and reported as not fatal. Errors of a commit: errc::broker_unavailable may succeed when repeated (also
// when the group has a new generation or member epoch: a cooperative rebalance leaves the partition here);
// errc::broker_fenced never (another member has this identity); errc::broker_unauthorized not without an
// operator.
// Threads: the worker's thread. librdkafka's threads only wake the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/byte_size.h>
#include <millrace/base/result.h>
#include <millrace/kafka/client.h>
#include <millrace/kafka/start_position.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/source.h>

namespace millrace::kafka {

// The rebalance protocol of the group.
enum class group_protocol : std::uint8_t { classic, consumer };  // consumer: KIP-848, Kafka 4
// Partition assignors of the protocol `classic`. Under range and round_robin each rebalance revokes all
// partitions of all members first (the eager protocol). All members of a group must use the same kind.
enum class assignor : std::uint8_t { cooperative_sticky, range, round_robin };
// Action where the next offset is not in the log, or the topic was recreated. `fail` stops before records are
// skipped. A recreated topic is read from its beginning under both other policies.
enum class out_of_range : std::uint8_t { fail, earliest, latest };
// Action when a subscribed topic does not exist or no longer exists.
enum class missing_topic : std::uint8_t { fail, wait };

// Limits of consumer_config::fetch_bytes_max.
inline constexpr byte_size fetch_bytes_least = mib(1);
inline constexpr byte_size fetch_bytes_most = gib(1);

struct consumer_config {
  client_config client;
  std::string group;
  std::vector<std::string> topics;  // names, not patterns; the index is partition_id::topic
  std::string instance_id;          // static membership; "": dynamic
  group_protocol protocol = group_protocol::classic;
  std::optional<assignor>
      assignment;  // of `classic`; empty: cooperative_sticky. Under `consumer` brokers assign
  start_position start_from = start_position::earliest;
  out_of_range on_offset_out_of_range = out_of_range::fail;
  missing_topic on_missing_topic = missing_topic::fail;
  // Period during which the response "unknown topic or partition" is no answer yet, to a commit or about a topic
  // that was assigned before. Brokers send it for what exists just after a topic was created or a leader moved.
  // After the period the source fails with errc::topic_not_found, or with missing_topic::wait goes on waiting.
  milliseconds unknown_topic_grace{30'000};
  // Upper bound of the wait between two attempts to read a damaged batch, or a refused offset that exists.
  // The first two attempts are immediate, then the wait doubles from 100 ms.
  milliseconds reread_backoff_max{10'000};
  // The topics' ids are requested this often, and when an answer suggests that a topic was recreated.
  milliseconds topic_check_interval{60'000};
  // A member whose every commit is refused as that of an unknown or outdated member joins the group again
  // after this time, unless the group takes or revokes its partitions before.
  milliseconds fenced_max{45'000};
  // Memory of records that are prefetched and not yet taken, per consumer. One fetch response may exceed it.
  byte_size fetch_bytes_max = mib(64);
};

// Calls `refuse` for every rule that the configuration breaks, with the option's name ("topics[1]") and the
// reason. Reaches no broker. Thread-safe.
using config_problem = std::function<void(std::string_view option, std::string why)>;
void check(const consumer_config& config, const config_problem& refuse);
// Checks `client.properties`. Returns errc::config_invalid for an unknown name, an invalid value, or a property
// that Millrace sets itself. Creates no client. Thread-safe.
[[nodiscard]] result<void> check_properties(const consumer_config& config);

struct consumer_counters {
  std::uint64_t records = 0;  // passed to on_record()
  std::uint64_t bytes = 0;    // keys and values of those
  std::uint64_t rebalances_assigned = 0;
  std::uint64_t rebalances_revoked = 0;
  std::uint64_t rebalances_lost = 0;
  std::uint64_t commits_failed = 0;      // partitions
  std::uint64_t offset_gap_records = 0;  // skipped because the broker no longer has them
  std::uint64_t damaged_batches = 0;     // fetched with a bad checksum, format or offset, and read again
  std::uint64_t rejoined = 0;            // clients that were replaced because they had lost their membership
  std::uint64_t rereads = 0;  // of damaged batches and refused offsets that exist, and to confirm jumps
};

// The consumer. Its functions are those of stream::source unless a comment says more.
class consumer final : public stream::source {
 public:
  // Creates a consumer, which joins the group in the background; never waits for a broker. The loop must
  // outlive it. Returns errc::config_invalid, or errc::tls_error for a certificate or key file that cannot be
  // used.
  [[nodiscard]] static result<std::unique_ptr<consumer>> create(consumer_config config,
                                                                runtime::loop& worker);
  // Without a close(), leaves the group without commits and without events, and waits for the coordinator for
  // at most 5 s (for a request of committed offsets 3 s more). After a close() that has not finished it does
  // not wait: the group notices when the session times out. When the coordinator does not answer in time, the
  // client ends on a thread of its own, up to `socket.timeout.ms` later.
  ~consumer() override;

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

  // The counters as of now.
  [[nodiscard]] const consumer_counters& counters() const noexcept;
  // The broker's oldest offset of the partition, as last reported; nullopt when not known yet.
  [[nodiscard]] std::optional<std::int64_t> low_watermark(stream::partition_id partition) const noexcept;

 private:
  class group_member;
  class membership;
  explicit consumer(std::unique_ptr<membership> joined);
  std::unique_ptr<membership> membership_;
};

}  // namespace millrace::kafka
