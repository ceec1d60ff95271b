#include "background.h"

#include <cerrno>
#include <cstddef>
#include <future>
#include <iterator>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace millrace::kafka {
namespace {

// Makes the start of a thread fail on the calling thread. Returns false when the kernel does not allow filters.
bool refuse_threads() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(in_background, runs_its_work_on_another_thread) {
  std::promise<std::thread::id> ran;
  in_background([&ran] { ran.set_value(std::this_thread::get_id()); });
  EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
}

TEST(in_background, runs_its_work_at_once_when_the_system_has_no_thread_left) {
  bool refused = false;
  std::thread::id ran;
  std::thread::id caller;
  std::thread([&] {
    refused = refuse_threads();
    if (!refused) return;
    caller = std::this_thread::get_id();
    in_background([&ran] { ran = std::this_thread::get_id(); });
  }).join();
  if (!refused) GTEST_SKIP() << "the kernel does not allow seccomp filters";
  EXPECT_EQ(ran, caller);
}

}  // namespace
}  // namespace millrace::kafka
