#include "tap_command.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include <millrace/app/exit_code.h>
#include <millrace/http/url.h>

#include "admin_client.h"

namespace millrace::app::observe {
namespace {

constexpr milliseconds timeout{5'000};
constexpr std::uint64_t batch_max = 1'000;
constexpr milliseconds pause{100};  // the process limits the rate itself, by what it answers at once

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's action may set it");
extern "C" void ask_tap_to_stop(int) { stop_asked = true; }

}  // namespace

std::string tap_path(const tap_arguments& arguments, std::uint64_t wanted) {
  std::string path = "/tap/limit=" + std::to_string(std::clamp<std::uint64_t>(wanted, 1, batch_max));
  if (arguments.key) path += "/key=" + http::escaped(*arguments.key);
  if (arguments.partition) path += "/partition=" + std::to_string(*arguments.partition);
  if (!arguments.outcome.empty()) path += "/outcome=" + http::escaped(arguments.outcome);
  if (!arguments.error.empty()) path += "/error=" + http::escaped(arguments.error);
  return path;
}

int run_tap(const tap_arguments& arguments, std::ostream& out, std::ostream& err) {
  const auto at = parse_address(arguments.address);
  if (!at) {
    err << "tap: " << at.error().message() << "\n";
    return exit_config;
  }
  std::signal(SIGINT, ask_tap_to_stop);
  std::signal(SIGTERM, ask_tap_to_stop);
  std::uint64_t seen = 0;
  while (!stop_asked && (arguments.limit == 0 || seen < arguments.limit)) {
    const std::uint64_t wanted = arguments.limit == 0 ? batch_max : arguments.limit - seen;
    const auto lines = ask(*at, {"POST", tap_path(arguments, wanted), arguments.token}, timeout);
    if (!lines) {
      err << "tap: " << lines.error().message() << "\n";
      return exit_failure;
    }
    out << *lines << std::flush;
    seen += static_cast<std::uint64_t>(std::count(lines->begin(), lines->end(), '\n'));
    std::this_thread::sleep_for(pause);
  }
  return exit_ok;
}

}  // namespace millrace::app::observe
