#include "envelope.h"

namespace millrace::engine {

run_array::run_array(engine_core& owner, envelope& subject, std::size_t count)
    : first_(std::allocator<processor_run>().allocate(count)), count_(count) {
  for (std::size_t i = 0; i < count; ++i) std::construct_at(first_ + i, owner, subject, i);
}

run_array::~run_array() {
  std::destroy(begin(), end());
  std::allocator<processor_run>().deallocate(first_, count_);
}

envelope::envelope(engine_core& owner, std::unique_ptr<value_slot> room, std::size_t processor_count)
    : runs(owner, *this, processor_count), engine_(owner), slot_(std::move(room)) {
  value_ = slot_->value();
}

void envelope::fill(stream::record_ref block, assignment& of, instant at) {
  block_ = std::move(block);
  assignment_ = assignment_ref(&of);
  topic_ = of.topic;
  taken_at = at;
  unended = runs.size();
  schema_id = -1;
  queued = started = condemned = abandoned = let_go = dead_counted = false;
}

envelope& envelope_pool::take() {
  ++in_use_;
  if (free_ != nullptr) {
    envelope& e = *free_;
    free_ = e.next_free;
    e.next_free = nullptr;
    return e;
  }
  return all_.emplace_back(engine_, format_.make_slot(), processor_count_);
}

void envelope_pool::give_back(envelope& e) noexcept {
  --in_use_;
  e.next_free = free_;
  free_ = &e;
}

}  // namespace millrace::engine
