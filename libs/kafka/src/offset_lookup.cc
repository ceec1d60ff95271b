#include "offset_lookup.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::kafka {
namespace {

constexpr int attempt_ms_max = 3'000;
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
    answer.offsets = std::move(offsets);
  } else {
    answer.final = needs_an_operator(answer.failure);
  }
  return answer;
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
