#include "offset_lookup.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace millrace::kafka {
namespace {

constexpr int attempt_ms_max = 2'000;
constexpr int topic_ids_ms_max = 500;
constexpr std::chrono::milliseconds pause_first{100};
constexpr std::chrono::milliseconds pause_max{2'000};

bool needs_an_operator(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR__FATAL;
}

}  // namespace

offset_lookup::offset_lookup(rd_kafka_t* client, runtime::loop& worker)
    : client_(client), worker_(worker), thread_([this] { run(); }) {}

offset_lookup::~offset_lookup() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void offset_lookup::ask(std::uint64_t assignment, partition_list partitions) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back({assignment, std::move(partitions)});
  }
  changed_.notify_one();
}

std::optional<lookup_answer> offset_lookup::take() {
  const std::lock_guard lock(mutex_);
  if (answers_.empty()) return std::nullopt;
  std::optional<lookup_answer> answer(std::move(answers_.front()));
  answers_.pop_front();
  return answer;
}

void offset_lookup::abandon() {
  {
    const std::lock_guard lock(mutex_);
    questions_.clear();
    ++abandoned_;
  }
  changed_.notify_one();
}

bool offset_lookup::idle() {
  const std::lock_guard lock(mutex_);
  return !asking_ && questions_.empty();
}

lookup_answer offset_lookup::attempt(const question& asked) {
  partition_list offsets(rd_kafka_topic_partition_list_copy(asked.partitions.get()));
  lookup_answer answer{asked.assignment, nullptr, rd_kafka_committed(client_, offsets.get(), attempt_ms_max),
                       true};
  for (int i = 0; answer.failure == RD_KAFKA_RESP_ERR_NO_ERROR && i < offsets->cnt; ++i) {
    answer.failure = offsets->elems[i].err;
  }
  if (answer.failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    answer.topic_ids = topic_ids(*offsets);
    answer.offsets = std::move(offsets);
  } else {
    answer.final = needs_an_operator(answer.failure);
  }
  return answer;
}

// No answer within the time is no answer: a broker may be too old to know, or not let us ask.
std::map<std::string, std::string> offset_lookup::topic_ids(const rd_kafka_topic_partition_list_t& of) {
  std::map<std::string, std::string> ids;
  for (int i = 0; i < of.cnt; ++i) ids.try_emplace(of.elems[i].topic);
  std::vector<const char*> names;
  for (const auto& [name, id] : ids) names.push_back(name.c_str());

  const topic_collection topics(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const admin_options options(rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS));
  std::array<char, 128> refused{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), topic_ids_ms_max, refused.data(), refused.size());
  // Any broker knows: one that answers is better than the controller, which the default would wait for.
  const rd_kafka_metadata_t* known = nullptr;
  if (rd_kafka_metadata(client_, 0, nullptr, &known, topic_ids_ms_max) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return {};
  const std::int32_t first = known->broker_cnt > 0 ? known->brokers[0].id : -1;
  const std::int32_t broker = known->orig_broker_id >= 0 ? known->orig_broker_id : first;
  rd_kafka_metadata_destroy(known);
  rd_kafka_AdminOptions_set_broker(options.get(), broker, refused.data(), refused.size());
  const queue_handle answers(rd_kafka_queue_new(client_));
  rd_kafka_DescribeTopics(client_, topics.get(), options.get(), answers.get());
  const event_handle event(rd_kafka_queue_poll(answers.get(), topic_ids_ms_max));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  std::size_t count = 0;
  const auto* const* described =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* failure = rd_kafka_TopicDescription_error(described[i]);
    if (failure != nullptr && rd_kafka_error_code(failure) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const rd_kafka_Uuid_t* id = rd_kafka_TopicDescription_topic_id(described[i]);
    // Brokers before 2.8 know no ids.
    if (rd_kafka_Uuid_most_significant_bits(id) == 0 && rd_kafka_Uuid_least_significant_bits(id) == 0)
      continue;
    ids[rd_kafka_TopicDescription_name(described[i])] = rd_kafka_Uuid_base64str(id);
  }
  return ids;
}

void offset_lookup::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !questions_.empty(); });
    if (stop_) return;
    const question asked = std::move(questions_.front());
    questions_.pop_front();
    asking_ = true;
    const std::uint64_t abandoned_before = abandoned_;
    const auto unwanted = [&] { return stop_ || abandoned_ != abandoned_before; };
    for (auto pause = pause_first; !unwanted(); pause = std::min(pause * 2, pause_max)) {
      lock.unlock();
      lookup_answer answer = attempt(asked);
      lock.lock();
      const bool final = answer.final;
      answers_.push_back(std::move(answer));
      worker_.wake();
      if (final) break;
      changed_.wait_for(lock, pause, unwanted);
    }
    asking_ = false;
    worker_.wake();
  }
}

}  // namespace millrace::kafka
