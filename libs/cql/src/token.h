// Where a partition is on the ring: the token of its key, as the Murmur3Partitioner of Cassandra and ScyllaDB
// has it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <millrace/base/bytes.h>

namespace millrace::cql {

// Of a key in the form in which the partitioner hashes it.
[[nodiscard]] std::int64_t murmur3_token(bytes_view key) noexcept;

// Of the key made up by the cells at `indexes` (in the order of the key) among `cells`. None when one of them
// is null, unset or missing. `scratch` spares allocations.
[[nodiscard]] std::optional<std::int64_t> token_of(const std::vector<std::uint16_t>& indexes,
                                                   bytes_view cells, byte_buffer& scratch);

}  // namespace millrace::cql
