// Latencies at a light closed loop.
#include <fmt/format.h>

#include <millrace/cql/statement.h>

#include "phases.h"

namespace millrace::app::certify {
namespace {

constexpr unsigned width = 8;
constexpr std::uint64_t keys = 10'000;

struct profile {
  std::string_view value;
  std::optional<std::int64_t> n;
};

struct load_statements {
  explicit load_statements(const run& in)
      : write(in.text("INSERT INTO {}.certify_kv (id, value, n) VALUES (?, ?, ?)")),
        read(in.text("SELECT value, n FROM {}.certify_kv WHERE id = ?")) {}
  cql::statement<void(std::string_view, std::string_view, std::int64_t)> write;
  cql::statement<profile(std::string_view)> read;
};

std::string key_of(std::uint64_t k) { return fmt::format("load-{}", k % keys); }

runtime::task<stream::answer<void>> read_one(stream::context ctx, const load_statements* with,
                                             std::uint64_t k) {
  const std::string key = key_of(k);
  const auto found = co_await with->read(ctx, key);
  if (!found) co_return found.error();
  co_return result<void>();
}

double milliseconds_of(nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

void describe(const run& in, const char* what, const load& of) {
  const double took = static_cast<double>(of.took.count()) / 1e9;
  const double rate = took > 0 ? static_cast<double>(of.done) / took : 0;
  const double cpu =
      of.done > 0 ? static_cast<double>(of.cpu.count()) / 1e3 / static_cast<double>(of.done) : 0;
  const double p50 = milliseconds_of(of.percentile(0.5));
  const double p99 = milliseconds_of(of.percentile(0.99));
  in.to.check(
      of.failed == 0 && of.done > 0, what,
      fmt::format("P50 {:.2f} ms, P99 {:.2f} ms, {:.0f} requests/s with {} at a time, {:.1f} us CPU of the "
                  "client per request; {} requests, {} failed",
                  p50, p99, rate, width, cpu, of.done + of.failed, of.failed),
      {{"p50_ms", p50},
       {"p99_ms", p99},
       {"requests_per_second", rate},
       {"client_cpu_us", cpu},
       {"requests", static_cast<double>(of.done + of.failed)},
       {"failed", static_cast<double>(of.failed)}});
}

}  // namespace

void certify_latencies(const run& in) {
  in.to.begin("Latencies");
  const auto with = in.main.declare<load_statements>(in);
  if (!with) return in.to.add(verdict::fail, "statements", with.error().to_string());
  const worker::loop_of how{.width = width, .time = in.budget() / 2};
  const std::string value(100, 'x');
  const load writes = in.main.run(how, [&](std::uint64_t k) {
    return (*with)->write(in.main.context(), key_of(k), value, static_cast<std::int64_t>(k));
  });
  describe(in, "INSERT", writes);
  const load reads = in.main.run(how, [&](std::uint64_t k) { return read_one(in.main.context(), *with, k); });
  describe(in, "SELECT", reads);
}

}  // namespace millrace::app::certify
