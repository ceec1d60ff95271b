#include "tablet_map.h"

#include <algorithm>
#include <utility>

namespace millrace::cql {

void tablet_map::learn(std::int64_t after, std::int64_t last, std::vector<replica> replicas) {
  if (after >= last) return;
  // Those that end behind `after` and begin before `last` overlap.
  const auto begin = std::partition_point(tablets_.begin(), tablets_.end(),
                                          [after](const tablet& each) { return each.last <= after; });
  const auto end =
      std::partition_point(begin, tablets_.end(), [last](const tablet& each) { return each.after < last; });
  tablet learnt{after, last, std::move(replicas)};
  if (begin == end) {
    tablets_.insert(begin, std::move(learnt));
    return;
  }
  *begin = std::move(learnt);
  tablets_.erase(begin + 1, end);
}

std::span<const tablet_map::replica> tablet_map::find(std::int64_t token) const noexcept {
  const auto found = std::partition_point(tablets_.begin(), tablets_.end(),
                                          [token](const tablet& each) { return each.last < token; });
  if (found == tablets_.end() || found->after >= token) return {};
  return found->replicas;
}

void tablet_map::forget_node(std::uint32_t node) {
  std::erase_if(tablets_, [node](const tablet& each) {
    return std::any_of(each.replicas.begin(), each.replicas.end(),
                       [node](const replica& has) { return has.node == node; });
  });
}

}  // namespace millrace::cql
