#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/mailbox.h>

namespace millrace::runtime {
namespace {

TEST(Mailbox, RefusesWhenFull) {
  manual_clock time;
  loop l(time);
  mailbox<int> box(l, 1);
  EXPECT_TRUE(box.post(1));
  EXPECT_FALSE(box.post(2));
  std::vector<int> got;
  box.take(got);
  EXPECT_EQ(got, (std::vector<int>{1}));
  EXPECT_TRUE(box.post(3));
  box.take(got);
}

TEST(Mailbox, NoMessageAndNoWakeUpIsLost) {
  constexpr int per_thread = 20'000;
  constexpr int thread_count = 3;
  loop l(system_clock());
  mailbox<int> box(l, SIZE_MAX);
  std::vector<std::thread> threads;
  threads.reserve(thread_count);
  for (int t = 0; t < thread_count; ++t) {
    threads.emplace_back([&box, t] {
      for (int i = 0; i < per_thread; ++i) ASSERT_TRUE(box.post(t * per_thread + i));
    });
  }
  std::vector<int> last(thread_count, -1);
  std::vector<int> got;
  int received = 0;
  while (received < per_thread * thread_count) {
    box.take(got);
    for (const int message : got) {
      auto& previous = last[static_cast<std::size_t>(message / per_thread)];
      EXPECT_LT(previous, message) << "messages of one thread stay in order";
      previous = message;
    }
    received += static_cast<int>(got.size());
    if (got.empty()) l.run_turn(seconds(3600));  // hangs if a wake-up is lost
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace::runtime
