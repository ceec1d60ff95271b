// The position at which a consumer starts to read a partition.
//
// Example prelude:
//
//   #include <millrace/kafka/consumer.h>
//
// Example:
//
//   kafka::consumer_config config;
//   config.start_from = kafka::start_position::latest;
//
// Threads: a plain value.
#pragma once

#include <cstdint>

namespace millrace::kafka {

// Position or action where the group has no committed offset. `fail` stops the source.
enum class start_position : std::uint8_t { earliest, latest, fail };

}  // namespace millrace::kafka
