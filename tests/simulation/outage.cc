#include "outage.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include <millrace/engine/record_engine.h>
#include <millrace/metrics/registry.h>
#include <millrace/simulation/parcel.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_source.h>
#include <millrace/simulation/simulated_store.h>

namespace scenario {

using namespace millrace;
using engine::parcel;

namespace {

constexpr std::int32_t schema = 7;
constexpr std::size_t budget_bytes = std::size_t{64} << 20U;
constexpr seconds healthy_before{20};
constexpr seconds recovers_within{3'600};
constexpr double records_max = 6'000;
// The workers tick. A seed is to take milliseconds.
constexpr double ticks_max = 20'000;
constexpr std::string_view local_word = "local";

class statement final : public statements::statement_declaration {
 public:
  statement() : statement_declaration("INSERT INTO visit (number) VALUES (?)", {}) {}
  result<void> check(const std::vector<statements::column>&,
                     const std::vector<statements::column>&) override {
    return {};
  }
};

class write_visit final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    if (p->word == local_word) co_return stream::outcome::done();
    simulation::execute visit(ctx, visit_, {simulation::cell(p->number)});
    const result<stream::rows_ref> visited = co_await visit;
    if (!visited) co_return visited.error();
    co_return stream::outcome::done();
  }

 private:
  statement visit_;
};

class outage_run;

class worker {
 public:
  worker(outage_run& of, int number);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  void run() { loop.run_pending(); }

  runtime::loop loop;
  simulation::simulated_source source;
  simulation::simulated_sink sink;
  simulation::simulated_store store;
  simulation::simulated_schemas schemas;
  metrics::catalogue declared;
  metrics::registry registry;
  engine::record_engine engine;
};

class outage_run {
 public:
  outage_run(const outage_plan& plan, std::uint64_t seed);
  [[nodiscard]] outage_result run();

  const outage_plan plan;
  const std::uint64_t seed;
  simulation::seeded_random random;
  manual_clock time;
  simulation::simulated_log log;
  engine::byte_budget budget{budget_bytes};
  engine::retry_budget retries{engine::retry_budget_policy{}};
  bool down = false;
  outage_result out;

 private:
  void run_to(instant end, bool records);
  void produce_due();
  void run_due();
  [[nodiscard]] std::uint64_t received() const;
  [[nodiscard]] bool caught_up() const;
  void recover();
  void stop();
  void check_limits();
  [[nodiscard]] std::uint64_t requests_max() const;
  void judge();
  void violated(std::string what);

