// The compression of requests and answers between a client and the database.
//
// Example prelude:
//
//   #include <millrace/cql/session.h>
//
// Example:
//
//   cql::session_options options{.contact_points = {"scylla-1"}, .datacenter = "dc1"};
//   options.compression = cql::frame_compression::lz4;
//
// Threads: a plain value.
#pragma once

#include <cstdint>

namespace millrace::cql {

// lz4 and snappy apply to frames of 512 bytes and more, on connections to servers that offer them.
enum class frame_compression : std::uint8_t { none, lz4, snappy };

}  // namespace millrace::cql
