// How long somebody who failed is left alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include <millrace/base/clock.h>

namespace millrace::registry {

class backoff {
 public:
  backoff(milliseconds first, milliseconds most)
      : first_(first), most_(most), random_(std::random_device{}()) {}

  // Until when, after one more failure. Doubles with each; up to half is taken off at random.
  [[nodiscard]] instant failed(instant now) {
    failures_ = std::min(failures_ + 1, 30U);
    const nanoseconds whole =
        std::min<nanoseconds>(nanoseconds(first_) * (std::int64_t{1} << (failures_ - 1U)), most_);
    std::uniform_real_distribution<double> share(0.5, 1.0);
    return now + nanoseconds(static_cast<std::int64_t>(share(random_) * static_cast<double>(whole.count())));
  }
  void succeeded() noexcept { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }

 private:
  milliseconds first_;
  milliseconds most_;
  std::uint32_t failures_ = 0;
  std::minstd_rand random_;
};

}  // namespace millrace::registry
