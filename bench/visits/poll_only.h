// The least a consumer of Kafka can do: librdkafka hands over every record and nobody looks at it.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::bench {

// Reads `records` records of `topic` as a member of `group` and prints the CPU nanoseconds per record of this
// process since it was assigned its partitions. Exit code.
[[nodiscard]] int poll_only(const std::string& bootstrap_servers, const std::string& topic,
                            const std::string& group, std::uint64_t records);

}  // namespace millrace::bench
