#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

// Work for a step that has already run in this turn.
class late_work final : public step {
 public:
  late_work(loop& l, phase for_step) : loop_(l), for_(for_step) {}
  bool on_turn() override {
    if (!std::exchange(done_, true)) loop_.turn_again_for(for_);
    return false;
  }

 private:
  loop& loop_;
  phase for_;
  bool done_ = false;
};

TEST(Loop, WorkForAStepThatHasAlreadyRunGetsAnotherTurnBeforeSleep) {
  manual_clock time;
  for (const auto& [at, turns] : {std::pair{phase::submit, 2U}, {phase::settle, 2U}, {phase::intake, 1U}}) {
    loop l(time);
    late_work late(l, phase::submit);
    l.add_step(at, late);
    EXPECT_EQ(l.run_pending(), turns) << "a step that comes later in the turn needs no other one";
    l.remove_step(late);
  }
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

// Makes epoll_pwait2 fail with `code` on the calling thread, as older kernels and seccomp profiles do. Returns
// false when the kernel does not allow filters.
bool refuse_epoll_pwait2(int code) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(code)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

class LoopWithoutEpollPwait2 : public testing::TestWithParam<int> {
 protected:
  // Runs `test` on a thread on which epoll_pwait2 fails.
  void run(const std::function<void()>& test) {
    bool refused = false;
    std::thread([&] {
      refused = refuse_epoll_pwait2(GetParam());
      if (refused) test();
    }).join();
    if (!refused) GTEST_SKIP() << "the kernel does not allow seccomp filters";
  }
};

TEST_P(LoopWithoutEpollPwait2, ServesItsDescriptors) {
  run([] {
    loop l(system_clock());
    const int fd = ::eventfd(1, EFD_NONBLOCK);
    int calls = 0;
    ASSERT_TRUE(l.watch(fd, [&] { ++calls; }));
    l.run_turn(seconds(3600));
    EXPECT_EQ(calls, 1);
    l.unwatch(fd);
    ::close(fd);
  });
}

TEST_P(LoopWithoutEpollPwait2, IsEndedByAWakeFromAnotherThread) {
  run([] {
    loop l(system_clock());
    std::thread other([&l] { l.stop(); });
    l.run();  // would hang for ever if the wake could be lost
    other.join();
  });
}

TEST_P(LoopWithoutEpollPwait2, SleepsUntilATimerIsDueAndNotShorter) {
  run([] {
    loop l(system_clock());
    struct bell final : timer {
      explicit bell(loop& rung) : of(rung) {}
      void on_timer() override { of.stop(); }
      loop& of;
    } due(l);
    l.start(due, std::chrono::microseconds(300));
    l.run();
    EXPECT_LE(l.turns(), 2U) << "a timeout that is rounded down makes the loop spin";
  });
}

INSTANTIATE_TEST_SUITE_P(Kernels, LoopWithoutEpollPwait2, testing::Values(ENOSYS, EPERM),
                         [](const auto& code) { return code.param == ENOSYS ? "Old" : "Refusing"; });

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
