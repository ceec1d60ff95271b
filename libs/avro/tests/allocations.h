// Counts what the whole test program allocates.
#pragma once

#include <cstddef>

namespace millrace::avro {

[[nodiscard]] std::size_t allocations() noexcept;

}  // namespace millrace::avro
