// The vocabulary of these tests: a mock cluster, members of a group that a test drives turn by turn, and a
// producer whose answers are kept.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/kafka/consumer.h>
#include <millrace/kafka/producer.h>
#include <millrace/runtime/loop.h>
#include <millrace/testkit/mock_kafka.h>

namespace millrace::kafka {

using testkit::kafka_api;
using testkit::kafka_error;
using testkit::mock_kafka;

struct seen_record {
  stream::partition_id from;
  std::int64_t offset = 0;
  timestamp created;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

inline std::optional<std::string> text_of(std::optional<bytes_view> bytes) {
  return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
}

// A member of the group with its own loop. Gives partitions up as a pipeline does: commits what it has,
// awaits the answer, releases.
class member final : public stream::source_events {
 public:
  explicit member(const consumer_config& config) : loop_(system_clock()) {
    result<std::unique_ptr<consumer>> made = consumer::create(config, loop_);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().to_string());
    if (made) consumer_ = std::move(made).value();
  }

  void turn(std::size_t records_max = 1'000) {
    EXPECT_LE(consumer_->poll(*this, records_max), records_max);
    loop_.run_turn(milliseconds(2));
  }
  bool until(const std::function<bool()>& done, std::size_t records_max = 1'000) {
    const instant deadline = system_clock().now() + seconds(20);
    while (!done()) {
      if (system_clock().now() >= deadline) return false;
      turn(records_max);
    }
    return true;
  }
  bool until_records(std::size_t count) {
    return until([&] { return records.size() >= count; });
  }
  bool close() {
    consumer_->close();
    return until([&] { return consumer_->closed(); });
  }
  // Leaves the group as it is, without a commit.
  bool leave() {
    commits_on_revoke = false;
    return close();
  }
  void commit(stream::partition_id partition, std::int64_t offset, std::string metadata = {}) {
    const stream::partition_offset at{partition, offset, std::move(metadata)};
    consumer_->commit({&at, 1});
  }
  void commit_again(stream::partition_id partition, std::int64_t offset, std::string metadata = {}) {
    const stream::partition_offset at{partition, offset, std::move(metadata)};
    consumer_->commit_again({&at, 1});
  }
  void commit_seen() {
    std::vector<stream::partition_offset> offsets;
    offsets.reserve(next_.size());
    for (const auto& [partition, next] : next_) offsets.push_back({partition, next});
    consumer_->commit(offsets);
  }
  void destroy() { consumer_.reset(); }
  consumer& source() { return *consumer_; }

  void on_record(const stream::record_view& record) override {
    EXPECT_TRUE(assigned.contains(record.from)) << "a record of a partition that is not assigned";
    EXPECT_FALSE(revoking_.contains(record.from)) << "a record of a partition that is being given up";
    seen_record seen{record.from,         record.offset,         record.created,
                     text_of(record.key), text_of(record.value), {}};
    for (const auto& header : record.headers) {
      seen.headers.emplace_back(std::string(header.name), text_of(header.value));
    }
    const auto next = next_.find(record.from);
    EXPECT_GE(record.offset, next == next_.end() ? 0 : next->second) << "a record out of order";
    next_[record.from] = record.offset + 1;
    records.push_back(std::move(seen));
  }
  void on_assigned(std::span<const stream::partition_id> partitions) override {
    for (const auto partition : partitions) {
      EXPECT_TRUE(assigned.insert(partition).second) << "assigned twice";
      next_.erase(partition);
    }
  }
  void on_position(const stream::partition_offset& start, stream::position_origin origin) override {
    EXPECT_TRUE(assigned.contains(start.partition)) << "a position of a partition that is not assigned";
    positions.push_back(start);
    origins.push_back(origin);
  }
  void on_gap(stream::partition_id, std::uint64_t records_missing) override { gap += records_missing; }
  void on_revoked(std::span<const stream::partition_id> partitions) override {
    ++revocations;
    std::vector<stream::partition_offset> offsets;
    for (const auto partition : partitions) {
      EXPECT_TRUE(assigned.contains(partition)) << "revoked, but never assigned";
      revoking_.insert(partition);
      const auto next = next_.find(partition);
      if (next != next_.end() && commits_on_revoke) offsets.push_back({partition, next->second});
      if (next == next_.end() || !commits_on_revoke) give_up(partition);
    }
    consumer_->commit(offsets);
  }
  void on_lost(std::span<const stream::partition_id> partitions) override {
    ++losses;
    for (const auto partition : partitions) {
      EXPECT_EQ(assigned.erase(partition), 1U);
      revoking_.erase(partition);
      next_.erase(partition);
    }
  }
  void on_committed(std::span<const stream::commit_result> results) override {
    for (const auto& answer : results) {
      commits.push_back(answer);
      if (!revoking_.contains(answer.partition)) continue;
      const auto next = next_.find(answer.partition);
      if (next == next_.end() || next->second == answer.offset || answer.failure) give_up(answer.partition);
    }
  }
  void on_source_error(const error& failure, bool fatal) override {
    errors.push_back(failure);
    if (fatal) fatal_error = failure;
  }

