#include "key_barrier.h"

#include <bit>

#include <millrace/base/assert.h>
#include <millrace/base/key_hash.h>

#include "envelope.h"

namespace millrace::engine {

key_barrier::key_barrier(std::size_t records_max)
    : places_(std::bit_ceil(records_max * 2 + 2)), mask_(places_.size() - 1) {}

std::size_t key_barrier::find(std::uint64_t hash) const noexcept {
  std::size_t at = hash & mask_;
  while (places_[at].tail != nullptr && places_[at].hash != hash) at = (at + 1) & mask_;
  return at;
}

bool key_barrier::enter(envelope& e, std::uint64_t key_hash) {
  invariant(e.key_hash == 0, "a record queues once for its key");
  e.key_hash = key_hash;
  e.next_of_key = nullptr;
  place& mine = places_[find(key_hash)];
  if (mine.tail == nullptr) {
    ++keys_;
    invariant(keys_ * 2 <= places_.size(), "the key table has room for every record in flight");
    mine = {key_hash, &e};
    return true;
  }
  mine.tail->next_of_key = &e;
  mine.tail = &e;
  return false;
}

envelope* key_barrier::leave(envelope& e) {
  const std::size_t at = find(e.key_hash);
  invariant(places_[at].tail != nullptr, "a record that leaves the key table is in it");
  e.key_hash = 0;
  if (places_[at].tail == &e) {
    erase(at);
    return nullptr;
  }
  envelope* next = e.next_of_key;
  e.next_of_key = nullptr;
  return next;
}

void key_barrier::erase(std::size_t hole) noexcept {
  --keys_;
  // Backward shift: no tombstones, so the table never degrades.
  for (std::size_t at = (hole + 1) & mask_; places_[at].tail != nullptr; at = (at + 1) & mask_) {
    const std::size_t home = places_[at].hash & mask_;
    if (((at - home) & mask_) >= ((at - hole) & mask_)) {
      places_[hole] = places_[at];
      hole = at;
    }
  }
  places_[hole].tail = nullptr;
}

std::uint64_t hash_key(std::uint64_t seed, const void* data, std::size_t bytes) noexcept {
  const std::uint64_t hash = key_hash({static_cast<const std::byte*>(data), bytes}, seed);
  return hash == 0 ? 1 : hash;
}

}  // namespace millrace::engine
