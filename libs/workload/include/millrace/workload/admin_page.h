// Pages of the admin endpoint of a process on this machine.
#pragma once

#include <cstdint>
#include <string>

#include <millrace/base/result.h>

namespace millrace::workload {

// GET http://127.0.0.1:port/path, with a deadline of two seconds: the body of a 200. errc::io_error
// otherwise. Blocks.
[[nodiscard]] result<std::string> get_page(std::uint16_t port, const std::string& path);

}  // namespace millrace::workload
