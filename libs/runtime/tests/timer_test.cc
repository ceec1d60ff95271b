#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/timer.h>

namespace millrace::runtime {
namespace {

class logging_timer final : public timer {
 public:
  logging_timer(std::vector<int>& log, int id) : log_(log), id_(id) {}

 private:
  void on_timer() override { log_.push_back(id_); }
  std::vector<int>& log_;
  int id_;
};

TEST(Timer, FiresByDeadlineThenByOrderOfStarting) {
  timer_queue queue;
  std::vector<int> log;
  logging_timer a(log, 1);
  logging_timer b(log, 2);
  logging_timer c(log, 3);
  queue.start(a, {20});
  queue.start(b, {10});
  queue.start(c, {10});
  EXPECT_EQ(queue.fire_due({9}), 0U);
  EXPECT_EQ(queue.fire_due({20}), 3U);
  EXPECT_EQ(log, (std::vector<int>{2, 3, 1}));
}

TEST(Timer, StartingAgainMovesTheDeadline) {
  timer_queue queue;
  std::vector<int> log;
  logging_timer a(log, 1);
  queue.start(a, {10});
  queue.start(a, {30});
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.fire_due({20}), 0U);
  EXPECT_EQ(queue.next_deadline(), instant{30});
}

TEST(Timer, ADestroyedTimerNeverFires) {
  timer_queue queue;
  std::vector<int> log;
  {
    logging_timer gone(log, 1);
    queue.start(gone, {10});
  }
  EXPECT_EQ(queue.fire_due({100}), 0U);
}

TEST(Timer, RandomStartsAndCancelsKeepTheOrder) {
  std::mt19937 random(7);
  timer_queue queue;
  std::vector<int> log;
  std::vector<std::unique_ptr<logging_timer>> timers;
  std::vector<std::int64_t> deadline(500, -1);
  for (int id = 0; id < 500; ++id) {
    timers.push_back(std::make_unique<logging_timer>(log, id));
    deadline[static_cast<std::size_t>(id)] = static_cast<std::int64_t>(random() % 1000);
    queue.start(*timers.back(), {deadline[static_cast<std::size_t>(id)]});
    const std::size_t victim = random() % timers.size();
    if (random() % 3 == 0) {
      timers[victim]->cancel();
      deadline[victim] = -1;
    }
  }
  std::size_t armed = 0;
  for (const auto d : deadline) armed += d >= 0 ? 1U : 0U;
  EXPECT_EQ(queue.fire_due({1000}), armed);
  for (std::size_t i = 1; i < log.size(); ++i) {
    EXPECT_LE(deadline[static_cast<std::size_t>(log[i - 1])], deadline[static_cast<std::size_t>(log[i])]);
  }
}

}  // namespace
}  // namespace millrace::runtime
