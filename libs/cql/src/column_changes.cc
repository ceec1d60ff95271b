#include "column_changes.h"

#include <millrace/cql/type.h>

namespace millrace::cql {
namespace {

bool fits(const statements::column& before, const statements::column& after) {
  if (before.name != after.name) return false;
  if (before.type == after.type) return true;
  const auto expected = type::parse(before.type);
  const auto actual = type::parse(after.type);
  return expected && actual && can_read(*expected, *actual);
}

}  // namespace

std::optional<std::string> changed(const std::vector<statements::column>& before,
                                   const std::vector<statements::column>& after) {
  if (before.size() != after.size()) {
    return std::to_string(before.size()) + " columns became " + std::to_string(after.size());
  }
  for (std::size_t k = 0; k < before.size(); ++k) {
    if (fits(before[k], after[k])) continue;
    return "'" + before[k].name + "' was " + before[k].type + " and '" + after[k].name + "' is " +
           after[k].type;
  }
  return std::nullopt;
}

}  // namespace millrace::cql
