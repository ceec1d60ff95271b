// What every commit of a group says about its beginning: how many partitions the topic had then. A partition
// that was added later has no history from before the group, so it is read from its beginning whatever
// `start_from` says.
//
// The text "mg1.<partitions>" stands in front of the commit's metadata, with a space behind it when more
// follows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::kafka {

// `metadata` with the text in front; unchanged when `partitions` is not known.
[[nodiscard]] std::string with_group_start(std::optional<std::int32_t> partitions, std::string_view metadata);
// Takes the text off the front of `metadata`; nullopt when there is none.
[[nodiscard]] std::optional<std::int32_t> take_group_start(std::string_view& metadata) noexcept;

}  // namespace millrace::kafka
