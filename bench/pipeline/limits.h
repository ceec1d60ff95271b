// Programs that do less: what consuming and decoding cost without an engine.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::bench {

// Reads `records` records of the topic with librdkafka, in a consumer group, as the product's source does,
// and decodes each when `decode`. Prints the CPU time per record in microseconds since its partitions were
// assigned and the records per second since the first one.
[[nodiscard]] int consume_only(const std::string& brokers, const std::string& topic, const std::string& group,
                               std::uint64_t records, bool decode);

}  // namespace millrace::bench
