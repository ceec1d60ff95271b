// So many a second, in small bursts.
#pragma once

#include <algorithm>
#include <cstddef>

#include <millrace/base/clock.h>

namespace millrace::app::dlq_commands {

class pace {
 public:
  // `rate` a second, more than 0. The first may go at once.
  pace(double rate, instant now) noexcept : rate_(rate), most_(1 + rate / 10), last_(now) {}

  // How many may go now.
  [[nodiscard]] std::size_t allowed(instant now) noexcept {
    tokens_ = std::min(most_, tokens_ + rate_ * static_cast<double>((now - last_).count()) * 1e-9);
    last_ = now;
    return static_cast<std::size_t>(tokens_);
  }
  void went() noexcept { tokens_ -= 1; }

 private:
  double rate_;
  double most_;
  double tokens_ = 1;
  instant last_;
};

}  // namespace millrace::app::dlq_commands
