// What is finished beyond the committed offset is not worked on again by the next owner of the partition.
#include <fixtures/engine_fixture.h>

#include <millrace/stream/finished_map.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class remember_test : public record_engine_test {
 protected:
  // 0 is held by the database, 1 to 5 are finished and stored with a commit at 0.
  void finish_all_but_the_first() {
    start();
    assign({0});
    hold_database = true;
    produce(0, 0);
    run();
    hold_database = false;
    for (int i = 1; i <= 5; ++i) produce(0, i);
    advance(2s);
    ASSERT_EQ(committed(0), 0);
  }
  void crash() {
    record_engine_test::crash();
    before_ = store.executed().size();
  }
  // Since the crash.
  [[nodiscard]] std::vector<std::int64_t> worked_on() const {
    const std::vector<std::int64_t> all = inserted();
    return {all.begin() + static_cast<std::ptrdiff_t>(before_), all.end()};
  }
  [[nodiscard]] double passed_over() {
    return registry.take_snapshot().value("millrace_records_passed_over_total", {}).value_or(-1);
  }

  std::size_t before_ = 0;
};

TEST_F(remember_test, ARestartAfterACrashProcessesUnfinishedRecordsOnly) {
  finish_all_but_the_first();
  crash();
  start();
  assign({0});
  produce(0, 6);
  advance(2s);
  EXPECT_EQ(worked_on(), (std::vector<std::int64_t>{0, 6}));
  EXPECT_EQ(committed(0), 7);
  EXPECT_EQ(passed_over(), 5);
  EXPECT_EQ(engine_->counts().received, 2U) << "records passed over are not in the record accounting";
}

TEST_F(remember_test, TheNextOwnerAfterAnIncompleteDrainProcessesUnfinishedRecordsOnly) {
  options.revoke_drain_timeout = 1s;
  finish_all_but_the_first();
  revoke({0});
  advance(3s);
  ASSERT_TRUE(happened(happening::released, 0));
  before_ = store.executed().size();
  assign({0});
  advance(3s);
  EXPECT_EQ(worked_on(), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(committed(0), 6);
}

TEST_F(remember_test, RecordsNotYetDeliveredAgainStayRemembered) {
  finish_all_but_the_first();
  crash();
  options.in_flight_records_max = 1;
  hold_database = true;
  start();
  assign({0});
  advance(5s);  // 0 is held again: nothing else is taken
  EXPECT_EQ(passed_over(), 0);
  crash();
  start();
  assign({0});
  advance(5s);
  EXPECT_EQ(worked_on(), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(committed(0), 6);
}

TEST_F(remember_test, ARecreatedTopicIsReadWithoutTheFinishedMap) {
  finish_all_but_the_first();
  crash();
  log.set_topic_id(0, "another");
  start();
  assign({0});
  advance(2s);
  EXPECT_EQ(worked_on(), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(remember_test, AnOffsetSetByAnOperatorIsReadWithoutTheFinishedMap) {
  finish_all_but_the_first();
  const std::string map = log.metadata({0, 0});
  crash();
  ASSERT_TRUE(log.commit({{0, 0}, 2, map}, log.owner({0, 0})));
  start();
  assign({0});
  advance(2s);
  EXPECT_EQ(worked_on(), (std::vector<std::int64_t>{2, 3, 4, 5}));
}

TEST_F(remember_test, MetadataOfAnotherClientIsIgnored) {
  finish_all_but_the_first();
  crash();
  ASSERT_TRUE(log.commit({{0, 0}, 0, "checkpoint 17"}, log.owner({0, 0})));
  start();
  assign({0});
  advance(2s);
  EXPECT_EQ(worked_on(), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(remember_test, WithoutATopicsIdentityNothingIsRemembered) {
  log.set_topic_id(0, "");
  start();
  assign({0});
  hold_database = true;
  produce(0, 0);
  run();
  hold_database = false;
  for (int i = 1; i <= 5; ++i) produce(0, i);
  advance(5s);
  EXPECT_EQ(committed(0), std::nullopt) << "the position has not moved";
}

TEST_F(remember_test, AnUnchangedMapIsNotCommittedAgain) {
  finish_all_but_the_first();
  const auto commits = [this] {
    return std::count_if(events.begin(), events.end(),
                         [](const seen& e) { return e.what == happening::commit_requested; });
  };
  const auto before = commits();
  advance(20s);
  EXPECT_EQ(commits(), before);
}

TEST_F(remember_test, AMapOfManyRecordsStaysWithinTheLimit) {
  options.in_flight_records_max = 20'000;
  start();
  assign({0});
  for (int i = 0; i < 8'000; ++i) {
    hold_database = i % 2 == 0;
    produce(0, i);
    run();
  }
  hold_database = false;
  advance(2s);
  EXPECT_LE(log.metadata({0, 0}).size(), stream::commit_metadata_bytes_max);
  crash();
  start();
  assign({0});
  run();
  const auto remembered = static_cast<std::size_t>(passed_over());
  EXPECT_GT(remembered, 1'400U);
  EXPECT_EQ(worked_on().size() + remembered, 8'000U) << "the furthest are worked on again";
}

TEST_F(remember_test, AnOffsetOfAnotherClientIsReportedAndCounted) {
  std::vector<std::string> said;
  options.on_problem = [&said](std::string_view event, const error& failure) {
    said.push_back(std::string(event) + ": " + failure.message());
  };
  const auto moved = [this] { return registry.take_snapshot().value("millrace_offsets_moved_total", {}); };
  start();
  assign({0});
  for (int i = 0; i < 10; ++i) produce(0, i);
  advance(2s);
  crash();
  start();
  assign({0});
  advance(1s);
  EXPECT_TRUE(said.empty()) << "our own commit, with nothing finished beyond: " << said.front();
  crash();

  for (const std::int64_t to : {4, 8}) {  // lower, then higher than what is committed by then
    log.give({0, 0}, this);
    ASSERT_TRUE(log.commit({{0, 0}, to}, this));
    start();
    assign({0});
    run();
    ASSERT_FALSE(said.empty());
    EXPECT_TRUE(said.back().starts_with("offset_moved: parcels/0 starts at the committed offset " +
                                        std::to_string(to)))
        << said.back();
    advance(2s);
    EXPECT_EQ(worked_on().front(), to);
    EXPECT_EQ(worked_on().size(), static_cast<std::size_t>(10 - to)) << "lower is a replay, higher a gap";
    crash();
  }
  EXPECT_EQ(said.size(), 2U);
  EXPECT_EQ(moved(), 2);
}

}  // namespace
}  // namespace millrace::engine
