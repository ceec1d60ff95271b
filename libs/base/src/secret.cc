#include <algorithm>
#include <cstring>
#include <ostream>
#include <utility>

#include <millrace/base/secret.h>

namespace millrace {

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // also what an earlier, longer value left behind; within the capacity
  explicit_bzero(text.data(), text.size());
  text.clear();
}

secret::secret(std::string_view value) : bytes_(new char[value.size()]), size_(value.size()) {
  std::ranges::copy(value, bytes_.get());
}

secret::secret(secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

secret& secret::operator=(const secret& other) {
  if (this != &other) *this = secret(other);
  return *this;
}

secret& secret::operator=(secret&& other) noexcept {
  if (this != &other) {
    clear();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void secret::clear() noexcept {
  if (bytes_) explicit_bzero(bytes_.get(), size_);
  bytes_.reset();
  size_ = 0;
}

bool operator==(const secret& a, const secret& b) noexcept {
  if (a.size_ != b.size_) return false;
  unsigned different = 0;
  for (std::size_t i = 0; i < a.size_; ++i) {
    different |= static_cast<unsigned>(static_cast<unsigned char>(a.bytes_[i]) ^
                                       static_cast<unsigned char>(b.bytes_[i]));
  }
  return different == 0;
}

std::ostream& operator<<(std::ostream& to, const secret&) { return to << "***"; }

}  // namespace millrace
