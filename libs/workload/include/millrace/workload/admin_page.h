// Pages of the admin endpoint of a process on this machine.
//
// Example:
//
//   const auto metrics = workload::get_page(9464, "/metrics");
//   if (!metrics) return metrics.error();
//
// Threads: any, but never a worker's: the function blocks.
#pragma once

#include <cstdint>
#include <string>

#include <millrace/base/result.h>

namespace millrace::workload {

// Sends GET http://127.0.0.1:port/path and returns the body of a response with status 200. Blocks. Returns
// errc::io_error for any other status and when no response arrives in time: two seconds for the connection
// and two for the exchange. Other errors: those of http::body_of().
[[nodiscard]] result<std::string> get_page(std::uint16_t port, const std::string& path);

}  // namespace millrace::workload
