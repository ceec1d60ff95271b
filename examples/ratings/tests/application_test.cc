// The whole application on simulated servers: its processors, config.yaml and schema.cql.
#include <gtest/gtest.h>

#include <millrace/harness/application_runner.h>

#include "processors.h"

namespace ratings {
namespace {

using namespace std::chrono_literals;

class application_test : public ::testing::Test {
 protected:
  void rate(std::string_view book, std::int32_t stars) {
    books::Rating rating;
    rating.reader = "ada";
    rating.book = book;
    rating.stars = stars;
    run.produce<books::Rating>("ratings", "ada", rating);
  }
  void settle() {
    const auto idle = run.run_until_idle();
    ASSERT_TRUE(idle) << idle.error().to_string();
  }
  std::string favourite() {
    const auto rows = run.query("SELECT favourite_genre FROM taste WHERE reader = 'ada'");
    return rows.empty() ? "none" : rows.front()[0].text();
  }

  millrace::harness::application_runner run{
      application(),
      {.config_file = RATINGS_SOURCE_DIR "/config.yaml", .schema_file = RATINGS_SOURCE_DIR "/schema.cql"}};
};

TEST_F(application_test, a_book_may_come_after_its_first_rating) {
  rate("b1", 5);
  run.advance(10s);
  EXPECT_TRUE(run.query("SELECT stars FROM rating WHERE reader = 'ada'").empty());
  run.execute("INSERT INTO book (id, title, genre) VALUES ('b1', 'Emma', 'novel')");
  settle();
  const auto rows = run.query("SELECT stars, title FROM rating WHERE reader = 'ada' AND book = 'b1'");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows.front()[0].int32(), 5);
  EXPECT_EQ(rows.front()[1].text(), "Emma");
  EXPECT_EQ(favourite(), "novel");
}

TEST_F(application_test, a_rating_of_an_unknown_book_is_a_dead_letter_after_a_minute) {
  rate("b1", 5);
  settle();
  EXPECT_EQ(run.dead_letters().size(), 1U);
}

TEST_F(application_test, the_newest_rating_wins_through_crashes_and_rebalances) {
  run.execute("INSERT INTO book (id, title, genre) VALUES ('b1', 'Emma', 'novel')");
  for (std::int32_t stars = 1; stars <= 4; ++stars) {
    rate("b1", stars);
    run.advance(1ms);
    if (stars == 2) run.crash_and_restart();
    if (stars == 3) run.rebalance(2);
  }
  settle();
  const auto rows = run.query("SELECT stars FROM rating WHERE reader = 'ada' AND book = 'b1'");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows.front()[0].int32(), 4);
  EXPECT_EQ(favourite(), "none") << "favourite_stars of config.yaml is 5";
}

TEST_F(application_test, metrics_count_what_was_written) {
  run.execute("INSERT INTO book (id, title, genre) VALUES ('b1', 'Emma', 'novel')");
  rate("b1", 5);
  settle();
  EXPECT_EQ(run.counted("ratings_total", {{"stars", "5"}}), 1U);
  EXPECT_EQ(run.counted("ratings_taste_changes_total"), 1U);
}

}  // namespace
}  // namespace ratings
