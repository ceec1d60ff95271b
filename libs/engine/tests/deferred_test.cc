// outcome::again: a deferred record runs again later, at no cost.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view select_room = "SELECT n FROM room WHERE number = ?";

// Puts a parcel off until its room is there, or for a minute.
class waiting_for_room : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    ++runs;
    simulation::execute select(ctx, select_, {simulation::cell(p->number)});
    const result<stream::rows_ref> found = co_await select;
    if (!found) co_return found.error();
    if ((*found)->row_count > 0) co_return stream::outcome::done();
    if (ctx.put_off_for() >= 60s) co_return stream::outcome::skipped("no room");
    co_return stream::outcome::again(2s, "no room yet");
  }
  static int runs;

 private:
  any_statement select_{std::string(select_room)};
};
int waiting_for_room::runs = 0;

class deferred_test : public record_engine_test {
 protected:
  void begin() {
    waiting_for_room::runs = 0;
    options.retry.attempts_max = 3;
    start_with({make<waiting_for_room>()});
    assign({0});
    produce(0, 1);
    run();
  }
  void give_room() { store.prime(select_room, {{std::int64_t{1}}}); }
};

TEST_F(deferred_test, RunsAgainWithoutCountingAnAttempt) {
  begin();
  advance(21s);
  EXPECT_EQ(waiting_for_room::runs, 11) << "far more often than attempts_max";
  EXPECT_FALSE(committed(0).value_or(0) > 0);
  EXPECT_EQ(engine_->status_now().retrying, 1U);
  give_room();
  advance(3s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(deferred_test, KnowsHowLongItWasDeferred) {
  begin();
  advance(70s);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(waiting_for_room::runs, 31);
  waiting_for_room::runs = 0;
  produce(0, 2);
  advance(1s);
  EXPECT_EQ(waiting_for_room::runs, 1) << "the next record starts from zero";
}

TEST_F(deferred_test, TakesNothingFromTheRetryBudget) {
  retry_policy_of_process = {.ratio = 0, .reserve = 1, .window = 600s};
  begin();
  advance(21s);
  EXPECT_EQ(waiting_for_room::runs, 11);
  EXPECT_EQ(engine_->status_now().over_budget, 0U);
}

TEST_F(deferred_test, AFailureInBetweenCountsAsAnAttempt) {
  begin();
  database_errors[1] = {error(errc::timed_out), error(errc::timed_out), error(errc::timed_out)};
  advance(30s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U) << "three attempts failed";
}

TEST_F(deferred_test, IsAbandonedByARevokeAndRunsForTheNextOwner) {
  options.revoke_drain_timeout = 500ms;
  begin();
  revoke({0});
  advance(1s);
  EXPECT_TRUE(happened(happening::released, 0));
  EXPECT_EQ(engine_->counts().abandoned, 1U);
  give_room();
  assign({0});
  advance(2s);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(deferred_test, AnOperatorMayRetryOrEndIt) {
  begin();
  EXPECT_EQ(engine_->act_on({"parcels", 0, 0}, operator_command::retry).what, command_answer::kind::obeyed);
  run();
  EXPECT_EQ(waiting_for_room::runs, 2);
  EXPECT_EQ(engine_->act_on({"parcels", 0, 0}, operator_command::skip).what, command_answer::kind::obeyed);
  run();
  EXPECT_EQ(engine_->counts().skipped, 1U);
}

}  // namespace
}  // namespace millrace::engine
