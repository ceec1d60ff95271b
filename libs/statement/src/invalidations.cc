#include <algorithm>
#include <cstdint>
#include <cstring>

#include <millrace/statement/invalidations.h>

namespace millrace::statements {

invalidation_inbox::invalidation_inbox(invalidation_channel& of) : channel_(of) { channel_.join(*this); }
invalidation_inbox::~invalidation_inbox() { channel_.leave(*this); }

void invalidation_inbox::post(bytes_view key) {
  const std::lock_guard lock(mutex_);
  if (everything_ || posted_.size() + length_bytes + key.size() > bytes_max) {
    everything_ = true;
    posted_.clear();
  } else {
    const auto length = static_cast<std::uint32_t>(key.size());
    const auto* bytes = reinterpret_cast<const std::byte*>(&length);
    posted_.insert(posted_.end(), bytes, bytes + length_bytes);
    posted_.insert(posted_.end(), key.begin(), key.end());
  }
  pending_.store(true, std::memory_order_release);
}

std::size_t invalidation_inbox::length_of(bytes_view rest) noexcept {
  std::uint32_t length = 0;
  std::memcpy(&length, rest.data(), length_bytes);
  return length;
}

bool invalidation_inbox::take() {
  taken_.clear();
  const std::lock_guard lock(mutex_);
  pending_.store(false, std::memory_order_relaxed);
  taken_.swap(posted_);
  const bool everything = everything_;
  everything_ = false;
  return everything;
}

void invalidation_channel::post(bytes_view key) {
  const std::lock_guard lock(mutex_);
  for (invalidation_inbox* inbox : inboxes_) inbox->post(key);
}

void invalidation_channel::join(invalidation_inbox& inbox) {
  const std::lock_guard lock(mutex_);
  inboxes_.push_back(&inbox);
}

void invalidation_channel::leave(invalidation_inbox& inbox) {
  const std::lock_guard lock(mutex_);
  std::erase(inboxes_, &inbox);
}

invalidation_channel& invalidation_board::channel(std::string_view lookup) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(lookup);
  if (found != channels_.end()) return *found->second;
  return *channels_.emplace(std::string(lookup), std::make_unique<invalidation_channel>()).first->second;
}

}  // namespace millrace::statements
