// What counting and timing cost a record: everything that the engine does to its cells for one record of the
// example's `visits` (one SELECT, one INSERT), on cells like its own, over and over; and a scrape.
//
// bench_metrics [RECORDS [ROUNDS]]: prints nanoseconds, the median of the rounds.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/metrics/exposition.h>
#include <millrace/metrics/registry.h>
#include <millrace/statement/declarations.h>

namespace {

using namespace millrace;
using namespace millrace::metrics;

constexpr int partitions = 20;
constexpr int processors = 3;

// The cells of a record, as pipeline and cql resolve them.
struct record_cells {
  record_cells(catalogue& in, shard& to)
      : received(to.counter(in.counter({.name = "millrace_a_total", .help = "h"}))),
        bytes(to.counter(in.counter({.name = "millrace_b_total", .help = "h"}))),
        decoded(to.counter(in.counter({.name = "millrace_c_total", .help = "h"}))),
        done(to.counter(in.counter({.name = "millrace_d_total", .help = "h"}))),
        in_flight(to.gauge(in.gauge({.name = "millrace_e", .help = "h"}))),
        fetch_wait(time(in, to, "millrace_f_seconds", scale::stage)),
        commit_wait(time(in, to, "millrace_g_seconds", scale::stage)),
        slot_wait(time(in, to, "millrace_h_seconds", scale::stage)),
        decode(time(in, to, "millrace_i_seconds", scale::decode)),
        delay(time(in, to, "millrace_j_seconds", scale::end_to_end)),
        end_to_end(time(in, to, "millrace_k_seconds", scale::end_to_end)),
        process(time(in, to, "millrace_l_seconds", scale::request)),
        select(time(in, to, "millrace_m_seconds", scale::request)),
        insert(time(in, to, "millrace_n_seconds", scale::request)) {}

  static histogram& time(catalogue& in, shard& to, const char* name, scale of) {
    return to.histogram(in.histogram({.name = name, .help = "h", .buckets = in.bounds(of)}));
  }

  counter &received, &bytes, &decoded, &done;
  gauge& in_flight;
  histogram &fetch_wait, &commit_wait, &slot_wait, &decode, &delay, &end_to_end, &process, &select, &insert;
};

// Durations that fall into many buckets, so that the branch predictor learns nothing.
class durations {
 public:
  nanoseconds next(std::int64_t about) {
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return nanoseconds(about / 2 + static_cast<std::int64_t>(state_ % static_cast<std::uint64_t>(about)));
  }

