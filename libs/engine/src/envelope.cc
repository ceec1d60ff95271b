#include "envelope.h"

#include <utility>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>

namespace millrace::engine {

envelope::envelope(record_host& host, std::span<const value_format* const> formats,
                   std::size_t processor_count)
    : runs(host, *this, processor_count), host_(host), formats_(formats), slots_(formats.size()) {
  use_one_of_slots(0);
}

value_slot& envelope::slot_at(std::size_t which) {
  std::unique_ptr<value_slot>& slot = slots_[which];
  if (slot == nullptr) {
    slot = formats_[which]->make_slot();
    slot->set_bytes_max(host_.environment().options.decoded_bytes_max);
  }
  return *slot;
}

void envelope::use_one_of_slots(std::size_t which) {
  value_slot& wanted = slot_at(which);
  if (slot_ == &wanted) return;
  slot_ = &wanted;
  value_ = wanted.value();
}

std::size_t envelope::bytes_held_by_slots() const noexcept {
  std::size_t all = 0;
  for (const std::unique_ptr<value_slot>& each : slots_) all += each == nullptr ? 0 : each->bytes_held();
  return all;
}

void envelope::trim_each_slot(std::size_t bytes_max) noexcept {
  for (const std::unique_ptr<value_slot>& each : slots_) {
    if (each != nullptr) each->trim(bytes_max);
  }
}

void envelope::fill(stream::record_ref block, assignment& of, instant at) {
  block_ = std::move(block);
  assignment_ = assignment_ref(&of);
  topic_ = of.topic;
  taken_at = at;
  unended = runs.size();
  readers = 0;
  schema_id = -1;
  unwanted = 0;
  key_value_ = nullptr;
  filtered = queued = started = condemned = abandoned = let_go = dead_counted = false;
}

bool envelope::still_counts() {
  invariant(outstanding > 0, "a callback belongs to an outstanding operation");
  --outstanding;
  if (!abandoned || mutated(stream::mutation::drop_the_closed_check)) return true;
  if (outstanding > 0) return false;
  static_cast<unsettled_hook&>(*this).unlink();  // of what is abandoned
  host_.abandoned_attempt_ended(*this);
  return false;
}

void envelope::recycle() noexcept {
  invariant(outstanding == 0 && key_hash == 0, "a record that is released has nothing outstanding");
  runs.reset();
  followed.reset();
  host_.recycled(*this);
  block_ = {};
  assignment_ = {};
}

envelope& envelope_pool::take() {
  ++in_use_;
  if (free_ != nullptr) {
    envelope& e = *free_;
    free_ = e.next_free;
    e.next_free = nullptr;
    return e;
  }
  return all_.emplace_back(host_, formats_, processor_count_);
}

std::size_t envelope_pool::trim() noexcept {
  std::size_t given_back = 0;
  for (envelope* e = free_; e != nullptr; e = e->next_free) {
    e->trim_slots(0);
    const std::size_t kept = e->slot_bytes_held();
    given_back += e->decoded_bytes - kept;
    e->decoded_bytes = kept;
  }
  return given_back;
}

void envelope_pool::give_back(envelope& e) noexcept {
  --in_use_;
  e.next_free = free_;
  free_ = &e;
}

}  // namespace millrace::engine
