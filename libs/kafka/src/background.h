// Work that nothing waits for.
#pragma once

#include <memory>
#include <system_error>
#include <thread>
#include <utility>

namespace millrace::kafka {

// Calls `work` on a thread of its own, or on this one when the system has no thread left: a destructor that calls it
// would otherwise end the process.
template <typename Work>
void in_background(Work work) {
  // Held here: an attempt to start a thread must not destroy it.
  const auto held = std::make_shared<Work>(std::move(work));
  try {
    std::thread([held] { (*held)(); }).detach();
  } catch (const std::system_error&) {
    (*held)();
  }
}

}  // namespace millrace::kafka
