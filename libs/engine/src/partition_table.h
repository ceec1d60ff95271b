// The assigned partitions. Only `assignments` adds and removes any.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include <millrace/stream/record.h>

#include "assignment.h"

namespace millrace::engine {

class partition_table {
 public:
  using map = std::map<stream::partition_id, assignment_ref>;

  [[nodiscard]] assignment* find(stream::partition_id id) {
    if (last_found_ != nullptr && last_found_->id == id) return last_found_;
    const auto found = all_.find(id);
    if (found == all_.end()) return nullptr;
    return last_found_ = &*found->second;
  }
  void add(assignment_ref made) {
    const stream::partition_id id = made->id;
    all_.emplace(id, std::move(made));
  }
  // May destroy `a`.
  void remove(const assignment& a) {
    last_found_ = nullptr;
    const auto found = all_.find(a.id);
    if (found != all_.end() && found->second.is(a)) all_.erase(found);
  }

  [[nodiscard]] map::const_iterator begin() const noexcept { return all_.begin(); }
  [[nodiscard]] map::const_iterator end() const noexcept { return all_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }

 private:
  map all_;
  assignment* last_found_ = nullptr;
};

}  // namespace millrace::engine
