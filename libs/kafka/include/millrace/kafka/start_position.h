// Where a consumer starts.
#pragma once

#include <cstdint>

namespace millrace::kafka {

// Action where the group has no committed offset.
enum class start_position : std::uint8_t { earliest, latest, fail };

}  // namespace millrace::kafka
