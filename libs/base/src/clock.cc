#include <millrace/base/clock.h>

namespace millrace {
namespace {

class real_clock final : public clock {
 public:
  [[nodiscard]] instant now() const noexcept override {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<nanoseconds>(since).count()};
  }
  [[nodiscard]] timestamp_micros wall() const noexcept override {
    return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
  }
};

}  // namespace

const clock& system_clock() noexcept {
  static const real_clock instance;
  return instance;
}

}  // namespace millrace
