#include "offset_lookup.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <utility>

#include "group_start.h"

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

offset_lookup::offset_lookup(rd_kafka_t* client, runtime::loop& worker, start_position start_from)
    : client_(client), worker_(worker), start_from_(start_from), thread_([this] { run(); }) {}

offset_lookup::~offset_lookup() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void offset_lookup::ask(std::uint64_t assignment, partition_list partitions) {
  enqueue({subject::offsets, assignment, std::move(partitions)});
}

void offset_lookup::ask_range(std::uint64_t assignment, partition_list partition) {
  enqueue({subject::range, assignment, std::move(partition)});
}

void offset_lookup::ask_beginning(std::uint64_t assignment, partition_list partitions) {
  enqueue({subject::beginning, assignment, std::move(partitions)});
}

void offset_lookup::ask_ends(partition_list partitions) {
  enqueue({subject::ends, 0, std::move(partitions)});
}

void offset_lookup::ask_topics(partition_list topics) { enqueue({subject::topics, 0, std::move(topics)}); }

void offset_lookup::enqueue(question asked) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(std::move(asked));
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
  switch (asked.of) {
    case subject::offsets:
      return attempt_offsets(asked);
    case subject::range:
      return attempt_range(asked);
    case subject::beginning:
      return attempt_beginning(asked);
    case subject::ends:
      return attempt_ends(asked);
    case subject::topics:
      break;
  }
  lookup_answer answer;
  answer.only_topics = true;
  answer.topics = describe(*asked.partitions);
  return answer;
}

lookup_answer offset_lookup::attempt_offsets(const question& asked) {
  partition_list offsets(rd_kafka_topic_partition_list_copy(asked.partitions.get()));
  lookup_answer answer;
  answer.assignment = asked.assignment;
  answer.failure = committed(*offsets);
  if (answer.failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    answer.offsets = std::move(offsets);
    answer.failure = resolve_first(answer);
  }
  if (answer.failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    answer.topics = describe(*answer.offsets);
  } else {
    answer.offsets.reset();
    answer.final = needs_an_operator(answer.failure);
  }
  return answer;
}

lookup_answer offset_lookup::attempt_range(const question& asked) {
  lookup_answer answer;
  answer.assignment = asked.assignment;
  partition_list low(rd_kafka_topic_partition_list_copy(asked.partitions.get()));
  low->elems[0].offset = RD_KAFKA_OFFSET_BEGINNING;
  partition_list high(rd_kafka_topic_partition_list_copy(asked.partitions.get()));
  high->elems[0].offset = RD_KAFKA_OFFSET_END;
  answer.failure = list_offsets(*low);
  if (answer.failure == RD_KAFKA_RESP_ERR_NO_ERROR) answer.failure = list_offsets(*high);
  if (answer.failure == RD_KAFKA_RESP_ERR_NO_ERROR) {
    answer.range = log_range{low->elems[0].offset, high->elems[0].offset};
    answer.topics = describe(*low);
    answer.offsets = std::move(low);
  } else {
    answer.final = false;
  }
  return answer;
}

lookup_answer offset_lookup::attempt_beginning(const question& asked) {
  lookup_answer answer;
  answer.assignment = asked.assignment;
  partition_list times(rd_kafka_topic_partition_list_copy(asked.partitions.get()));
  for (int i = 0; i < times->cnt; ++i) times->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
  answer.failure = list_offsets(*times);
  if (answer.failure != RD_KAFKA_RESP_ERR_NO_ERROR) {
    answer.final = false;
    return answer;
  }
  for (int i = 0; i < times->cnt; ++i) {
    answer.first[{times->elems[i].topic, times->elems[i].partition}].offset = times->elems[i].offset;
  }
  answer.offsets = std::move(times);
  return answer;
}

// librdkafka asks with the client's isolation level.
lookup_answer offset_lookup::attempt_ends(const question& asked) {
  lookup_answer answer;
  answer.only_ends = true;
  partition_list times(rd_kafka_topic_partition_list_copy(asked.partitions.get()));
  for (int i = 0; i < times->cnt; ++i) times->elems[i].offset = RD_KAFKA_OFFSET_END;
  if (list_offsets(*times) == RD_KAFKA_RESP_ERR_NO_ERROR) answer.offsets = std::move(times);
  return answer;
}

