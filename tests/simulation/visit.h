// The value of a record: a number, a word, and cells that hold 24 bytes each for a byte of the wire. Its slots
// count their memory, which the engine's byte budget is to know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <millrace/engine/value.h>
#include <millrace/simulation/parcel.h>

namespace scenario {

using cell_bytes = std::array<std::byte, 24>;

struct visit {
  std::int64_t number = 0;
  std::string_view word;
  std::vector<cell_bytes> cells;
};

// The memory of all slots of a member, and that of its process.
struct slot_memory {
  std::size_t bytes = 0;
  std::size_t* of_process = nullptr;
};
// Slots that are made belong to the member that runs.
[[nodiscard]] slot_memory*& slots_of_running_member() noexcept;

// A visit in the Confluent wire format: a parcel, and the cells.
[[nodiscard]] millrace::byte_buffer framed_visit(std::int32_t schema_id, std::int64_t number,
                                                 std::string_view word, std::size_t cells);

}  // namespace scenario

namespace millrace::engine {

template <>
struct value_traits<scenario::visit> {
  [[nodiscard]] static const value_format& format();
};

}  // namespace millrace::engine
