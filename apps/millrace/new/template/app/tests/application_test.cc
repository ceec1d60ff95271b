// The whole application on simulated servers: its processors, config.yaml and schema.cql.
#include <gtest/gtest.h>

#include <millrace/harness/application_runner.h>

#include "processors.h"

namespace orders {
namespace {

class application_test : public ::testing::Test {
 protected:
  void produce(std::string_view id, std::int64_t amount) {
    Event event;
    event.id = id;
    event.account = "ada";
    event.amount = amount;
    run.produce<Event>("orders", "ada", event);
  }
  void settle() {
    const auto idle = run.run_until_idle();
    ASSERT_TRUE(idle) << idle.error().to_string();
  }

  millrace::harness::application_runner run{
      application(),
      {.config_file = ORDERS_SOURCE_DIR "/config.yaml", .schema_file = ORDERS_SOURCE_DIR "/schema.cql"}};
};

TEST_F(application_test, writes_each_event_once_although_the_database_fails_in_between) {
  run.fail_statement("", millrace::error(millrace::errc::timed_out), 3);
  produce("e1", 250);
  produce("e2", 100);
  settle();
  EXPECT_EQ(run.query("SELECT id, amount FROM event WHERE account = 'ada'").size(), 2U);
  EXPECT_TRUE(run.dead_letters().empty());
}

TEST_F(application_test, a_crash_repeats_events_and_changes_no_row) {
  produce("e1", 250);
  run.advance(std::chrono::milliseconds(1));
  run.crash_and_restart();
  settle();
  const auto rows = run.query("SELECT amount FROM event WHERE account = 'ada'");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows.front()[0].bigint(), 250);
}

TEST_F(application_test, a_negative_amount_is_a_dead_letter) {
  produce("e1", -1);
  settle();
  ASSERT_EQ(run.dead_letters().size(), 1U);
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.message"), "negative_amount");
}

}  // namespace
}  // namespace orders