  std::vector<seen_record> records;
  std::set<stream::partition_id> assigned;
  std::vector<stream::partition_offset> positions;  // where reading began
  std::vector<stream::position_origin> origins;     // of those
  std::uint64_t gap = 0;
  std::vector<stream::commit_result> commits;
  std::vector<error> errors;
  std::optional<error> fatal_error;
  bool commits_on_revoke = true;
  int revocations = 0;
  int losses = 0;

 private:
  void give_up(stream::partition_id partition) {
    assigned.erase(partition);
    revoking_.erase(partition);
    next_.erase(partition);
    consumer_->release({&partition, 1});
  }

  runtime::loop loop_;
  std::unique_ptr<consumer> consumer_;
  std::map<stream::partition_id, std::int64_t> next_;
  std::set<stream::partition_id> revoking_;
};

class answer final : public stream::receipt {
 public:
  void on_acknowledged(result<void> told) override {
    EXPECT_FALSE(given) << "answered twice";
    given = std::move(told);
  }
  std::optional<result<void>> given;
};

// Produces and keeps one answer per accepted record.
class writer {
 public:
  explicit writer(producer_config config) : loop_(system_clock()) {
    config.on_error = [this](const error& failure, bool) { errors.push_back(failure); };
    result<std::unique_ptr<producer>> made = producer::create(std::move(config), loop_);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().to_string());
    if (made) producer_ = std::move(made).value();
  }
  ~writer() { producer_.reset(); }

  result<void> write(const stream::outgoing& record) {
    auto receipt = std::make_unique<answer>();
    result<void> taken = producer_->produce(record, *receipt);
    if (taken) answers.push_back(std::move(receipt));
    return taken;
  }
  result<void> write(std::string_view topic, std::string_view key, std::string_view value) {
    return write({topic, as_bytes(key), as_bytes(value), {}});
  }
  bool until(const std::function<bool()>& done) {
    const instant deadline = system_clock().now() + seconds(20);
    while (!done()) {
      if (system_clock().now() >= deadline) return false;
      loop_.run_turn(milliseconds(2));
    }
    return true;
  }
  // Repeats a record that the sink does not take.
  bool until_written(std::string_view topic, std::string_view key, std::string_view value) {
    return until([&] { return write(topic, key, value).ok(); });
  }
  // False when not every record was answered in time.
  bool settle() {
    return until([&] { return producer_->in_flight() == 0; }) &&
           std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a->given.has_value(); });
  }
  producer& sink() { return *producer_; }
  void destroy() { producer_.reset(); }

  std::vector<std::unique_ptr<answer>> answers;
  std::vector<error> errors;  // that the sink reported beside the answers

 private:
  runtime::loop loop_;
  std::unique_ptr<producer> producer_;
};

class cluster_test : public ::testing::Test {
 protected:
  void SetUp() override { start(1); }
  void start(int brokers) {
    result<std::unique_ptr<mock_kafka>> started = mock_kafka::start(brokers);
    ASSERT_TRUE(started.ok());
    cluster_ = std::move(started).value();
    cluster_->set_initial_rebalance_delay(milliseconds(50));
    cluster_->set_heartbeat_interval(milliseconds(100));
  }

  [[nodiscard]] consumer_config reading(std::vector<std::string> topics) const {
    consumer_config config;
    config.client.bootstrap_servers = cluster_->bootstrap_servers();
    config.client.properties["session.timeout.ms"] = "3000";
    config.client.properties["heartbeat.interval.ms"] = "100";
    config.client.properties["topic.metadata.refresh.interval.ms"] = "500";
    config.group_id = "g";
    config.topics = std::move(topics);
    return config;
  }
  [[nodiscard]] producer_config writing() const {
    producer_config config;
    config.client.bootstrap_servers = cluster_->bootstrap_servers();
    config.linger = milliseconds(1);
    return config;
  }
  void topic(std::string_view name, int partitions) {
    const result<void> created = cluster_->create_topic(name, partitions);
    ASSERT_TRUE(created.ok()) << created.error().to_string();
  }
  // Writes `count` records "v<first>"… with as many different keys.
  void fill(std::string_view name, int count, int first = 0) {
    writer out(writing());
    for (int i = first; i < first + count; ++i) {
      const std::string number = std::to_string(i);
      ASSERT_TRUE(out.write(name, "k" + number, "v" + number).ok());
    }
    ASSERT_TRUE(out.settle());
    for (const auto& a : out.answers) ASSERT_TRUE(a->given->ok()) << a->given->error().to_string();
  }
  [[nodiscard]] mock_kafka& cluster() const { return *cluster_; }

 private:
  std::unique_ptr<mock_kafka> cluster_;
};

}  // namespace millrace::kafka
