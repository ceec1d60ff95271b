// A database that is down, wholly or for some records, at low rates and high ones: what costs a record, and
// what does not.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class outage_test : public record_engine_test {
 protected:
  outage_test() {
    options.breaker = {};  // as by default
    retry_policy_of_process = {};
  }
  [[nodiscard]] std::string state() const {
    return std::string(to_string(engine_->status_now().breakers.front().state));
  }
  // One record every `each`, for `length`.
  void produce_for(nanoseconds length, nanoseconds each, std::int32_t partition = 0) {
    for (nanoseconds passed{0}; passed < length; passed += each) {
      produce(partition, next_number_++);
      advance(each);
    }
  }

  std::int64_t next_number_ = 0;
};

TEST_F(outage_test, AtAHundredthOfARecordPerSecondNothingIsDeadLettered) {
  database_down = true;
  start();
  assign({0});
  produce_for(3'600s, 100s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  database_down = false;
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 36U);
  EXPECT_EQ(committed(0), 36);
}

TEST_F(outage_test, OneRecordASecondOpensTheBreakerAndLosesNothing) {
  database_down = true;
  start();
  assign({0});
  produce_for(600s, 1s);
  EXPECT_NE(state(), "closed");
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  database_down = false;
  advance(120s);
  EXPECT_EQ(engine_->counts().done, 600U);
  EXPECT_EQ(state(), "closed");
}

TEST_F(outage_test, ASingleRecordThatWaitsForAnHourIsProcessed) {
  database_down = true;
  start();
  assign({0});
  produce(0, 1);
  advance(3'600s);
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  database_down = false;
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 1U);
}

TEST_F(outage_test, ARecordThatTimesOutWhileOthersSucceedIsDeadLetteredAfterAgeMax) {
  options.retry.age_max = 30s;
  database_errors[0] = std::vector<error>(10'000, error(errc::db_timeout));
  start();
  assign({0});
  produce_for(20s, 1s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  produce_for(60s, 1s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().done, 79U);
}

TEST_F(outage_test, RecordsWithoutAReplicaAreKeptWhileOthersSucceed) {
  options.retry.age_max = 30s;
  for (std::int64_t i = 0; i < 200; i += 5)
    database_errors[i] = std::vector<error>(100'000, error(errc::db_unavailable));
  start();
  assign({0});
  produce_for(200s, 1s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_EQ(engine_->counts().done, 160U);
  database_errors.clear();
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 200U);
}

// Only every tenth record uses the database.
class rarely_storing final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    if (p->number % 10 != 0) co_return stream::outcome::done();
    simulation::execute insert(ctx, insert_, {simulation::cell(p->number), simulation::cell(p->word)});
    const result<stream::rows_ref> written = co_await insert;
    if (!written) co_return written.error();
    co_return stream::outcome::done();
  }

 private:
  any_statement insert_{std::string(insert_parcel)};
};

TEST_F(outage_test, RecordsThatNeedNoDatabaseDoNotHideThatItIsDown) {
  options.order = order_mode::unordered;
  database_down = true;
  start_with({make<rarely_storing>()});
  assign({0});
  produce_for(60s, 20ms);
  EXPECT_NE(state(), "closed");
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
}

}  // namespace
}  // namespace millrace::engine
