#include "steady.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <map>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <millrace/runtime/scope.h>
#include <millrace/runtime/wait.h>

namespace millrace::bench {
namespace {

constexpr milliseconds pause_after_failure{100};

struct progress {
  std::string note;
  bool ends = false;
  std::int64_t next = 0;
  std::int64_t good = 0;
  std::int64_t failed = 0;
  std::map<errc, std::int64_t> failures = {};
};

runtime::task<void> insert_on(client* by, progress* so_far) {
  const visit_statements::write& insert = by->statements().insert;
  const stream::context ctx = by->context();
  while (!so_far->ends) {
    const std::int64_t n = so_far->next++;
    const auto written = co_await insert(ctx, n % ids, static_cast<std::int32_t>(n), so_far->note);
    if (written) {
      ++so_far->good;
    } else {
      ++so_far->failed;
      ++so_far->failures[written.error().code()];
      co_await runtime::sleep_for(by->loop(), pause_after_failure);
    }
  }
}

double monotonic_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void print_sample(const client& by, const progress& so_far) {
  const cql::session::statistics stats = by.stats();
  nlohmann::json failures = nlohmann::json::object();
  for (const auto& [code, count] : so_far.failures) failures[std::string(to_string(code))] = count;
  const nlohmann::json out{{"at", monotonic_seconds()},        {"good", so_far.good},
                           {"failed", so_far.failed},          {"failures", failures},
                           {"in_flight", stats.in_flight},     {"buffer_bytes", stats.buffer_bytes},
                           {"connections", stats.connections}, {"next_node", stats.next_node},
                           {"refused", stats.refused},         {"limit_min", stats.limit_min}};
  fmt::print("{}\n", out.dump());
  std::fflush(stdout);
}

runtime::task<void> sample(client* by, progress* so_far, milliseconds every) {
  while (!so_far->ends) {
    print_sample(*by, *so_far);
    co_await runtime::sleep_for(by->loop(), every);
  }
}

}  // namespace

int steady(const steady_options& options) {
  client_options connect = options.connect;
  connect.in_flight_max = options.in_flight;
  auto opened = client::open(connect);
  if (!opened) return fail(opened.error());
  client& by = **opened;
  progress so_far{.note = std::string(options.value_bytes, 'n')};
  auto watched = by.loop().watch(STDIN_FILENO, [&so_far] {
    std::array<char, 64> ignored{};
    if (::read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) so_far.ends = true;
  });
  if (!watched) return fail(watched.error());
  runtime::scope all(by.loop(), options.in_flight + 1);
  for (std::size_t k = 0; k < options.in_flight; ++k) all.spawn(insert_on(&by, &so_far));
  all.spawn(sample(&by, &so_far, options.sample_every));
  while (!so_far.ends) by.loop().run_turn(turn_max);
  by.loop().unwatch(STDIN_FILENO);
  while (all.live() > 0) by.loop().run_turn(turn_max);
  return 0;
}

}  // namespace millrace::bench
