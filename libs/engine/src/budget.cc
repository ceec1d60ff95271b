#include <algorithm>

#include <millrace/engine/budget.h>

namespace millrace::engine {

byte_lease::byte_lease(byte_budget& shared) noexcept
    : shared_(shared), chunk_(std::clamp(shared.bytes_max() / 16, std::size_t{1}, chunk_bytes_max)) {}

void byte_lease::grow() noexcept {
  const std::size_t wanted = ((used_ - leased_) / chunk_ + 1) * chunk_;
  shared_.take(wanted);
  leased_ += wanted;
}

void byte_lease::shrink() noexcept {
  const std::size_t spare = ((leased_ - used_) / chunk_ - 1) * chunk_;
  shared_.give_back(spare);
  leased_ -= spare;
}

}  // namespace millrace::engine
