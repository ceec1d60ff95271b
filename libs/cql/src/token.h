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

// The key made up by the bound values at `indexes` (in the order of the key) among `values`, in the form in which
// the partitioner hashes it: a single value as it is; several values each with a length of 16 bits before and a
// zero behind. Two statements of one table write to the same partition when their keys are equal. False when a
// part is null, unset or missing, or one of several has more than 65,535 bytes.
[[nodiscard]] bool key_of(const std::vector<std::uint16_t>& indexes, bytes_view values, byte_buffer& key);

// Of that key; none when key_of() is false. `scratch` spares allocations.
[[nodiscard]] std::optional<std::int64_t> token_of(const std::vector<std::uint16_t>& indexes,
                                                   bytes_view values, byte_buffer& scratch);

}  // namespace millrace::cql
