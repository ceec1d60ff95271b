// What a record costs the engine beyond taking and decoding it: rows by the protocol of run.py. A row is made
// again for every pass, warmed up, measured on this thread's CPU clock, and destroyed.
//
//   usage: bench_engine               prints the names of the rows, tab-separated, then answers lines
//                                     "ROW<tab>RECORDS" with {"ns": per record, "allocations": per record}
//          bench_engine ROW RECORDS   one pass; the measured part is the function `measured`

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <navigation.avsc.h>
#include <nlohmann/json.hpp>

#include <millrace/avro/framing.h>
#include <millrace/base/assert.h>
#include <millrace/engine/avro_value.h>
#include <millrace/engine/record_engine.h>
#include <millrace/metrics/registry.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_store.h>
#include <millrace/workload/navigation_schema.h>

#include "memory_source.h"

namespace {
std::uint64_t allocations = 0;
}  // namespace

// Counted: every allocation of the program.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace millrace::bench {
namespace {

using tracking::Navigation;

constexpr std::size_t distinct_records = 4'096;
constexpr std::size_t usual_in_flight = 1'024;
constexpr std::size_t warm_up_records = 20'000;
constexpr std::size_t released_per_turn_max = 64;

const std::string& schema_text() {
  static const std::string text(workload::navigation_schema());
  return text;
}

std::int64_t cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000'000 + used.tv_nsec;
}

// Something that goes on until so many more records have ended.
class pass {
 public:
  pass() = default;
  pass(const pass&) = delete;
  pass& operator=(const pass&) = delete;
  virtual ~pass() = default;
  virtual void warm_up() = 0;
  virtual void go_on(std::uint64_t records) = 0;
};

// Takes, and decodes or not: what any consumer of these records pays.
class floor_pass final : public pass, private stream::source_events {
 public:
  explicit floor_pass(bool decodes) : decodes_(decodes) {
    auto compiled = format().compile({.text = schema_text(), .references = {}});
    invariant(compiled.ok(), "the records' schema is that of the struct");
    plan_ = *std::move(compiled);
  }
  void warm_up() override { go_on(warm_up_records); }
  void go_on(std::uint64_t records) override {
    for (const std::uint64_t end = taken_ + records; taken_ < end;) source_.poll(*this, 256);
  }

 private:
  static const engine::value_format& format() { return engine::value_traits<Navigation>::format(); }

  void on_record(const stream::record_view& record) override {
    ++taken_;
    if (decodes_) {
      const result<avro::framed> framed = avro::split_frame(*record.value);
      invariant(framed && slot_->decode(*plan_, framed->datum).ok(), "the records can be decoded");
    }
    asm volatile("" : : "r"(&record), "r"(slot_->value()) : "memory");
  }
  void on_assigned(std::span<const stream::partition_id>) override {}
  void on_revoked(std::span<const stream::partition_id>) override {}
  void on_lost(std::span<const stream::partition_id>) override {}
  void on_committed(std::span<const stream::commit_result>) override {}
  void on_source_error(const error&, bool) override {}

  bool decodes_;
  memory_source source_{distinct_records};
  std::shared_ptr<const engine::value_plan> plan_;
  std::unique_ptr<engine::value_slot> slot_ = format().make_slot();
  std::uint64_t taken_ = 0;
};

class nothing final : public engine::processor<Navigation> {
 public:
  explicit nothing(std::string called) : called_(std::move(called)) {}
  [[nodiscard]] std::string_view name() const override { return called_; }
  runtime::task<stream::outcome> process(engine::record<Navigation>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
};

// What the waiting processors wait on. Once as many records are in flight as may be, some are let go in every
// turn: those that came first, or any.
class gate final : private runtime::step {
 public:
  gate(runtime::loop& loop, std::size_t in_flight, bool any_order)
      : loop_(loop), in_flight_(in_flight), any_order_(any_order), waiting_(in_flight) {
    loop_.add_step(runtime::phase::submit, *this);
  }
  ~gate() { loop_.remove_step(*this); }
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  void watch(const engine::record_engine& engine) noexcept { engine_ = &engine; }
  void open() noexcept { open_ = true; }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    invariant(count_ < in_flight_, "no more records wait than may be in flight");
    waiting_[(first_ + count_++) % in_flight_] = handle;
  }
  void await_resume() const noexcept {}

 private:
  bool on_turn() override {
    if (!open_ && engine_->in_flight_records() < in_flight_) return true;
    const std::size_t most = open_ ? count_ : std::min(released_per_turn_max, count_);
    for (std::size_t i = 0; i < most; ++i) {
      if (any_order_) {
        random_ = random_ * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
        std::swap(waiting_[first_], waiting_[(first_ + (random_ >> 33U) % count_) % in_flight_]);
      }
      loop_.resume_later(waiting_[first_]);
      first_ = (first_ + 1) % in_flight_;
      --count_;
    }
    return true;
  }

  runtime::loop& loop_;
  std::size_t in_flight_;
  bool any_order_;
  const engine::record_engine* engine_ = nullptr;
  bool open_ = false;
  std::vector<std::coroutine_handle<>> waiting_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t random_ = 1;
};

class waits final : public engine::processor<Navigation> {
 public:
  explicit waits(gate* at) : gate_(at) {}
  runtime::task<stream::outcome> process(engine::record<Navigation>, stream::context) override {
    co_await *gate_;
    co_return stream::outcome::done();
  }

 private:
  gate* gate_;
};

struct engine_row {
  engine::order_mode order = engine::order_mode::unordered;
  std::size_t processors = 1;
  std::size_t waiting = 0;  // records in flight; 0: the processors do not wait
  bool any_order = false;
};

