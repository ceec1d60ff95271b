#include "load.h"

#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <millrace/cql/batch.h>
#include <millrace/runtime/scope.h>

namespace millrace::bench {
namespace {

double clock_us(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double sleeps() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_nvcsw);
}

struct progress {
  const load_options& with;
  std::int64_t total = 0;
  std::int64_t next = 0;
  std::int64_t failed = 0;
  std::int64_t sum = 0;  // of what was read
  std::size_t running = 0;
};

// The loop does not sleep after the last answer: rates would be rounded up to its next timer.
void end(stream::context ctx, progress& so_far) {
  if (--so_far.running == 0) ctx.loop().wake();
}

runtime::task<void> insert_all(const visit_statements::write* insert, stream::context ctx, progress* so_far) {
  while (so_far->next < so_far->total) {
    const std::int64_t n = so_far->next++;
    const auto written = co_await (*insert)(ctx, n % ids, static_cast<std::int32_t>(n), so_far->with.note);
    if (!written) ++so_far->failed;
  }
  end(ctx, *so_far);
}

runtime::task<void> select_all(const visit_statements* by, stream::context ctx, progress* so_far) {
  while (so_far->next < so_far->total) {
    const std::int64_t n = so_far->next++;
    const auto found = co_await by->select(ctx, n % ids);
    if (!found || !*found)
      ++so_far->failed;
    else
      so_far->sum += (**found)->place + static_cast<std::int64_t>((**found)->note.size());
  }
  end(ctx, *so_far);
}

runtime::task<void> update_all(const visit_statements* by, stream::context ctx, progress* so_far) {
  while (so_far->next < so_far->total) {
    const std::int64_t n = so_far->next++;
    const auto updated =
        co_await by->conditional(ctx, static_cast<std::int32_t>(n), n % ids, so_far->with.note);
    if (!updated || !*updated) ++so_far->failed;
  }
  end(ctx, *so_far);
}

runtime::task<void> batch_all(const visit_statements* by, stream::context ctx, progress* so_far) {
  const auto rows = static_cast<std::int32_t>(so_far->with.rows);
  while (so_far->next < so_far->total) {
    const std::int64_t n = so_far->next++;
    cql::batch steps(ctx);
    bool added = true;
    for (std::int32_t k = 0; k < rows; ++k)
      added = steps.add(by->step, n % ids, k, so_far->with.note) && added;
    const auto written = co_await steps.run();
    if (!added || !written) ++so_far->failed;
  }
  end(ctx, *so_far);
}

runtime::task<void> worked(client& by, progress& so_far) {
  const visit_statements& statements = by.statements();
  switch (so_far.with.kind) {
    case load_kind::insert:
      return insert_all(&statements.insert, by.context(), &so_far);
    case load_kind::traced:
      return insert_all(&statements.traced, by.context(), &so_far);
    case load_kind::select:
      return select_all(&statements, by.context(), &so_far);
    case load_kind::conditional:
      return update_all(&statements, by.context(), &so_far);
    case load_kind::batch:
      break;
  }
  return batch_all(&statements, by.context(), &so_far);
}

// Returns the number of requests that failed.
std::int64_t go(client& by, const load_options& with, std::int64_t total) {
  progress so_far{.with = with, .total = total, .running = with.in_flight};
  runtime::scope all(by.loop(), with.in_flight);
  for (std::size_t k = 0; k < with.in_flight; ++k) all.spawn(worked(by, so_far));
  while (all.live() > 0) by.loop().run_turn(turn_max);
  return so_far.failed;
}

}  // namespace

int load(const load_options& options) {
  auto opened = client::open(options.connect);
  if (!opened) return fail(opened.error());
  client& by = **opened;
  std::int64_t failed = go(by, options, options.requests / 10);
  const double cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
  const double worker = clock_us(CLOCK_THREAD_CPUTIME_ID);
  const double wall = clock_us(CLOCK_MONOTONIC);
  const double slept = sleeps();
  failed += go(by, options, options.requests);
  const auto count = static_cast<double>(options.requests);
  const double all_us = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / count;
  const double worker_us = (clock_us(CLOCK_THREAD_CPUTIME_ID) - worker) / count;
  const double seconds = (clock_us(CLOCK_MONOTONIC) - wall) / 1e6;
  if (failed > 0) return fail(error(errc::internal, fmt::format("{} requests failed", failed)));
  const nlohmann::json out{{"cpu_us", all_us},
                           {"worker_cpu_us", worker_us},
                           {"requests_per_second", count / seconds},
                           {"sleeps_per_request", (sleeps() - slept) / count}};
  fmt::print("{}\n", out.dump());
  return 0;
}

}  // namespace millrace::bench
