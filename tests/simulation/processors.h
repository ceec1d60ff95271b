// The processors of a member, and the words of records that make them do what user code does.
#pragma once

#include <string_view>

#include <millrace/engine/processor.h>

namespace scenario {

class member;

namespace words {
inline constexpr std::string_view good = "good";
inline constexpr std::string_view skip = "skip";
inline constexpr std::string_view bad = "bad";  // the user's dead letter
// Every attempt throws, before its first wait or after it; or only the first attempt does.
inline constexpr std::string_view throws_at_once = "throw";
inline constexpr std::string_view throws_late = "throw-late";
inline constexpr std::string_view stumbles_at_once = "stumble";
inline constexpr std::string_view stumbles_late = "stumble-late";
// While there are faults: waits for seconds, or for something that never comes.
inline constexpr std::string_view sleeps = "sleep";
inline constexpr std::string_view hangs = "hang";
// Emits as many records as it may, or one more.
inline constexpr std::string_view emits_many = "many";
inline constexpr std::string_view emits_too_many = "too-many";
}  // namespace words

inline constexpr std::string_view select_profile = "SELECT segment FROM profile WHERE id = ?";
inline constexpr std::string_view insert_visit = "INSERT INTO visit (number) VALUES (?)";
inline constexpr std::string_view insert_latest = "INSERT INTO latest (key, number) VALUES (?, ?)";

// "writing" and "emitting". What was redriven for another name belongs to a processor that was renamed.
inline constexpr std::string_view renamed_processor = "renamed";
[[nodiscard]] millrace::engine::processors build_processors(member& owner);

}  // namespace scenario
