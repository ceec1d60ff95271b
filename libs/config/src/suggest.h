// "Did you mean": the nearest of some names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other, ASCII case
// ignored.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest candidate, if it is near enough to be what was meant: at most a third of its length away, three
// at most.
[[nodiscard]] std::optional<std::string> nearest(std::string_view wanted,
                                                 const std::vector<std::string>& candidates);

}  // namespace millrace::config
