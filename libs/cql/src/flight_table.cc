#include "flight_table.h"

#include <algorithm>
#include <utility>

namespace millrace::cql {

std::uint32_t flight_table::take(flight::role as, instant started, std::uint32_t timeout_ms) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(flights_.size()));
    flights_.emplace_back();
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  flight& taken = flights_[place];
  taken.as = as;
  taken.is = flight::state::queued;
  taken.started = started;
  begin_deadline(place, timeout_ms);
  return place;
}

void flight_table::give_back(std::uint32_t place) {
  flight& done = flights_[place];
  end_deadline(done);
  done.request = nullptr;
  if (done.more) done.more.reset();
  done.over = nullptr;
  done.twin = none;
  ++done.generation;
  done.is = flight::state::free;
  done.tries = 0;
  done.speculations = 0;
  done.prepared = 0;
  done.has_token = false;
  done.has_timestamp = false;
  done.in_window = false;
  free_.push_back(place);
}

std::uint32_t flight_table::overdue(instant now) const noexcept {
  for (const deadline_list& list : lists_) {
    if (list.first != none && flights_[list.first].deadline <= now) return list.first;
  }
  return none;
}

void flight_table::begin_deadline(std::uint32_t place, std::uint32_t timeout_ms) {
  auto list = std::find_if(lists_.begin(), lists_.end(),
                           [timeout_ms](const deadline_list& each) { return each.timeout_ms == timeout_ms; });
  if (list == lists_.end()) {
    lists_.push_back({timeout_ms, none, none});
    list = lists_.end() - 1;
  }
  flight& of = flights_[place];
  of.deadline_list = static_cast<std::uint16_t>(list - lists_.begin());
  of.deadline = of.started + milliseconds(timeout_ms);
  of.before = list->last;
  of.after = none;
  (list->last == none ? list->first : flights_[list->last].after) = place;
  list->last = place;
}

void flight_table::end_deadline(const flight& of) {
  deadline_list& list = lists_[of.deadline_list];
  (of.before == none ? list.first : flights_[of.before].after) = of.after;
  (of.after == none ? list.last : flights_[of.after].before) = of.before;
}

}  // namespace millrace::cql
