// Where encoders write: collects small values, so that the buffer grows by a few large appends.
#pragma once

#include <cstring>

#include <millrace/base/bytes.h>

namespace millrace::avro {

class byte_sink {
 public:
  explicit byte_sink(byte_buffer& out) : out_(out), start_(out.size()) {}

  void put(const void* data, std::size_t size) {
    if (size > sizeof chunk_ - used_) {
      flush();
      if (size > sizeof chunk_) {
        const auto* bytes = static_cast<const std::byte*>(data);
        out_.insert(out_.end(), bytes, bytes + size);
        return;
      }
    }
    if (size != 0) std::memcpy(chunk_ + used_, data, size);
    used_ += size;
  }
  void put_long(std::int64_t value) {
    if (sizeof chunk_ - used_ < 10) flush();
    std::uint64_t rest = (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
    while (rest >= 0x80) {
      chunk_[used_++] = static_cast<std::byte>(rest | 0x80U);
      rest >>= 7U;
    }
    chunk_[used_++] = static_cast<std::byte>(rest);
  }
  void put_bytes(const void* data, std::size_t size) {
    put_long(static_cast<std::int64_t>(size));
    put(data, size);
  }
  void flush() {
    out_.insert(out_.end(), chunk_, chunk_ + used_);
    used_ = 0;
  }
  void abandon() { out_.resize(start_); }

 private:
  byte_buffer& out_;
  std::size_t start_;
  std::size_t used_ = 0;
  std::byte chunk_[512];
};

}  // namespace millrace::avro
