#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <millrace/runtime/loop.h>

namespace millrace::runtime {
namespace {

class logging_step final : public step {
 public:
  logging_step(std::string& log, char name, int more = 0) : log_(log), name_(name), more_(more) {}
  bool on_turn() override {
    log_.push_back(name_);
    return more_-- > 0;
  }

 private:
  std::string& log_;
  char name_;
  int more_;
};

TEST(Loop, StepsRunInOrderOfTheirPhase) {
  manual_clock time;
  loop l(time);
  std::string log;
  logging_step settle(log, 's');
  logging_step intake(log, 'i');
  logging_step submit(log, 'q');
  l.add_step(phase::settle, settle);
  l.add_step(phase::intake, intake);
  l.add_step(phase::submit, submit);
  l.run_pending();
  EXPECT_EQ(log, "iqs");
  l.remove_step(settle);
  l.remove_step(intake);
  l.remove_step(submit);
}

TEST(Loop, AStepWithMoreToDoGetsAnotherTurnBeforeSleep) {
  manual_clock time;
  loop l(time);
  std::string log;
  logging_step intake(log, 'i', 2);
  l.add_step(phase::intake, intake);
  EXPECT_EQ(l.run_pending(), 3U);
  EXPECT_EQ(log, "iii");
  l.remove_step(intake);
}

TEST(Loop, AWakeFromAnotherThreadEndsTheSleep) {
  loop l(system_clock());
  std::thread other([&l] { l.stop(); });
  l.run();  // would hang for ever if the wake could be lost
  other.join();
}

TEST(Loop, AWakeBeforeTheSleepIsNotLost) {
  loop l(system_clock());
  l.wake();
  l.run_turn(seconds(3600));  // hangs if lost
}

TEST(Loop, CallsTheOwnerOfAReadableDescriptor) {
  loop l(system_clock());
  const int fd = ::eventfd(1, EFD_NONBLOCK);
  int calls = 0;
  ASSERT_TRUE(l.watch(fd, [&] {
    ++calls;
    l.unwatch(fd);
  }));
  l.run_turn(seconds(3600));
  l.run_turn(nanoseconds(0));
  EXPECT_EQ(calls, 1);
  ::close(fd);
}

TEST(Loop, WatchingAClosedDescriptorIsAnError) {
  loop l(system_clock());
  const auto watched = l.watch(-1, [] {});
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().code(), errc::io_error);
}

TEST(LoopDeathTest, DestructionWithARemainingStepAborts) {
  std::string log;
  logging_step orphan(log, 'o');
  EXPECT_DEATH(
      {
        loop l(system_clock());
        l.add_step(phase::intake, orphan);
      },
      "every step is removed");
}

}  // namespace
}  // namespace millrace::runtime
