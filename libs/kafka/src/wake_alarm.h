// A timer that wakes the loop, so that its step is served.
#pragma once

#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>

namespace millrace::kafka {

class wake_alarm final : public runtime::timer {
 public:
  explicit wake_alarm(runtime::loop& worker) : worker_(worker) {}

 private:
  void on_timer() override { worker_.wake(); }
  runtime::loop& worker_;
};

}  // namespace millrace::kafka
