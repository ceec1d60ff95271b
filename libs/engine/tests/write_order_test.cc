// What the database holds in the end is decided by the log, not by who answered last.
#include <algorithm>

#include <fixtures/engine_fixture.h>

#include <millrace/stream/write_clock.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view update_latest = "INSERT INTO latest (id, number) VALUES (?, ?)";

// Writes the newest parcel of a word, at the record's write time.
class newest : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    simulation::execute update(ctx, update_, {simulation::cell(p->number), simulation::cell(p->word)},
                               ctx.write_time_us() + 1);
    const result<stream::rows_ref> written = co_await update;
    if (!written) co_return written.error();
    co_return stream::outcome::done();
  }

 private:
  any_statement update_{std::string(update_latest), {.written = statements::write_time::record}};
};

class write_order_test : public record_engine_test {
 protected:
  // As the database does: the newest write timestamp wins.
  [[nodiscard]] std::int64_t row() const {
    const simulation::executed_statement* winner = nullptr;
    for (const auto& e : store.executed()) {
      if (winner == nullptr || e.write_timestamp_us > winner->write_timestamp_us) winner = &e;
    }
    return winner == nullptr ? -1 : winner->parameters[0].bigint();
  }
  void produce_at(std::int64_t number, nanoseconds from_now) {
    simulation::simulated_record r;
    r.key = byte_buffer(1, std::byte{'k'});
    r.value = framed_parcel(schema_id, number, "ok");
    r.created = std::chrono::time_point_cast<milliseconds>(time.wall() + from_now);
    static_cast<void>(log.append({0, 0}, std::move(r), 0));
    source->wake();
  }
  [[nodiscard]] std::vector<std::int64_t> write_times() const {
    std::vector<std::int64_t> all;
    for (const auto& e : store.executed()) all.push_back(*e.write_timestamp_us);
    return all;
  }
  // A new process starts from what was committed.
  void restart() {
    crash();
    start_with({make<newest>()});
    assign({0});
  }
};

// kafka-connect-scylladb #20.
TEST_F(write_order_test, OfSeveralWritesInOneMillisecondTheLastRecordWins) {
  start_with({make<newest>()});
  assign({0});
  database_delay = 300ms;
  produce(0, 1);
  run();
  database_delay = 200ms;
  produce(0, 2);
  run();
  database_delay = 100ms;
  produce(0, 3);
  advance(1s);
  ASSERT_EQ(inserted(), (std::vector<std::int64_t>{3, 2, 1})) << "the database sees them in reverse";
  EXPECT_EQ(row(), 3);
}

TEST_F(write_order_test, AReplayAndAZombieRepeatTheSameWriteTime) {
  start_with({make<newest>()});
  assign({0});
  hold_database = true;
  produce(0, 1);
  run();
  hold_database = false;
  lose({0});    // the write of 1 is still on its way
  assign({0});  // and 1 is delivered again
  produce(0, 2);
  advance(200s);
  ASSERT_EQ(inserted(), (std::vector<std::int64_t>{1, 2, 1})) << "the zombie's write comes last";
  EXPECT_EQ(row(), 2);
}

TEST_F(write_order_test, TheLastRecordWinsWhateverItsTimestamp) {
  start_with({make<newest>()});
  assign({0});
  produce_at(1, 10s);
  produce_at(2, 0s);
  produce_at(3, std::chrono::hours(24 * 365));  // not believed
  produce_at(4, -std::chrono::hours(24 * 365));
  for (std::int64_t n = 5; n <= 1'200; ++n) produce_at(n, 10s);  // more than a thousand in one millisecond
  produce_at(1'201, 9s);
  advance(1s);
  const std::vector<std::int64_t> times = write_times();
  ASSERT_EQ(times.size(), 1'201U);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_EQ(row(), 1'201);
  EXPECT_LT(times.back() - times.front(), 10'000) << "and the times stay near those of the records";
}

TEST_F(write_order_test, ANewOwnerContinuesTheWriteTimesOfTheCommit) {
  start_with({make<newest>()});
  assign({0});
  for (std::int64_t n = 0; n < 10; ++n) produce_at(n, 10s);
  advance(2s);
  ASSERT_EQ(committed(0), 10);
  const std::int64_t before = write_times().back();
  restart();
  produce_at(10, 0s);  // earlier by its timestamp
  advance(2s);
  EXPECT_EQ(write_times().back(), before + stream::write_clock::step_us);
  EXPECT_EQ(row(), 10);
}

TEST_F(write_order_test, ARecordRepeatedAfterACrashKeepsItsWriteTime) {
  start_with({make<newest>()});
  assign({0});
  hold_database = true;
  produce_at(0, 10s);  // holds the commit back
  advance(10ms);
  hold_database = false;
  for (std::int64_t n = 1; n < 5; ++n) produce_at(n, 5s);
  advance(2s);
  ASSERT_EQ(committed(0), 0);
  const std::vector<std::int64_t> first = write_times();
  restart();
  advance(2s);
  const std::vector<std::int64_t> all = write_times();
  ASSERT_GT(all.size(), first.size());
  EXPECT_LT(all[first.size()], first.front()) << "the record that held the commit is the oldest of the key";
  EXPECT_EQ(row(), 4);
}

}  // namespace
}  // namespace millrace::engine
