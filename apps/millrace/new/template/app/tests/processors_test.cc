#include "processors.h"

#include <gtest/gtest.h>

#include <millrace/simulation/processor_runner.h>

namespace orders {
namespace {

using kind = millrace::outcome::kind;

constexpr std::string_view insert_event = "INSERT INTO event (account, at, id, amount) VALUES (?, ?, ?, ?)";

class event_writer_test : public ::testing::Test {
 protected:
  void feed(std::int64_t amount) {
    Event event;
    event.id = "e1";
    event.account = "ada";
    event.amount = amount;
    run.feed(event, {.key = "ada"});
  }

  millrace::simulation::processor_runner<event_writer> run;
};

TEST_F(event_writer_test, writes_an_event) {
  feed(250);
  EXPECT_EQ(run.last().what(), kind::done);
  ASSERT_EQ(run.executed(insert_event).size(), 1U);
  EXPECT_EQ(run.executed(insert_event)[0].parameters[0].text(), "ada");
}

TEST_F(event_writer_test, skips_an_event_without_an_amount) {
  feed(0);
  EXPECT_EQ(run.last().what(), kind::skipped);
  EXPECT_TRUE(run.executed().empty());
}

TEST_F(event_writer_test, sends_a_negative_amount_to_the_dead_letter_topic) {
  feed(-1);
  EXPECT_EQ(run.last().what(), kind::dead_letter);
  EXPECT_TRUE(run.executed().empty());
}

}  // namespace
}  // namespace orders