 private:
  std::uint64_t state_ = 0x9E37'79B9'7F4A'7C15ULL;
};

void count(record_cells& c, durations& d) {
  c.received.add();
  c.bytes.add(600);
  c.decoded.add();
  c.done.add();
  c.in_flight.set(7);
  c.in_flight.set(6);
  c.fetch_wait.observe(d.next(5'000'000));
  c.decode.observe(d.next(900));
  c.delay.observe(d.next(5'000'000));
  c.slot_wait.observe(d.next(20'000));
  c.slot_wait.observe(d.next(20'000));
  c.select.observe(d.next(600'000));
  c.insert.observe(d.next(1'200'000));
  c.process.observe(d.next(2'000'000));
  c.end_to_end.observe(d.next(9'000'000));
  c.commit_wait.observe(d.next(500'000'000));
}

// The durations alone: what the loop costs without counting.
void only_draw(durations& d, std::int64_t& sink) {
  for (const std::int64_t about :
       {5'000'000, 900, 5'000'000, 20'000, 20'000, 600'000, 1'200'000, 2'000'000, 9'000'000, 500'000'000})
    sink += d.next(about).count();
}

// Metrics of an application, beside cells of the engine.
struct own_metrics {
  explicit own_metrics(shard& to) {
    for (statements::metric_declaration* each : declared.metrics) each->bind(to);
  }

  statements::declarations declared;
  std::optional<statements::declaration_scope> scope{declared};
  statements::counter plain{"orders_total", "Orders."};
  statements::counter labelled{"orders_reviews_total", "Orders sent to review.", {"reason"}};
};

// Of the thread's CPU time, so that a busy machine changes little.
double cpu_nanoseconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e9 + static_cast<double>(spent.tv_nsec);
}

template <typename Work>
double nanoseconds_each(std::uint64_t times, const Work& work) {
  const double began = cpu_nanoseconds();
  for (std::uint64_t i = 0; i < times; ++i) work();
  return (cpu_nanoseconds() - began) / static_cast<double>(times);
}

double median(std::vector<double> of) {
  std::ranges::sort(of);
  return of[of.size() / 2];
}

// One add() of the engine's counter, of an application's, and with a label: ten a turn, so that the loop
// costs little.
void print_own(shard& mine, record_cells& cells, std::uint64_t records, int rounds) {
  own_metrics own(mine);
  const auto ten = [](const auto& add) {
    for (int i = 0; i < 10; ++i) {
      add();
      std::atomic_signal_fence(std::memory_order_seq_cst);  // each add() reads and writes its cell
    }
  };
  std::vector<double> engine, plain, labelled;
  const std::string_view reasons[] = {"credit", "address", "stock"};
  for (int round = 0; round < rounds; ++round) {
    std::size_t next = 0;
    engine.push_back(nanoseconds_each(records, [&] { ten([&] { cells.done.add(); }); }) / 10);
    plain.push_back(nanoseconds_each(records, [&] { ten([&] { own.plain.add(); }); }) / 10);
    labelled.push_back(nanoseconds_each(records,
                                        [&] {
                                          const std::string_view reason = reasons[next++ % 3];
                                          ten([&] { own.labelled.with(reason).add(); });
                                        }) /
                       10);
  }
  std::printf(
      "one add() of a counter: the engine's %.2f ns, an application's %.2f ns, with a label %.2f ns\n",
      median(engine), median(plain), median(labelled));
}

// Series as a process with 20 partitions and 3 processors has them.
void fill_page(catalogue& in, shard& to) {
  const auto by_partition = [&](const std::string& name) {
    const gauge_family what = in.gauge(
        {.name = name, .help = "h", .labels = {label::open("topic", 256), label::open("partition", 4096)}});
    for (int i = 0; i < partitions; ++i) to.gauge(what, {"navigation", std::to_string(i)}).set(i * 1'000.5);
  };
  for (int i = 0; i < 6; ++i) by_partition("millrace_partition_" + std::to_string(i));
  const auto labelled = [&](const std::string& name, int values, scale of) {
    const histogram_family what = in.histogram(
        {.name = name, .help = "h", .labels = {label::open("what", 200)}, .buckets = in.bounds(of)});
    for (int i = 0; i < values; ++i)
      to.histogram(what, {"value " + std::to_string(i)}).observe(nanoseconds(5'000));
  };
  labelled("millrace_stages_seconds", 7, scale::stage);
  labelled("millrace_processes_seconds", processors, scale::request);
  labelled("millrace_process_failures_seconds", processors, scale::request);
  labelled("millrace_statements_seconds", 3, scale::request);
  labelled("millrace_statement_failures_seconds", 3, scale::request);
  for (int i = 0; i < 12; ++i)
    labelled("millrace_others_" + std::to_string(i) + "_seconds", 1, scale::end_to_end);
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t records = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 11;
  catalogue declared;
  registry counts(declared);
  shard& mine = counts.add_shard();
  record_cells cells(declared, mine);
  fill_page(declared, mine);
  durations drawn;
  std::int64_t sink = 0;
  std::vector<double> counting, drawing, clock, scraping;
  for (int round = 0; round < rounds; ++round) {
    drawing.push_back(nanoseconds_each(records, [&] { only_draw(drawn, sink); }));
    counting.push_back(nanoseconds_each(records, [&] { count(cells, drawn); }));
    clock.push_back(nanoseconds_each(records, [&] { sink += system_clock().now().ns; }));
    scraping.push_back(nanoseconds_each(
        20, [&] { sink += static_cast<std::int64_t>(to_text(counts.take_snapshot()).size()); }));
  }
  const double cells_ns = median(counting) - median(drawing);
  // decode twice, the end of the processor, the end of the record, the submission of two statements.
  constexpr double clock_reads = 6;
  std::printf("cells of one record (4 counters, 2 gauges, 10 histograms): %.1f ns\n", cells_ns);
  std::printf("one reading of the clock: %.1f ns; %.0f a record: %.1f ns\n", median(clock), clock_reads,
              clock_reads * median(clock));
  std::printf("both: %.1f ns a record\n", cells_ns + clock_reads * median(clock));
  std::printf("a scrape: %.0f us, %zu bytes\n", median(scraping) / 1'000,
              to_text(counts.take_snapshot()).size());
  print_own(mine, cells, records, rounds);
  return sink == 42 ? 1 : 0;
}
