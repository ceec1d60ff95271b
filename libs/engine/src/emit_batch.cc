#include "emit_batch.h"

#include <algorithm>

#include <millrace/avro/framing.h>

namespace millrace::engine {
namespace {

// What the buffers of one processor keep for the next record.
constexpr std::size_t kept_bytes_max = 4U << 10U;

}  // namespace

byte_buffer& emit_batch::begin(const statements::output_declaration& to, std::string_view key) {
  if (used_ == all_.size()) all_.push_back(std::make_unique<emission>());
  emission& e = *all_[used_];
  e.to = &to;
  e.outstanding = e.acknowledged = false;
  const bytes_view bytes = as_bytes(key);
  e.key.assign(bytes.begin(), bytes.end());
  e.value.clear();
  if (to.schema_id() >= 0) avro::append_frame(to.schema_id(), e.value);
  ++used_;  // last: nothing before it left half an emit behind, if it threw
  return e.value;
}

bool emit_batch::all_acknowledged() const noexcept {
  return std::all_of(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(used_),
                     [](const std::unique_ptr<emission>& e) { return e->acknowledged; });
}

std::size_t emit_batch::bytes_held() noexcept {
  for (; counted_ < used_; ++counted_)
    bytes_ += all_[counted_]->key.capacity() + all_[counted_]->value.capacity();
  return bytes_;
}

void emit_batch::clear() noexcept {
  used_ = counted_ = bytes_ = 0;
  failure_.reset();
}

void emit_batch::recycle() noexcept {
  std::size_t kept = 0;
  std::size_t count = 0;
  for (; count < all_.size(); ++count) {
    kept += all_[count]->key.capacity() + all_[count]->value.capacity() + sizeof(emission);
    if (kept > kept_bytes_max) break;
  }
  all_.resize(count);
  clear();
}

}  // namespace millrace::engine
