// What one statement costs in CPU time, from the typed call in a coroutine to its decoded answer.
//
//   bench_cql serve                                 an emulator with the table and its rows; prints its
//   address bench_cql load ADDRESS insert|select N M        N requests with M in flight; prints JSON
//
// The load counts the CPU time of its whole process: the worker's thread and the driver's.

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/scope.h>

namespace millrace::bench {
namespace {

constexpr std::int64_t ids = 1'000;
constexpr std::string_view note = "a note of about forty bytes, as rows have them";
constexpr milliseconds turn_max{100};

struct visit {
  std::int32_t place;
  std::string_view note;
};
using insert_statement = cql::statement<void(std::int64_t, std::int32_t, std::string_view)>;
using select_statement = cql::statement<visit(std::int64_t)>;

double clock_us(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

class measured final : public stream::execution {
 public:
  measured(runtime::loop& loop, stream::store& store) : loop_(loop), store_(store) {}
  runtime::loop& loop() noexcept override { return loop_; }
  stream::store& database() noexcept override { return store_; }
  const stream::record_block& record() const noexcept override { return *block_; }
  std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const statements::output_declaration&, std::string_view) override {
    return &emitted_;
  }
  void emit_failed(const error&) override {}

 private:
  runtime::loop& loop_;
  stream::store& store_;
  stream::record_ref block_;
  byte_buffer emitted_;
};

struct progress {
  std::int64_t next = 0;
  std::int64_t total = 0;
  std::int64_t failed = 0;
  std::int64_t sum = 0;  // of what was read
};

runtime::task<void> insert_all(const insert_statement* insert, stream::context ctx, progress* so_far) {
  while (so_far->next < so_far->total) {
    const std::int64_t n = so_far->next++;
    const auto written = co_await (*insert)(ctx, n % ids, static_cast<std::int32_t>(n), note);
    if (!written) ++so_far->failed;
  }
}

runtime::task<void> select_all(const select_statement* select, stream::context ctx, progress* so_far) {
  while (so_far->next < so_far->total) {
    const std::int64_t n = so_far->next++;
    const auto found = co_await (*select)(ctx, n % ids);
    if (!found || !*found)
      ++so_far->failed;
    else
      so_far->sum += (**found)->place + static_cast<std::int64_t>((**found)->note.size());
  }
}

int fail(const error& why) {
  fmt::print(stderr, "bench_cql: {}\n", why.to_string());
  return 1;
}

int serve() {
  auto server = emulators::cql_emulator::start();
  if (!server) return fail(server.error());
  const auto execute = [&](const std::string& cql) { return (*server)->execute(cql); };
  for (const char* cql :
       {"CREATE KEYSPACE bench WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE bench.visit (id bigint PRIMARY KEY, place int, note text)"}) {
    if (auto done = execute(cql); !done) return fail(done.error());
  }
  for (std::int64_t id = 0; id < ids; ++id) {
    auto done =
        execute(fmt::format("INSERT INTO bench.visit (id, place, note) VALUES ({}, {}, '{}')", id, id, note));
    if (!done) return fail(done.error());
  }
  fmt::print("{}\n", (*server)->contact_point());
  std::fflush(stdout);
  // Until whoever started it closes the pipe.
  std::array<char, 16> ignored{};
  while (::read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
  }
  return 0;
}

int load(const std::string& address, bool inserts, std::int64_t requests, std::size_t in_flight) {
  cql::session_options options;
  options.contact_points = {address};
  options.keyspace = "bench";
  options.consistency = "ONE";
  auto session = cql::session::open(options);
  if (!session) return fail(session.error());
  runtime::loop loop(system_clock());
  auto store = (*session)->attach(loop, {}, nullptr);
  if (!store) return fail(store.error());
  statements::declarations declared;
  const statements::declaration_scope collecting(declared);
  insert_statement insert("INSERT INTO visit (id, place, note) VALUES (?, ?, ?)");
  select_statement select("SELECT place, note FROM visit WHERE id = ?");
  for (statements::statement_declaration* each : declared.statements) {
    if (auto prepared = (*store)->prepare(*each); !prepared) return fail(prepared.error());
  }
  measured run(loop, **store);
  const auto go = [&](std::int64_t total) {
    progress so_far{.total = total};
    runtime::scope all(loop, in_flight);
    for (std::size_t k = 0; k < in_flight; ++k) {
      if (inserts)
        all.spawn(insert_all(&insert, stream::context(run), &so_far));
      else
        all.spawn(select_all(&select, stream::context(run), &so_far));
    }
    while (all.live() > 0) loop.run_turn(turn_max);
    return so_far.failed;
  };
  std::int64_t failed = go(requests / 10);
  const auto before = (*session)->stats();
  const double cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
  const double worker = clock_us(CLOCK_THREAD_CPUTIME_ID);
  const double wall = clock_us(CLOCK_MONOTONIC);
  failed += go(requests);
  const auto count = static_cast<double>(requests);
  const double all_us = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / count;
  const double worker_us = (clock_us(CLOCK_THREAD_CPUTIME_ID) - worker) / count;
  const double seconds = (clock_us(CLOCK_MONOTONIC) - wall) / 1e6;
  if (failed > 0) return fail(error(errc::internal, fmt::format("{} requests failed", failed)));
  const nlohmann::json out{
      {"cpu_us", all_us},
      {"worker_cpu_us", worker_us},
      {"requests_per_second", count / seconds},
      {"wakes_per_request", static_cast<double>((*session)->stats().wakes - before.wakes) / count}};
  fmt::print("{}\n", out.dump());
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app{"What one statement costs in CPU time."};
  app.require_subcommand(1);
  app.add_subcommand("serve", "an emulator, until standard input ends");
  auto* loading = app.add_subcommand("load", "requests to it");
  std::string address;
  std::string kind;
  std::int64_t requests = 0;
  std::size_t in_flight = 0;
  loading->add_option("address", address)->required();
  loading->add_option("kind", kind)->required()->check(CLI::IsMember({"insert", "select"}));
  loading->add_option("requests", requests)->required();
  loading->add_option("in_flight", in_flight)->required();
  CLI11_PARSE(app, argc, argv);
  if (loading->parsed()) return load(address, kind == "insert", requests, in_flight);
  return serve();
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::run(argc, argv); }
