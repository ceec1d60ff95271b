// Asks the admin endpoints of running processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::app::observe {

struct admin_address {
  std::string host;
  std::uint16_t port = 9464;

  [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
};

// "http://host:port", "host:port", "host", ":port" (of this machine). errc::config_invalid otherwise.
[[nodiscard]] result<admin_address> parse_address(std::string_view text);

struct admin_request {
  std::string method = "GET";
  std::string path;
  std::string token;  // sent as a bearer token when not empty
};

// The body of a 200. errc::io_error otherwise.
[[nodiscard]] result<std::string> ask(const admin_address& whom, const admin_request& what,
                                      milliseconds timeout);
[[nodiscard]] inline result<std::string> get(const admin_address& from, const std::string& path,
                                             milliseconds timeout) {
  return ask(from, {"GET", path, {}}, timeout);
}

}  // namespace millrace::app::observe