class engine_pass final : public pass {
 public:
  explicit engine_pass(const engine_row& row) : row_(row) {
    options_.order = row.order;
    options_.in_flight_records_max = row.waiting == 0 ? usual_in_flight : row.waiting;
    options_.partition_window_max = options_.schema_wait_records_max = std::size_t{1} << 40U;
    options_.partition_share_max = options_.in_flight_records_max;
    // Whatever the machine's speed, no partition is stalled here.
    options_.partition_pause_after = options_.partition_stall_after = milliseconds(3'600'000);
    options_.dead_letter_topic = "dead";
    schemas_.add(memory_source::schema_id, schema_text());
    engine::processor_set set;
    if (row.waiting > 0) {
      gate_ = std::make_unique<gate>(loop_, row.waiting, row.any_order);
      set.push_back(engine::make<waits>(gate_.get()));
    }
    for (std::size_t i = set.size(); i < row.processors; ++i) {
      set.push_back(engine::make<nothing>("nothing-" + std::to_string(i)));
    }
    result<engine::processors> built = engine::build(set);
    invariant(built.ok(), "the processors can be built");
    engine_ = std::make_unique<engine::record_engine>(
        engine::engine_ports{loop_, source_, sink_, store_, schemas_, budget_, retries_, shard_}, options_,
        std::move(*built));
    if (gate_) gate_->watch(*engine_);
    engine_->start();
  }
  ~engine_pass() override {
    invariant(source_.pauses() == 0, "nothing was paused");
    engine_->abort();
    if (gate_) gate_->open();
    while (!engine_->quiescent()) loop_.run_turn(milliseconds(0));
    invariant(engine_->counts().balanced() && engine_->counts().dead_lettered == 0, "every record was done");
    engine_.reset();
    gate_.reset();
  }

  void warm_up() override { go_on(warm_up_records + 2 * row_.waiting); }
  void go_on(std::uint64_t records) override {
    for (const std::uint64_t end = engine_->counts().done + records; engine_->counts().done < end;) {
      loop_.run_turn(milliseconds(1));
    }
  }

 private:
  engine_row row_;
  runtime::loop loop_{system_clock()};
  memory_source source_{distinct_records};
  simulation::simulated_sink sink_{loop_, {}};
  simulation::simulated_store store_{loop_, {}};
  simulation::simulated_schemas schemas_{loop_};
  engine::byte_budget budget_{std::size_t{1} << 40U};
  engine::retry_budget retries_{{}};
  metrics::catalogue declared_;
  metrics::registry registry_{declared_};
  metrics::shard& shard_{registry_.add_shard()};
  engine::engine_options options_;
  std::unique_ptr<gate> gate_;
  std::unique_ptr<engine::record_engine> engine_;
};

struct row {
  std::string name;
  std::function<std::unique_ptr<pass>()> make;
};

std::vector<row> all_rows() {
  using engine::order_mode;
  std::vector<row> rows;
  const auto add = [&rows](const std::string& name, const engine_row& of) {
    rows.push_back({name, [of] { return std::make_unique<engine_pass>(of); }});
  };
  rows.push_back({"take", [] { return std::make_unique<floor_pass>(false); }});
  rows.push_back({"take and decode", [] { return std::make_unique<floor_pass>(true); }});
  add("engine, unordered", {});
  add("engine, key", {.order = order_mode::key});
  add("engine, partition", {.order = order_mode::partition});
  add("engine, three processors", {.processors = 3});
  for (const std::size_t in_flight : {1U, 16U, 256U, 1'024U, 8'192U, 100'000U}) {
    add(fmt::format("{} in flight", in_flight), {.waiting = in_flight});
  }
  for (const std::size_t in_flight : {256U, 8'192U, 100'000U}) {
    add(fmt::format("{} in flight, ending in any order", in_flight),
        {.waiting = in_flight, .any_order = true});
  }
  for (const std::size_t in_flight : {256U, 8'192U}) {
    add(fmt::format("{} in flight, key", in_flight), {.order = order_mode::key, .waiting = in_flight});
  }
  return rows;
}

}  // namespace

// Of external linkage, so that callgrind can be told to count in here.
[[gnu::noinline]] void measured(pass& p, std::uint64_t records);
void measured(pass& p, std::uint64_t records) { p.go_on(records); }

namespace {

nlohmann::json run(const row& which, std::uint64_t records) {
  const std::unique_ptr<pass> p = which.make();
  p->warm_up();
  const std::uint64_t allocated_before = allocations;
  const std::int64_t begun = cpu_ns();
  measured(*p, records);
  const auto count = static_cast<double>(records);
  const auto used = static_cast<double>(cpu_ns() - begun);
  return {{"ns", used / count}, {"allocations", static_cast<double>(allocations - allocated_before) / count}};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  using namespace millrace;
  const std::vector<bench::row> rows = bench::all_rows();
  const auto answer = [&rows](const std::string& name, const std::string& records) {
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&name](const bench::row& r) { return r.name == name; });
    invariant(found != rows.end(), "a row is asked for by its name");
    std::puts(bench::run(*found, std::stoull(records)).dump().c_str());
    std::fflush(stdout);
  };
  if (argc == 3) {
    answer(argv[1], argv[2]);
    return 0;
  }
  std::string names;
  for (const bench::row& one : rows) names += (names.empty() ? "" : "\t") + one.name;
  std::puts(names.c_str());
  std::fflush(stdout);
  for (std::string text; std::getline(std::cin, text);) {
    const std::size_t tab = text.find('\t');
    invariant(tab != std::string::npos, "ROW<tab>RECORDS");
    answer(text.substr(0, tab), text.substr(tab + 1));
  }
  return 0;
}
