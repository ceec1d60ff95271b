// millrace dlq redrive
#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include <millrace/kafka/connectivity.h>
#include <millrace/kafka/producer.h>

#include "dlq_commands.h"
#include "pace.h"
#include "redriven.h"
#include "topic_walk.h"

namespace millrace::app::dlq_commands {
namespace {

constexpr std::size_t in_flight_max = 1'000;
constexpr milliseconds commit_interval{200};
constexpr seconds last_commit_within{15};

constexpr milliseconds connect_timeout{10'000};
constexpr std::size_t groups_named_max = 100;

class redrive;

std::string unread(const std::string& topic) {
  return "the configuration has no topic '" + topic +
         "' in `kafka.topics` or `inputs`, and its group would not read the record; name a topic with --to, "
         "or use --for-all for other readers";
}

// One dead letter that is being redriven.
class shipment final : public stream::receipt {
 public:
  shipment(redrive& owner, redriven& of, stream::offset_tracker::ticket ticket, std::string to)
      : owner_(owner), of_(of), ticket_(ticket), to_(std::move(to)) {}
  void on_acknowledged(result<void> answer) override;
  [[nodiscard]] bool answered() const noexcept { return answered_; }

 private:
  redrive& owner_;
  redriven& of_;
  const stream::offset_tracker::ticket ticket_;
  const std::string to_;
  bool answered_ = false;
};

class redrive final : public dead_letter_listener {
 public:
  redrive(const app::app_config& settings, const redrive_arguments& arguments, const terminal& to,
          const std::atomic<bool>& stop)
      : settings_(settings),
        arguments_(arguments),
        to_(to),
        stop_(stop),
        loop_(system_clock()),
        pace_(arguments.rate, loop_.time().now()) {}

  int run();

  void on_start(const stream::partition_offset& start) override;
  void on_dead_letter(const stream::record_view& record) override;
  void on_committed(std::span<const stream::commit_result> results) override;
  void sent(redriven& of, stream::offset_tracker::ticket ticket, const std::string& to,
            const result<void>& answer);

 private:
  result<void> open();
  void walk_on();
  void finish();
  [[nodiscard]] bool may_take() const;
  [[nodiscard]] std::size_t room();
  [[nodiscard]] bool is_of_another_group(const dead_letter_record& read) const;
  [[nodiscard]] bool reads(const std::string& topic) const;
  [[nodiscard]] addressee addressee_of(const dead_letter_record& read) const;
  [[nodiscard]] std::string refusal(const dead_letter_record& read, const std::string& target) const;
  void refuse(const dead_letter_record& read, const std::string& why);
  void refuse_group(const std::string& group);
  [[nodiscard]] std::optional<std::int32_t> partition_of(const dead_letter_record& read,
                                                         const std::string& target);
  void send(const stream::record_view& record, const dead_letter_record& read, redriven& of,
            stream::offset_tracker::ticket ticket, const std::string& target);
  void commit();
  void stop_for(const error& why) {
    if (!failure_) failure_ = why;
  }
  int report() const;

  const app::app_config& settings_;
  const redrive_arguments& arguments_;
  const terminal& to_;
  const std::atomic<bool>& stop_;
  runtime::loop loop_;
  pace pace_;
  std::deque<shipment> shipments_;  // before the producer, which answers them when it ends
  std::map<stream::partition_id, redriven> partitions_;
  std::unique_ptr<kafka::producer> producer_;
  std::unique_ptr<topic_walk> walk_;
  std::optional<error> failure_;
  std::size_t in_flight_ = 0;
  bool committing_ = false;
  instant committed_at_;
  std::map<std::string, std::uint64_t> sent_to_;          // by topic
  std::map<std::string, std::int32_t> partition_counts_;  // by topic
  std::uint64_t chosen_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t refused_ = 0;
  std::map<std::string, std::uint64_t> of_other_groups_;  // refused for it
  std::uint64_t left_out_ = 0;
  std::uint64_t sent_before_ = 0;
};

void shipment::on_acknowledged(result<void> answer) {
  answered_ = true;
  owner_.sent(of_, ticket_, to_, answer);
}

result<void> redrive::open() {
  if (!arguments_.dry_run) {
    kafka::producer_config config;
    config.client = client_of(settings_);
    for (const auto& [name, value] : settings_.kafka.producer_properties)
      config.client.properties[name] = value;
    auto producer = kafka::producer::create(std::move(config), loop_);
    if (!producer) return producer.error();
    producer_ = std::move(*producer);
  }
  auto walk = topic_walk::open(settings_, settings_.engine.dead_letter_topic,
                               settings_.kafka.group + "-redrive", loop_, *this);
  if (!walk) return walk.error();
  walk_ = std::move(*walk);
  return {};
}

int redrive::run() {
  if (!arguments_.to_topic.empty() && !reads(arguments_.to_topic)) {
    to_.err << "dlq redrive: " << unread(arguments_.to_topic) << '\n';
    return exit_failure;
  }
  if (auto opened = open(); !opened) {
    to_.err << "dlq redrive: " << opened.error().to_string() << "\n";
    return exit_failure;
  }
  while (may_take() && !walk_->at_end()) walk_on();
  finish();
  if (!failure_ && walk_->failure()) failure_ = walk_->failure();
  if (may_take() && !walk_->read_all()) to_.err << silent_before_the_end << '\n';
  walk_->close();
  producer_.reset();
  return report();
}

bool redrive::may_take() const {
  return !stop_ && !failure_ && !walk_->failure() && (!arguments_.limit || chosen_ < *arguments_.limit);
}

std::size_t redrive::room() {
  if (!may_take() || in_flight_ >= in_flight_max) return 0;
  std::size_t most = std::min(in_flight_max - in_flight_, pace_.allowed(loop_.time().now()));
  if (arguments_.limit) most = std::min<std::size_t>(most, *arguments_.limit - chosen_);
  return most;
}

void redrive::walk_on() {
  walk_->turn(room());
  if (loop_.time().now() - committed_at_ >= commit_interval) commit();
}

// What was sent is awaited and committed, whatever ended the walk.
void redrive::finish() {
  if (producer_) producer_->flush();
  while (in_flight_ > 0) walk_on();  // the producer answers within its delivery timeout
  const instant until = loop_.time().now() + last_commit_within;
  commit();
  while (committing_ && loop_.time().now() < until) {
    walk_->turn(0);
    if (!committing_) commit();
  }
  if (committing_) {
    stop_for(error(
        errc::broker_unavailable,
        "the last commit was not answered; a later redrive may repeat the last dead letters of this one"));
  }
}

void redrive::on_start(const stream::partition_offset& start) {
  partitions_.try_emplace(start.partition, settings_.engine.dead_letter_topic, start);
}

void redrive::on_dead_letter(const stream::record_view& record) {
  redriven& of = partitions_.at(record.from);
  const auto ticket = of.delivered(record.offset);
  if (!ticket) {
    ++sent_before_;
    return;
  }
  const dead_letter_record read = read_dead_letter(record);
  if (!arguments_.filter.accepts(read)) {
    ++left_out_;
    return;
  }
  std::string target = arguments_.to_topic.empty() ? read.topic : arguments_.to_topic;
  if (const auto topics = topics_of(settings_); target.empty() && topics.size() == 1) target = topics.front();
  if (is_of_another_group(read)) return refuse_group(read.group);
  if (const std::string why = refusal(read, target); !why.empty()) return refuse(read, why);
  ++chosen_;
  pace_.went();
  if (arguments_.dry_run) {
    ++sent_to_[target];
    to_.out << read.partition << '/' << read.offset << "  " << read.reason << "  to " << target
            << (addressee_of(read).processor.empty()
                    ? ""
                    : "  for processor " + std::string(addressee_of(read).processor))
            << '\n';
    return;
  }
  send(record, read, of, *ticket, target);
}

// Whose application would skip records produced here, or no longer runs.
bool redrive::is_of_another_group(const dead_letter_record& read) const {
  const auto has = [&read](const std::vector<std::string>& groups) {
    return std::find(groups.begin(), groups.end(), read.group) != groups.end();
  };
  return !arguments_.for_all && !read.group.empty() && read.group != settings_.kafka.group &&
         !has(settings_.kafka.former_groups) && !has(arguments_.from_groups);
}

// The addressee of a record that is redriven for every group.
bool redrive::reads(const std::string& topic) const {
  const std::vector<std::string> topics = topics_of(settings_);
  return arguments_.for_all || std::find(topics.begin(), topics.end(), topic) != topics.end();
}

addressee redrive::addressee_of(const dead_letter_record& read) const {
  if (arguments_.for_all) return {};
  addressee to{read.group.empty() ? std::string_view() : settings_.kafka.group, read.processor};
  const auto renamed = arguments_.as_processor.find(read.processor);
  if (renamed != arguments_.as_processor.end()) to.processor = renamed->second;
  return to;
}

std::string redrive::refusal(const dead_letter_record& read, const std::string& target) const {
  if (target.empty()) return "it does not name its original topic; use --to TOPIC";
  if (target == settings_.engine.dead_letter_topic) return "it came from the dead-letter topic itself";
  if (!reads(target)) return unread(target);
  if (read.value_dropped)
    return "its value was too large for the dead-letter topic and is in the source topic only";
  if (read.redrives >= arguments_.redrives_max) {
    return read.redrives == UINT32_MAX
               ? "its redrive count is invalid"
               : "it was redriven " + std::to_string(read.redrives) + " times (--redrives-max)";
  }
  return {};
}

// It stays: a later redrive finds it again.
void redrive::refuse(const dead_letter_record& read, const std::string& why) {
  ++refused_;
  to_.err << "refused " << read.partition << '/' << read.offset << ": " << why << '\n';
}

// One line for each group, at the end: a dead-letter topic that several groups share is full of them.
void redrive::refuse_group(const std::string& group) {
  ++refused_;
  const bool named = of_other_groups_.contains(group) || of_other_groups_.size() < groups_named_max;
  ++of_other_groups_[named ? group : "(others)"];
}

// Where the record was before: there the others of its key are, whatever partitioner wrote them. nullopt: the
// key decides.
std::optional<std::int32_t> redrive::partition_of(const dead_letter_record& read, const std::string& target) {
  if (target != read.topic) return std::nullopt;
  std::int32_t number = -1;
  const char* const end = read.from_partition.data() + read.from_partition.size();
  if (std::from_chars(read.from_partition.data(), end, number).ptr != end || number < 0) return std::nullopt;
  auto known = partition_counts_.find(target);
  if (known == partition_counts_.end()) {
    const std::array<std::string, 1> topics{target};
    const auto cluster = kafka::check_connectivity(client_of(settings_), topics, connect_timeout);
    if (!cluster) {
      stop_for(cluster.error());
      return std::nullopt;
    }
    known = partition_counts_.emplace(target, cluster->topics.front().partitions).first;
  }
  return number < known->second ? std::optional(number) : std::nullopt;
}

void redrive::send(const stream::record_view& record, const dead_letter_record& read, redriven& of,
                   stream::offset_tracker::ticket ticket, const std::string& target) {
  const redrive_headers headers(record, read, addressee_of(read));
  const std::optional<std::int32_t> partition = partition_of(read, target);
  if (failure_) return;
  while (!shipments_.empty() && shipments_.front().answered()) shipments_.pop_front();
  shipment& way = shipments_.emplace_back(*this, of, ticket, target);
  const result<void> taken =
      producer_->produce({target, record.key, record.value, headers.all(), partition}, way);
  ++in_flight_;
  if (!taken) way.on_acknowledged(taken);
}

void redrive::sent(redriven& of, stream::offset_tracker::ticket ticket, const std::string& to,
                   const result<void>& answer) {
  --in_flight_;
  if (!answer) {
    ++failed_;
    return stop_for(answer.error().in("topic '" + to + "'"));
  }
  ++sent_to_[to];
  of.sent(ticket);
}

void redrive::commit() {
  committed_at_ = loop_.time().now();
  if (committing_) return;
  std::vector<stream::partition_offset> all;
  for (auto& [id, of] : partitions_) {
    if (auto at = of.news()) all.push_back(std::move(*at));
    if (of.full()) {
      stop_for(
          error(errc::limit_exceeded,
                "the remaining dead letters are too scattered to record which of those between them were "
                "redriven; redrive the others first, or use a wider filter"));
    }
  }
  if (all.empty()) return;
  committing_ = true;
  walk_->source().commit(all);
}

void redrive::on_committed(std::span<const stream::commit_result> results) {
  committing_ = false;
  for (const stream::commit_result& one : results) {
    if (!one.failure) continue;
    const auto of = partitions_.find(one.partition);
    if (of != partitions_.end()) of->second.commit_again();
    if (one.failure->code() != errc::broker_unavailable) stop_for(one.failure->in("commit"));
  }
}

int redrive::report() const {
  std::uint64_t total = 0;
  for (const auto& [topic, count] : sent_to_) total += count;
  to_.out << (arguments_.dry_run ? "would redrive " : "redrove ") << total << " dead letters";
  for (const auto& [topic, count] : sent_to_) to_.out << "; to " << topic << ": " << count;
  if (failed_ > 0) to_.out << "; failed: " << failed_;
  if (refused_ > 0) to_.out << "; refused: " << refused_;
  if (left_out_ > 0) to_.out << "; excluded by the filter: " << left_out_;
  if (sent_before_ > 0) to_.out << "; already redriven: " << sent_before_;
  to_.out << '\n';
  for (const auto& [group, count] : of_other_groups_) {
    to_.err << "refused " << count << " dead letters of the group '" << group
            << "'; the configuration has the group '" << settings_.kafka.group
            << "': --from-group redrives them for '" << settings_.kafka.group
            << "', --for-all for every group\n";
  }
  if (failure_) {
    to_.err << "dlq redrive: " << failure_->to_string()
            << "; no dead letter is lost; run the command again to continue\n";
  }
  return failure_ || refused_ > 0 ? exit_failure : exit_ok;
}

}  // namespace

int redrive_dead_letters(const app::app_config& settings, const redrive_arguments& arguments,
                         const terminal& to, const std::atomic<bool>& stop) {
  return redrive(settings, arguments, to, stop).run();
}

}  // namespace millrace::app::dlq_commands
