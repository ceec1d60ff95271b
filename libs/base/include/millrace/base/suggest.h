// The nearest of some names, for messages: "did you mean".
//
// Example:
//
//   const auto meant = nearest("kafak", {"kafka", "registry"});
//   invariant(meant == "kafka", "two neighbours were swapped");
//   invariant(!nearest("group", {"kafka", "registry"}), "nothing is near");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// Returns the number of insertions, deletions, replacements and swaps of neighbours that turn one text into the
// other. ASCII case is ignored. For texts of more than 1,024 bytes: the longer size.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// Returns the nearest candidate that is near enough to be what was meant: at most a third of its length away, three
// at most.
[[nodiscard]] std::optional<std::string> nearest(std::string_view wanted,
                                                 const std::vector<std::string>& candidates);
// Returns the nearest candidate, however far; nullopt without a candidate.
[[nodiscard]] std::optional<std::string> closest(std::string_view wanted,
                                                 const std::vector<std::string>& candidates);
// Returns "; did you mean 'NAME'?" with the nearest candidate, or an empty text.
[[nodiscard]] std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& candidates);

}  // namespace millrace
