#include "envelope.h"

#include <utility>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>

namespace millrace::engine {

envelope::envelope(record_host& host, std::unique_ptr<value_slot> room, std::size_t processor_count)
    : runs(host, *this, processor_count), host_(host), slot_(std::move(room)) {
  slot_->set_bytes_max(host.environment().options.decoded_bytes_max);
  value_ = slot_->value();
}

void envelope::fill(stream::record_ref block, assignment& of, instant at) {
  block_ = std::move(block);
  assignment_ = assignment_ref(&of);
  topic_ = of.topic;
  taken_at = at;
  unended = runs.size();
  schema_id = -1;
  unwanted = 0;
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
  return all_.emplace_back(host_, format_.make_slot(), processor_count_);
}

std::size_t envelope_pool::trim() noexcept {
  std::size_t given_back = 0;
  for (envelope* e = free_; e != nullptr; e = e->next_free) {
    e->slot().trim(0);
    const std::size_t kept = e->slot().bytes_held();
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
