// "Did you mean": the nearest of some names.
//
// Example:
//
//   const std::vector<std::string> known = {"enrich_visits", "count_visits"};
//   invariant(nearest("enrich_visit", known) == "enrich_visits", "one character is missing");
//   invariant(!nearest("something_else", known), "nothing is near");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other, ASCII case
// ignored.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest candidate, if it is near enough to be what was meant: at most a third of its length away, three
// at most.
[[nodiscard]] std::optional<std::string> nearest(std::string_view wanted,
                                                 const std::vector<std::string>& candidates);

}  // namespace millrace
