#include "readiness.h"

#include <gtest/gtest.h>

#include "status_page.h"

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

class Readiness : public testing::Test {
 protected:
  Readiness() {
    seen_.started = true;
    seen_.uptime = 5s;
    worker_view w;
    w.line.state = engine::engine_state::running;
    w.line.joined = true;
    w.line.breakers = {{"database", engine::breaker_state::closed}};
    seen_.workers = {w};
  }
  std::string after(nanoseconds time) {
    for (const instant end = time_.now() + time; time_.now() < end; time_.advance(100ms))
      readiness_.look(seen_, time_.now());
    return readiness_.not_ready_because();
  }
  void breaker(engine::breaker_state state) {
    seen_.workers[0].line.breakers[0].state = state;
    seen_.workers[0].line.last_error = error(errc::db_unavailable, "nobody there");
  }

  process_view seen_;
  manual_clock time_;
  readiness readiness_;
};

TEST_F(Readiness, AProcessThatRunsAndHasJoinedIsReady) {
  EXPECT_EQ(readiness_.not_ready_because(), "starting");
  EXPECT_EQ(after(1s), "");
}

TEST_F(Readiness, AMemberThatHasNotJoinedIsNotReadyForALimitedTime) {
  seen_.workers[0].line.joined = false;
  EXPECT_EQ(after(1s), "worker 0 has not joined the group yet");
  seen_.uptime = readiness::joins_within;
  EXPECT_EQ(after(1s), "") << "there are more workers than partitions";
}

TEST_F(Readiness, AShortFailureOfADependencyKeepsReadiness) {
  after(1s);
  breaker(engine::breaker_state::open);
  EXPECT_EQ(after(9s), "");
  breaker(engine::breaker_state::closed);
  EXPECT_EQ(after(60s), "");
}

TEST_F(Readiness, ALongFailureOfADependencyEndsReadinessUntilItStaysHealthy) {
  after(1s);
  breaker(engine::breaker_state::open);
  EXPECT_EQ(
      after(11s),
      "the database is unavailable (its circuit breaker is open); last error: db_unavailable: nobody there");
  breaker(engine::breaker_state::closed);
  EXPECT_NE(after(4s), "");
  breaker(engine::breaker_state::probing);
  EXPECT_NE(after(1s), "");
  breaker(engine::breaker_state::closed);
  EXPECT_NE(after(4s), "") << "it was unhealthy again";
  EXPECT_EQ(after(2s), "");
}

TEST_F(Readiness, AStopEndsReadinessAtOnce) {
  after(1s);
  seen_.workers[0].line.state = engine::engine_state::draining;
  EXPECT_EQ(after(100ms), "worker 0 is draining");
}

}  // namespace
}  // namespace millrace::app
