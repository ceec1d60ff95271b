// Cassandra's Murmur3Partitioner: MurmurHash3 x64 128 with the tail's bytes taken as signed, a deviation
// every driver reproduces (org.apache.cassandra.utils.MurmurHash).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::emulators::cql {

[[nodiscard]] std::array<std::uint64_t, 2> murmur3(std::string_view key) noexcept;
// The token of a serialised partition key.
[[nodiscard]] std::int64_t token_of(std::string_view partition_key) noexcept;

}  // namespace millrace::emulators::cql
