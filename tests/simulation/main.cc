// simulation [--seeds N] [--from S] [--keep-going] [--trace] [--quiet]: runs N seeds from S. A violation
// prints how to replay its seed and ends the run, unless it is to keep going. Every eighth seed is an outage of
// the database at some rate; the others are a cluster with faults of every kind.
// simulation --outages: the outages to which breakers and retry budgets are known to be blind, as a table.
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <unistd.h>

#include "cluster.h"
#include "outage.h"

namespace {

constexpr int exit_usage = 64;

constexpr std::array names{
    "assigned",         "began-at-end", "revoked", "lost",    "released",      "delivered",
    "commit-req",       "committed",    "paused",  "resumed", "work-began",    "work-ended",
    "work-failed",      "row-written",  "latest",  "emitted", "emitted-more",  "erased",
    "dead-letter-sent", "dead-letter",  "crashed", "stopped", "database-down", "database-up",
    "recovered",        "second-load"};
static_assert(names.size() == static_cast<std::size_t>(scenario::happening::second_load) + 1);

struct request {
  std::uint64_t seeds = 100;
  std::uint64_t from = 1;
  bool keep_going = false;
  bool trace = false;
  bool quiet = false;
  bool outages = false;
};

constexpr std::uint64_t outages_apart = 8;

void print(const scenario::history& told) {
  for (const scenario::event& e : told.events) {
    std::printf("%10.3f ms  m%-3d e%-3llu %-14s p%d@%lld %s %s\n", static_cast<double>(e.at_ns) / 1e6,
                e.member, static_cast<unsigned long long>(e.epoch), names[static_cast<std::size_t>(e.what)],
                e.partition, static_cast<long long>(e.offset), e.processor.c_str(), e.key.c_str());
  }
}

int usage() {
  std::fprintf(stderr,
               "usage: simulation [--seeds N] [--from S] [--keep-going] [--trace] [--quiet] | --outages\n");
  return exit_usage;
}

bool parse(int argc, char** argv, request& into) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--trace") {
      into.trace = true;
    } else if (word == "--quiet") {
      into.quiet = true;
    } else if (word == "--outages") {
      into.outages = true;
    } else if (word == "--keep-going") {
      into.keep_going = true;
    } else if ((word == "--seeds" || word == "--from") && i + 1 < argc) {
      char* end = nullptr;
      (word == "--seeds" ? into.seeds : into.from) = std::strtoull(argv[++i], &end, 10);
      if (end == argv[i] || *end != '\0') return false;
    } else {
      return false;
    }
  }
  return into.seeds > 0;
}

void print(std::uint64_t seed, const scenario::verdict& verdict) {
  std::printf("seed %llu:\n", static_cast<unsigned long long>(seed));
  for (const std::string& violation : verdict.violations) std::printf("  %s\n", violation.c_str());
  std::printf("replay: ./dev simulate --seeds 1 --from %llu --trace\n",
              static_cast<unsigned long long>(seed));
}

// A broken invariant aborts: the seed is printed nevertheless, with async-signal-safe calls only.
std::array<char, 160> last_words{};
void on_abort(int signal) {
  static_cast<void>(!::write(STDOUT_FILENO, last_words.data(), std::strlen(last_words.data())));
  std::signal(signal, SIG_DFL);
}
void prepare_last_words(std::uint64_t seed) {
  const auto number = static_cast<unsigned long long>(seed);
  std::snprintf(last_words.data(), last_words.size(),
                "seed %llu:\n  aborts\nreplay: ./dev simulate --seeds 1 --from %llu --trace\n", number,
                number);
}

int run_known_outages() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  bool well = true;
  std::printf("workers  records/s  fails after  outage    taken  dead-lettered  failed requests\n");
  for (const scenario::outage_plan& plan : scenario::known_outages()) {
    const scenario::outage_result out = scenario::run_outage(plan, 1);
    const auto ms = [](millrace::nanoseconds t) {
      return static_cast<long long>(t / millrace::milliseconds(1));
    };
    std::printf("%7d  %9.3g  %8lld ms  %4lld s  %7llu  %13llu  %15llu\n", plan.workers, plan.records_per_s,
                ms(plan.fails_after), ms(plan.lasts) / 1'000, static_cast<unsigned long long>(out.taken),
                static_cast<unsigned long long>(out.dead_letters),
                static_cast<unsigned long long>(out.failed_requests));
    for (const std::string& violation : out.found.violations) std::printf("  %s\n", violation.c_str());
    well &= out.found.violations.empty();
  }
  return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

scenario::verdict run(std::uint64_t seed, bool trace) {
  if (seed % outages_apart == 0) return scenario::run_outage(scenario::draw_outage(seed), seed).found;
  auto cluster = std::make_unique<scenario::cluster>(seed);
  const scenario::verdict verdict = cluster->run();
  if (trace) print(cluster->told());
  return verdict;
}

}  // namespace

int main(int argc, char** argv) {
  request asked;
  if (!parse(argc, argv, asked)) return usage();
  std::signal(SIGABRT, on_abort);
  if (asked.outages) return run_known_outages();
  std::size_t records = 0;
  std::size_t effects = 0;
  std::size_t repeated = 0;
  std::size_t retries = 0;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = asked.from; seed - asked.from < asked.seeds; ++seed) {
    prepare_last_words(seed);
    if (!asked.quiet && (seed - asked.from) % 100 == 0) {
      std::fprintf(stderr, "\rseed %llu ", static_cast<unsigned long long>(seed));
    }
    const scenario::verdict verdict = run(seed, asked.trace);
    records += verdict.records;
    effects += verdict.effects;
    repeated += verdict.repeated;
    retries += verdict.retries;
    if (verdict.violations.empty()) continue;
    print(seed, verdict);
    ++failed;
    if (!asked.keep_going) return EXIT_FAILURE;
  }
  if (!asked.quiet) std::fprintf(stderr, "\r");
  std::printf(
      "%llu seeds from %llu: %zu records, %zu effects, %zu repeated by crashes and rebalances, %zu retries "
      "deferred by the budget, %llu seeds failed\n",
      static_cast<unsigned long long>(asked.seeds), static_cast<unsigned long long>(asked.from), records,
      effects, repeated, retries, static_cast<unsigned long long>(failed));
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