rd_kafka_resp_err_t offset_lookup::committed(rd_kafka_topic_partition_list_t& offsets) {
  if (const rd_kafka_resp_err_t failure = rd_kafka_committed(client_, &offsets, attempt_ms_max);
      failure != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure;
  }
  for (int i = 0; i < offsets.cnt; ++i) {
    if (offsets.elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return offsets.elems[i].err;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// In: RD_KAFKA_OFFSET_BEGINNING or _END, which are ListOffsets' timestamps for them. Out: offsets.
rd_kafka_resp_err_t offset_lookup::list_offsets(rd_kafka_topic_partition_list_t& times) {
  if (const rd_kafka_resp_err_t failure = rd_kafka_offsets_for_times(client_, &times, attempt_ms_max);
      failure != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure;
  }
  for (int i = 0; i < times.cnt; ++i) {
    if (times.elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return times.elems[i].err;
    if (times.elems[i].offset < 0) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

std::int32_t offset_lookup::partitions_of(const std::string& topic) {
  const topic_handle of(rd_kafka_topic_new(client_, topic.c_str(), nullptr));
  const rd_kafka_metadata_t* known = nullptr;
  if (!of || rd_kafka_metadata(client_, 0, of.get(), &known, attempt_ms_max) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return 0;
  const std::int32_t count = known->topic_cnt == 1 ? known->topics[0].partition_cnt : 0;
  rd_kafka_metadata_destroy(known);
  return count;
}

// How many partitions the topics of `missing` had when the group began, by what its commits say; the
// partitions of today where it has committed nothing yet. `begun`: the group has committed an offset of the
// topic.
rd_kafka_resp_err_t offset_lookup::find_group_start(
    const std::map<std::string, std::vector<std::int32_t>>& missing, lookup_answer& answer,
    std::map<std::string, bool>& begun) {
  for (const auto& [topic, partitions] : missing) {
    const std::int32_t count = partitions_of(topic);
    if (count <= 0) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    partition_list all = make_partition_list(static_cast<std::size_t>(count));
    rd_kafka_topic_partition_list_add_range(all.get(), topic.c_str(), 0, count - 1);
    if (const rd_kafka_resp_err_t failure = committed(*all); failure != RD_KAFKA_RESP_ERR_NO_ERROR)
      return failure;
    std::optional<std::int32_t> start;
    for (const auto& each : std::span(all->elems, static_cast<std::size_t>(all->cnt))) {
      if (each.offset < 0) continue;
      begun[topic] = true;
      std::string_view metadata(static_cast<const char*>(each.metadata), each.metadata_size);
      const std::optional<std::int32_t> said = take_group_start(metadata);
      if (said) start = std::min(start.value_or(*said), *said);
    }
    if (!begun[topic]) start = count;
    if (start) answer.group_start[topic] = *start;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// `start_from` is for the partitions that the topic had when the group began. One that was added later is
// read from its beginning: it holds nothing from before the group. A group whose commits do not say how many
// there were (committed by an operator, or by an earlier version) is taken for older than a partition without
// an offset, except under `fail`.
rd_kafka_resp_err_t offset_lookup::resolve_first(lookup_answer& answer) {
  std::map<std::string, std::vector<std::int32_t>> missing;
  for (int i = 0; i < answer.offsets->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = answer.offsets->elems[i];
    if (each.offset < 0) missing[each.topic].push_back(each.partition);
  }
  if (missing.empty()) return RD_KAFKA_RESP_ERR_NO_ERROR;
  std::map<std::string, bool> begun;
  if (start_from_ != start_position::earliest) {
    if (const rd_kafka_resp_err_t failure = find_group_start(missing, answer, begun);
        failure != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure;
    }
  }
  partition_list times = make_partition_list(0);
  for (const auto& [topic, partitions] : missing) {
    const auto start = answer.group_start.find(topic);
    const bool known = start != answer.group_start.end();
    for (const std::int32_t partition : partitions) {
      first_position& first = answer.first[{topic, partition}];
      const bool added_later =
          begun[topic] && (known ? partition >= start->second : start_from_ == start_position::latest);
      if (start_from_ == start_position::latest && !added_later) first.origin = stream::position_origin::end;
      first.refused = start_from_ == start_position::fail && !added_later;
      rd_kafka_topic_partition_list_add(times.get(), topic.c_str(), partition)->offset =
          first.origin == stream::position_origin::end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    }
  }
  if (const rd_kafka_resp_err_t failure = list_offsets(*times); failure != RD_KAFKA_RESP_ERR_NO_ERROR)
    return failure;
  for (int i = 0; i < times->cnt; ++i) {
    answer.first[{times->elems[i].topic, times->elems[i].partition}].offset = times->elems[i].offset;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// A timeout counts as no answer: a broker may be too old to know, or refuse the request.
topics_told offset_lookup::describe(const rd_kafka_topic_partition_list_t& of) {
  topics_told told;
  std::set<std::string> asked;
  for (int i = 0; i < of.cnt; ++i) asked.emplace(of.elems[i].topic);
  std::vector<const char*> names;
  names.reserve(asked.size());
  for (const std::string& name : asked) names.push_back(name.c_str());

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
    const char* const name = rd_kafka_TopicDescription_name(described[i]);
    const rd_kafka_error_t* failure = rd_kafka_TopicDescription_error(described[i]);
    const rd_kafka_resp_err_t code =
        failure == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(failure);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) told.denied.emplace_back(name);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const rd_kafka_Uuid_t* id = rd_kafka_TopicDescription_topic_id(described[i]);
    // Brokers before 2.8 know no ids.
    const bool known =
        rd_kafka_Uuid_most_significant_bits(id) != 0 || rd_kafka_Uuid_least_significant_bits(id) != 0;
    told.ids.emplace(name, known ? rd_kafka_Uuid_base64str(id) : "");
  }
  return told;
}

void offset_lookup::fall_silent() {
  const std::lock_guard lock(mutex_);
  silent_ = true;
  stop_ = true;
}

// The mutex is held.
void offset_lookup::wake() {
  if (!silent_) worker_.wake();
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
      if (final || asked.of == subject::offsets) answers_.push_back(std::move(answer));
      wake();
      if (final) break;
      changed_.wait_for(lock, pause, unwanted);
    }
    asking_ = false;
    wake();
  }
}

}  // namespace millrace::kafka
