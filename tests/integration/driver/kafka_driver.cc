// Our Kafka source and sink for tests in Python.
//
//   kafka_driver OPTIONS   OPTIONS is JSON: bootstrap, group, topics; properties, protocol,
//                          on_offset_out_of_range, topic_check_ms. Then a JSON command a line, and an answer a
//                          line; ends with standard input
//
// Commands: {"do": "state"}: the records taken so far as [topic, partition, offset, value], what the source
// reported, and each partition's read position and end. {"do": "take", "max"}: records a turn from now on.
// {"do": "commit"}: what was taken. {"do": "block", "ms"}: the loop does not turn for so long.
// {"do": "produce", "topic", "key", "bytes", "headers"}: the answer to a record of so many bytes and headers.
#include <atomic>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <millrace/base/assert.h>
#include <millrace/kafka/consumer.h>
#include <millrace/kafka/producer.h>

namespace millrace {
namespace {

using nlohmann::json;

constexpr milliseconds turn{5};

// The lines of standard input, read by a thread of its own.
class commands {
 public:
  commands() : reader_([this] { read(); }) {}
  ~commands() { reader_.join(); }
  commands(const commands&) = delete;
  commands& operator=(const commands&) = delete;

  std::optional<json> take() {
    const std::lock_guard lock(mutex_);
    if (lines_.empty()) return std::nullopt;
    std::optional<json> first = json::parse(lines_.front());
    lines_.pop_front();
    return first;
  }
  [[nodiscard]] bool ended() const noexcept { return ended_; }

 private:
  void read() {
    for (std::string line; std::getline(std::cin, line);) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
    }
    ended_ = true;
  }

