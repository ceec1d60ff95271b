#include "control.h"

#include <charconv>
#include <optional>
#include <string>

namespace millrace::demo {
namespace {

constexpr double factor_max = 10'000;
constexpr double count_max = 100'000;
constexpr std::string_view usage =
    "POST /latency/FACTOR, /latency/off, /failing/PERCENT, /stuck/COUNT, /poison/COUNT or /recover\n";

app::admin_page text(unsigned status, std::string_view sentence) {
  return {status, "text/plain; charset=utf-8", std::string(sentence)};
}

std::optional<double> number(std::string_view from, double most) {
  double value = 0;
  const auto [end, failure] = std::from_chars(from.data(), from.data() + from.size(), value);
  if (failure != std::errc{} || end != from.data() + from.size() || !(value >= 0 && value <= most))
    return std::nullopt;
  return value;
}

}  // namespace

result<std::unique_ptr<control>> control::start(std::uint16_t port, emulators::cql_emulator& database) {
  std::unique_ptr<control> made(new control(database));
  auto server = app::admin_server::start(
      "127.0.0.1", port, [](std::string_view) { return text(200, usage); },
      [self = made.get()](const app::admin_request& order) { return self->handle(order.path); });
  if (!server) return server.error();
  made->server_ = std::move(*server);
  return made;
}

app::admin_page control::handle(std::string_view path) {
  const std::size_t slash = path.find('/', 1);
  const std::string_view command = path.substr(0, slash);
  const std::string_view how = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  if (command == "/recover") {
    database_.clear_faults();
    factor_ = 0;
    return text(200, "recovered\n");
  }
  if (command == "/latency" && how == "off") {
    factor_ = 0;
    return text(200, "as scheduled\n");
  }
  const std::optional<double> amount = number(how, command == "/latency" ? factor_max : count_max);
  if (!amount) return text(404, usage);
  if (command == "/latency" && *amount > 0) {
    factor_ = *amount;
  } else if (command == "/failing") {
    database_.clear(failing_);
    if (*amount > 0) failing_ = database_.inject({.probability = *amount / 100});
  } else if (command == "/stuck") {
    database_.inject({.kind = emulators::fault_kind::no_reply,
                      .on = emulators::operation::insert,
                      .table = "millrace_navigation.visit",
                      .times = static_cast<std::uint64_t>(*amount)});
  } else if (command == "/poison") {
    poison_ += static_cast<std::uint64_t>(*amount);
  } else {
    return text(404, usage);
  }
  return text(200, "done\n");
}

}  // namespace millrace::demo
