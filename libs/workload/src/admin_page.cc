#include <millrace/http/exchange.h>
#include <millrace/workload/admin_page.h>

namespace millrace::workload {
namespace {

constexpr milliseconds deadline{2'000};
constexpr std::size_t page_bytes_max = 16U << 20U;

}  // namespace

result<std::string> get_page(std::uint16_t port, const std::string& path) {
  const http::endpoint server{.host = "127.0.0.1", .port = std::to_string(port)};
  return http::body_of({.server = server}, {.method = "GET", .target = path},
                       {.connect_timeout = deadline, .timeout = deadline, .body_bytes_max = page_bytes_max});
}

}  // namespace millrace::workload