  std::mutex mutex_;
  std::deque<std::string> lines_;
  std::atomic<bool> ended_ = false;
  std::thread reader_;
};

kafka::client_config client_of(const json& options) {
  kafka::client_config client;
  client.bootstrap_servers = options.at("bootstrap");
  client.properties = options.value("properties", std::map<std::string, std::string>());
  return client;
}

kafka::consumer_config consumer_of(const json& options) {
  kafka::consumer_config config;
  config.client = client_of(options);
  config.group = options.at("group");
  config.topics = options.at("topics").get<std::vector<std::string>>();
  if (options.value("protocol", "classic") == "consumer") config.protocol = kafka::group_protocol::consumer;
  if (options.value("on_offset_out_of_range", "fail") == "earliest")
    config.on_offset_out_of_range = kafka::out_of_range::earliest;
  config.topic_check_interval = milliseconds(options.value("topic_check_ms", 60'000));
  config.on_missing_topic = kafka::missing_topic::wait;
  return config;
}

class driver final : public stream::source_events, public stream::receipt {
 public:
  explicit driver(const json& options) : loop_(system_clock()), options_(options) {
    auto made = kafka::consumer::create(consumer_of(options), loop_);
    invariant(made.ok(), "the options are valid");
    source_ = std::move(*made);
  }

  void run() {
    while (true) {
      const std::optional<json> command = commands_.take();
      if (command) {
        std::cout << answer(*command).dump() << std::endl;
      } else if (commands_.ended()) {
        return;
      }
      serve();
    }
  }

  void on_record(const stream::record_view& record) override {
    next_[record.from] = record.offset + 1;
    records_.push_back({record.from.topic, record.from.partition, record.offset,
                        record.value ? std::string(as_text(*record.value)) : std::string()});
  }
  void on_assigned(std::span<const stream::partition_id> partitions) override {
    note("assigned", partitions);
    owned_.insert(partitions.begin(), partitions.end());
  }
  void on_position(const stream::partition_offset& start, stream::position_origin) override {
    events_.push_back({"position", start.partition.partition, start.offset});
  }
  void on_gap(stream::partition_id partition, std::uint64_t records) override {
    events_.push_back({"gap", partition.partition, records});
  }
  void on_rewind(stream::partition_id partition, std::int64_t from, std::int64_t to) override {
    events_.push_back({"rewind", partition.partition, from, to});
  }
  void on_revoked(std::span<const stream::partition_id> partitions) override {
    note("revoked", partitions);
    forget(partitions);
    source_->release(partitions);
  }
  void on_lost(std::span<const stream::partition_id> partitions) override {
    note("lost", partitions);
    forget(partitions);
  }
  void on_committed(std::span<const stream::commit_result> results) override {
    for (const stream::commit_result& one : results) {
      events_.push_back({"committed", one.partition.partition, one.offset,
                         one.failure ? std::string(to_string(one.failure->code())) : std::string("ok")});
    }
  }
  void on_source_error(const error& failure, bool fatal) override {
    events_.push_back({fatal ? "fatal" : "error", std::string(to_string(failure.code())), failure.message()});
  }
  void on_acknowledged(result<void> given) override { acknowledged_ = std::move(given); }

 private:
  void serve() {
    source_->poll(*this, records_max_);
    loop_.run_turn(turn);
  }

  json answer(const json& to) {
    const std::string what = to.at("do");
    if (what == "state") return state();
    if (what == "take") records_max_ = to.at("max");
    if (what == "block") std::this_thread::sleep_for(std::chrono::milliseconds(to.at("ms").get<int>()));
    if (what == "commit") commit();
    if (what == "produce") return produce(to);
    return json::object();
  }

  json state() {
    json partitions = json::object();
    for (const stream::partition_id id : owned_) {
      const auto position = source_->read_position(id);
      const auto end = source_->high_watermark(id);
      partitions[std::to_string(id.partition)] = {{"position", position ? json(*position) : json()},
                                                  {"end", end ? json(*end) : json()}};
    }
    return {{"records", records_},
            {"events", events_},
            {"partitions", partitions},
            {"rejoined", source_->counters().rejoined}};
  }

  void commit() {
    std::vector<stream::partition_offset> offsets;
    for (const auto& [partition, next] : next_) offsets.push_back({partition, next});
    source_->commit(offsets);
  }

  json produce(const json& to) {
    if (!sink_) {
      kafka::producer_config config;
      config.client = client_of(options_);
      auto made = kafka::producer::create(std::move(config), loop_);
      invariant(made.ok(), "the options are valid");
      sink_ = std::move(*made);
    }
    const std::string key = to.value("key", "k");
    const std::string value(to.value("bytes", std::size_t{1}), 'x');
    const std::vector<stream::header_view> headers(to.value("headers", std::size_t{0}), {"h", as_bytes("v")});
    acknowledged_.reset();
    const result<void> taken =
        sink_->produce({to.at("topic").get<std::string>(), as_bytes(key), as_bytes(value), headers}, *this);
    if (!taken) return {{"error", std::string(to_string(taken.error().code()))}};
    sink_->flush();
    while (!acknowledged_) serve();
    if (*acknowledged_) return json::object();
    return {{"error", std::string(to_string(acknowledged_->error().code()))},
            {"message", acknowledged_->error().message()}};
  }

  void note(const char* what, std::span<const stream::partition_id> partitions) {
    json numbers = json::array();
    for (const stream::partition_id id : partitions) numbers.push_back(id.partition);
    events_.push_back({what, numbers});
  }
  void forget(std::span<const stream::partition_id> partitions) {
    for (const stream::partition_id id : partitions) {
      owned_.erase(id);
      next_.erase(id);
    }
  }

  runtime::loop loop_;
  const json options_;
  std::unique_ptr<kafka::consumer> source_;
  std::unique_ptr<kafka::producer> sink_;
  std::size_t records_max_ = 1'000;
  std::vector<json> records_;
  std::vector<json> events_;
  std::set<stream::partition_id> owned_;
  std::map<stream::partition_id, std::int64_t> next_;
  std::optional<result<void>> acknowledged_;
  commands commands_;
};

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: kafka_driver OPTIONS\n";
    return 78;
  }
  millrace::driver(nlohmann::json::parse(argv[1])).run();
  return 0;
}
