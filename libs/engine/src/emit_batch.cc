#include "emit_batch.h"

#include <algorithm>

#include <millrace/avro/framing.h>

namespace millrace::engine {
namespace {

// What the buffers of one processor keep for the next record.
constexpr std::size_t kept_bytes_max = 4U << 10U;

}  // namespace

void emission_headers::add(const stream::emit_header& header) {
  const bytes_view name = as_bytes(header.name);
  bytes_.insert(bytes_.end(), name.begin(), name.end());
  header_size sizes{static_cast<std::uint32_t>(name.size()), std::nullopt};
  if (header.value) {
    bytes_.insert(bytes_.end(), header.value->begin(), header.value->end());
    sizes.value = static_cast<std::uint32_t>(header.value->size());
  }
  sizes_.push_back(sizes);
}

void emission_headers::append_to(std::vector<stream::header_view>& all) const {
  bytes_view rest = bytes_;
  const auto next = [&rest](std::uint32_t size) {
    const bytes_view taken = rest.first(size);
    rest = rest.subspan(size);
    return taken;
  };
  for (const header_size& each : sizes_) {
    stream::header_view& header = all.emplace_back();
    header.name = as_text(next(each.name));
    if (each.value) header.value = next(*each.value);
  }
}

bool emission_headers::contains(std::string_view name) const noexcept {
  std::size_t at = 0;
  for (const header_size& each : sizes_) {
    if (as_text(bytes_view(bytes_).subspan(at, each.name)) == name) return true;
    at += each.name + each.value.value_or(0);
  }
  return false;
}

byte_buffer& emit_batch::begin(const stream::emit_request& what, std::optional<timestamp> created) {
  if (used_ == all_.size()) all_.push_back(std::make_unique<emission>());
  emission& e = *all_[used_];
  e.to = &what.to;
  e.outstanding = e.acknowledged = false;
  e.null_key = !what.key;
  e.key.clear();
  if (what.key) e.key.assign(what.key->begin(), what.key->end());
  e.tombstone = what.tombstone;
  e.value.clear();
  if (!what.tombstone && what.to.schema_id() >= 0) avro::append_frame(what.to.schema_id(), e.value);
  e.created = created;
  e.partition.reset();
  e.headers.clear();
  if (what.options != nullptr) {
    e.partition = what.options->partition;
    for (const stream::emit_header& header : what.options->headers) e.headers.add(header);
  }
  ++used_;  // last: nothing before it left half an emit behind, if it threw
  return e.value;
}

bool emit_batch::all_acknowledged() const noexcept {
  return std::all_of(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(used_),
                     [](const std::unique_ptr<emission>& e) { return e->acknowledged; });
}

std::size_t emit_batch::bytes_held() noexcept {
  for (; counted_ < used_; ++counted_) bytes_ += sizeof(emission) + all_[counted_]->bytes_held();
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
    kept += sizeof(emission) + all_[count]->bytes_held();
    if (kept > kept_bytes_max) break;
  }
  all_.resize(count);
  clear();
}

}  // namespace millrace::engine
