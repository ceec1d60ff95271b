// What the database holds in the end is decided by the log, not by who answered last.
#include "line_fixture.h"

namespace millrace::pipeline {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view update_latest = "INSERT INTO latest (id, number) VALUES (?, ?)";

// Writes the newest parcel of a word, with a write timestamp from the record: its time, then its offset.
class newest : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    const std::int64_t at = p.created().time_since_epoch().count() * 1'000 + p.offset() % 1'000;
    testkit::execute update(ctx.database(), update_, {testkit::cell(p->number), testkit::cell(p->word)}, at);
    const result<stream::rows_ref> written = co_await update;
    if (!written) co_return written.error();
    co_return stream::outcome::done();
  }

 private:
  any_statement update_{std::string(update_latest)};
};

class write_order_test : public line_test {
 protected:
  // As the database does: the newest write timestamp wins.
  [[nodiscard]] std::int64_t row() const {
    const testkit::executed_statement* winner = nullptr;
    for (const auto& e : store.executed()) {
      if (winner == nullptr || e.write_timestamp_us > winner->write_timestamp_us) winner = &e;
    }
    return winner == nullptr ? -1 : winner->parameters[0].bigint();
  }
};

// kafka-connect-scylladb #20.
TEST_F(write_order_test, SeveralMessagesForOneRowInTheSameMillisecond) {
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

TEST_F(write_order_test, AReplayAndAZombieWriteTheSameCellAgain) {
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

}  // namespace
}  // namespace millrace::pipeline
