// What a cached lookup costs: a coroutine that awaits one after another, over keys that are all cached.
// Counts allocations, too: there must be none.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <millrace/cql/lookup.h>
#include <millrace/runtime/loop.h>

namespace {

std::uint64_t allocations = 0;

}  // namespace

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* block = std::malloc(bytes)) return block;  // NOLINT(cppcoreguidelines-no-malloc)
  std::abort();
}
void operator delete(void* block) noexcept { std::free(block); }               // NOLINT
void operator delete(void* block, std::size_t) noexcept { std::free(block); }  // NOLINT

namespace millrace::bench {
namespace {

struct profile {
  std::string_view segment;
  std::int64_t score = 0;
};
using profile_lookup = cql::lookup<profile(std::string_view)>;

class answer final : public stream::rows_owner {
 public:
  answer() {
    cql::codec<std::string_view>::encode(buffer_, "a segment");
    cql::codec<std::int64_t>::encode(buffer_, 7);
    cells = buffer_.view();
    row_count = 1;
  }

 private:
  void destroy() noexcept override { delete this; }
  cql::cell_buffer buffer_;
};

// Answers when told to, one request at a time.
class waiting_store final : public stream::store {
 public:
  result<void> prepare(statements::statement_declaration&) override { return {}; }
  void submit(stream::store_request& request) override { waiting_ = &request; }
  [[nodiscard]] std::size_t in_flight() const noexcept override { return waiting_ == nullptr ? 0 : 1; }
  // False: nothing was asked for.
  bool answer_one() {
    stream::store_request* const request = std::exchange(waiting_, nullptr);
    if (request == nullptr) return false;
    request->answer.emplace(stream::rows_ref(new answer));
    request->on_complete(*request);
    return true;
  }

 private:
  stream::store_request* waiting_ = nullptr;
};

class run_of_bench final : public stream::execution {
 public:
  run_of_bench(runtime::loop& l, stream::store& s) : loop_(l), store_(s) {}
  runtime::loop& loop() noexcept override { return loop_; }
  stream::store& database() noexcept override { return store_; }
  [[nodiscard]] const stream::record_block& record() const noexcept override { std::abort(); }
  [[nodiscard]] std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const stream::emit_request&) override { std::abort(); }
  void emit_failed(const error&) override {}

 private:
  runtime::loop& loop_;
  stream::store& store_;
};

class finish final : public runtime::deferred {
 public:
  void run() override {}
};

// Sums the scores, so that nothing is optimised away.
runtime::task<std::int64_t> look_up(const profile_lookup* of, stream::context ctx,
                                    const std::vector<std::string>* keys, std::size_t times) {
  std::int64_t sum = 0;
  for (std::size_t i = 0, k = 0; i < times; ++i) {
    const auto found = co_await (*of)(ctx, (*keys)[k]);
    sum += found->score;
    if (++k == keys->size()) k = 0;
  }
  co_return sum;
}

// CPU time of this thread: a machine that others use too disturbs it less than the clock on the wall.
double cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

int run() {
  constexpr std::size_t times = 2'000'000;
  constexpr int rounds = 7;
  std::printf("%-14s%12s%22s\n", "cached keys", "ns per hit", "allocations per hit");
  for (const std::size_t count : {std::size_t{1}, std::size_t{1'000}, std::size_t{100'000}}) {
    runtime::loop loop(system_clock());
    waiting_store store;
    run_of_bench execution(loop, store);
    statements::invalidation_board board;
    statements::lookup_room room{board};
    statements::declarations declared;
    const statements::declaration_scope collecting(declared);
    profile_lookup lookup(
        "profiles", "SELECT segment, score FROM profile WHERE id = ?",
        {.entries_max = count, .bytes_max = std::size_t{1} << 30U, .ttl = std::chrono::hours(1)});
    if (!lookup.open(room, lookup.declared())) return 1;
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < count; ++i) keys.push_back("visitor-" + std::to_string(i * 7'919));
    loop.run_pending();
    std::vector<double> ns;
    double allocated = 0;
    finish done;
    for (int round = -1; round < rounds; ++round) {  // the first fills the cache
      const std::uint64_t before = allocations;
      const double began = cpu_ns();
      auto task = look_up(&lookup, stream::context(execution), &keys, round < 0 ? count : times);
      task.start(loop, done);
      while (store.answer_one()) {
      }
      const double took = cpu_ns() - began;
      loop.run_pending();
      if (task.take() == 0) return 1;
      if (round < 0) continue;
      ns.push_back(took / static_cast<double>(times));
      allocated = static_cast<double>(allocations - before) / static_cast<double>(times);
    }
    std::sort(ns.begin(), ns.end());
    std::printf("%-14zu%12.1f%22.3f\n", count, ns[ns.size() / 2], allocated);
  }
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main() { return millrace::bench::run(); }