  std::vector<std::unique_ptr<worker>> workers_;
  nanoseconds apart_;  // records
  instant next_record_;
  std::int64_t produced_ = 0;
  std::uint64_t with_database_ = 0;
};

engine::engine_options options_of(const outage_run& of, int number) {
  engine::engine_options o;
  o.commit_interval = std::max(o.commit_interval, of.plan.interval);
  o.status_interval = of.plan.interval;
  o.dead_letter_topic = "dead";
  o.group = "simulation";
  o.seed = of.seed * 100 + static_cast<std::uint64_t>(number);
  return o;
}

simulation::store_fate fate_of_request(outage_run& of) {
  simulation::store_fate fate;
  if (!of.down) {
    fate.until_applied = fate.until_answered = microseconds(of.random.between(50, 400));
    return fate;
  }
  ++of.out.failed_requests;
  fate.until_applied = of.plan.fails_after;
  fate.failure = error(of.plan.fails_after >= seconds(1) ? errc::db_client_timeout : errc::db_unavailable);
  return fate;
}

worker::worker(outage_run& of, int number)
    : loop(of.time),
      source(of.log, loop, {.seed = of.random.next(), .on_event = {}, .commit_fate_of = {}}),
      sink(loop, {.fate_of = {},
                  .on_written = [&of](const simulation::produced_record&) { ++of.out.dead_letters; }}),
      store(loop, {.fate_of = [&of](const simulation::executed_statement&) { return fate_of_request(of); },
                   .on_applied = {}}),
      schemas(loop),
      registry(declared),
      engine({loop, source, sink, store, schemas, of.budget, of.retries, registry.add_shard()},
             options_of(of, number), *engine::build({engine::make<write_visit>()})) {
  schemas.add(schema, "parcel");
  engine.start();
  source.assign({{0, number}});
}

outage_run::outage_run(const outage_plan& how, std::uint64_t number)
    : plan(how),
      seed(number),
      random(number),
      apart_(static_cast<std::int64_t>(1e9 / how.records_per_s)),
      next_record_{random.between(0, apart_.count())} {
  log.add_topic("parcels", plan.workers);
  for (int i = 0; i < plan.workers; ++i) workers_.push_back(std::make_unique<worker>(*this, i));
}

void outage_run::violated(std::string what) {
  constexpr std::size_t violations_max = 12;
  if (out.found.violations.size() < violations_max)
    out.found.violations.push_back(std::move(what) + " (" + plan.describe() + ")");
}

void outage_run::produce_due() {
  while (next_record_ <= time.now()) {
    const auto to = static_cast<std::int32_t>(random.between(0, plan.workers - 1));
    const bool local = random.chance(plan.without_database);
    with_database_ += local ? 0 : 1;
    simulation::simulated_record r;
    r.value = engine::framed_parcel(schema, produced_++, local ? local_word : "good");
    static_cast<void>(log.append({0, to}, std::move(r)));
    workers_[static_cast<std::size_t>(to)]->source.wake();
    workers_[static_cast<std::size_t>(to)]->run();
    // Evenly on average, not in step with the engine's timers.
    next_record_ = next_record_ + nanoseconds(random.between(apart_.count() / 2, apart_.count() * 3 / 2));
  }
}

void outage_run::run_due() {
  for (const auto& w : workers_) {
    const auto deadline = w->loop.next_deadline();
    if (deadline && *deadline <= time.now()) w->run();
  }
}

void outage_run::run_to(instant end, bool records) {
  while (time.now() < end) {
    instant next = end;
    if (records) next = std::min(next, next_record_);
    for (const auto& w : workers_) next = std::min(next, w->loop.next_deadline().value_or(end));
    time.advance_to(next);
    if (records) produce_due();
    run_due();
  }
  check_limits();
}

void outage_run::check_limits() {
  const std::size_t most = budget_bytes + budget_bytes / 4;
  if (budget.in_use() > most) violated("I6 " + std::to_string(budget.in_use()) + " bytes in flight");
  for (const auto& w : workers_) {
    if (!w->engine.counts().balanced()) violated("I10 the books do not balance");
  }
}

std::uint64_t outage_run::received() const {
  std::uint64_t all = 0;
  for (const auto& w : workers_) all += w->engine.counts().received;
  return all;
}

bool outage_run::caught_up() const {
  return std::ranges::all_of(log.partitions(0), [this](stream::partition_id id) {
    return log.end(id) == 0 || log.committed(id) == log.end(id);
  });
}

void outage_run::recover() {
  down = false;
  const instant until = time.now() + recovers_within;
  run_to(time.now() + plan.interval, true);
  while (!caught_up() && time.now() < until) run_to(time.now() + seconds(1), false);
  if (!caught_up()) violated("I7 the lag does not reach 0 although the database has recovered");
}

void outage_run::stop() {
  for (const auto& w : workers_) w->engine.request_stop();
  for (const auto& w : workers_) w->run();
  const instant until = time.now() + seconds(120);
  const auto ended = [](const auto& w) { return w->engine.quiescent(); };
  while (!std::ranges::all_of(workers_, ended) && time.now() < until)
    run_to(time.now() + milliseconds(100), false);
  invariant(std::ranges::all_of(workers_, ended), "a worker ends");
}

// Each record once, and then a probe of each worker now and then: its breaker opens although few requests fail.
std::uint64_t outage_run::requests_max() const {
  constexpr seconds probes_apart_min{5};
  constexpr std::int64_t before_it_opens_max = 80;
  const std::int64_t probes = plan.lasts / nanoseconds(probes_apart_min);
  return out.taken + static_cast<std::uint64_t>(plan.workers * (probes + before_it_opens_max));
}

void outage_run::judge() {
  std::uint64_t written = 0;
  for (const auto& w : workers_) written += w->store.executed().size();
  out.found.records = static_cast<std::size_t>(produced_);
  out.found.effects = written;
  if (out.dead_letters > 0)
    violated("I13 " + std::to_string(out.dead_letters) + " of " + std::to_string(out.taken) +
             " records are dead-lettered by an outage of the database");
  if (plan.fails_after < seconds(1) && out.failed_requests > requests_max())
    violated("#37 " + std::to_string(out.failed_requests) + " requests to a database that is down");
  if (written + out.dead_letters != with_database_)
    violated("I1 " + std::to_string(written) + " rows of " + std::to_string(with_database_));
}

outage_result outage_run::run() {
  for (const auto& w : workers_) w->run();
  run_to(time.now() + healthy_before, true);
  down = true;
  run_to(time.now() + plan.lasts, true);
  out.taken = received();
  recover();
  stop();
  judge();
  return std::move(out);
}

}  // namespace

std::string outage_plan::describe() const {
  std::array<char, 160> text{};
  const auto count = [](nanoseconds t) { return static_cast<double>(t.count()) * 1e-9; };
  std::snprintf(text.data(), text.size(), "%d workers, %.3g records/s, fails after %.3g s, lasts %.0f s",
                workers, records_per_s, count(fails_after), count(lasts));
  return text.data();
}

outage_plan draw_outage(std::uint64_t seed) {
  simulation::seeded_random random(seed);
  const auto logarithmic = [&random](double low, double high) {
    return low * std::pow(high / low, static_cast<double>(random.between(0, 1'000)) / 1'000);
  };
  outage_plan plan;
  plan.workers = static_cast<int>(random.between(1, 15));
  plan.records_per_s = logarithmic(0.01, 3'000);
  plan.fails_after = random.chance(0.7) ? nanoseconds(milliseconds(1)) : seconds(5);
  plan.without_database = random.chance(0.3) ? static_cast<double>(random.between(1, 9)) / 10 : 0;
  const double longest = std::min(records_max / plan.records_per_s, 3'600.0);
  plan.lasts = nanoseconds(static_cast<std::int64_t>(logarithmic(std::min(2.0, longest), longest) * 1e9));
  const double ticks_per_interval = static_cast<double>(plan.lasts.count()) * 1e-6 * plan.workers;
  plan.interval =
      milliseconds(std::max<std::int64_t>(static_cast<std::int64_t>(ticks_per_interval / ticks_max), 250));
  return plan;
}

std::vector<outage_plan> known_outages() {
  constexpr milliseconds at_once(1);
  constexpr seconds timeout(5);
  return {{1, 0.1, at_once, seconds(600)}, {1, 0.2, at_once, seconds(600)}, {2, 0.5, at_once, seconds(600)},
          {15, 1, at_once, seconds(600)},  {15, 3, at_once, seconds(600)},  {15, 10, at_once, seconds(3'600)},
          {15, 60, at_once, seconds(120)}, {4, 2, timeout, seconds(600)}};
}

outage_result run_outage(const outage_plan& plan, std::uint64_t seed) { return outage_run(plan, seed).run(); }

}  // namespace scenario
