#include "processors.h"

#include <gtest/gtest.h>

#include <millrace/simulation/processor_runner.h>

namespace ratings {
namespace {

using namespace std::chrono_literals;
using kind = millrace::outcome::kind;
using millrace::simulation::cell;
using millrace::simulation::row;

constexpr std::string_view select_book = "SELECT title, genre FROM book WHERE id = ?";
constexpr std::string_view select_taste = "SELECT favourite_genre FROM taste WHERE reader = ?";
constexpr std::string_view insert_rating =
    "INSERT INTO rating (reader, book, stars, title) VALUES (?, ?, ?, ?)";
constexpr std::string_view update_taste = "UPDATE taste SET favourite_genre = ? WHERE reader = ?";

class ratings_test : public ::testing::Test {
 protected:
  void rate(std::string_view book_id, std::int32_t stars, millrace::simulation::record_origin from = {}) {
    books::Rating rating;
    rating.reader = "ada";
    rating.book = book_id;
    rating.stars = stars;
    run.feed(rating, std::move(from));
  }

  millrace::simulation::processor_runner<ratings> run;
};

TEST_F(ratings_test, looks_up_a_book_once_and_writes_each_rating) {
  run.database().prime(select_book, {{"Emma", "novel"}});
  rate("b1", 3);
  rate("b1", 4);
  EXPECT_EQ(run.last().what(), kind::done);
  EXPECT_EQ(run.executed(select_book).size(), 1U);
  EXPECT_EQ(run.executed(insert_rating).size(), 2U);
  EXPECT_EQ(run.lookups("books").hits, 1U);
}

TEST_F(ratings_test, of_two_ratings_in_one_millisecond_the_later_has_the_later_write_time) {
  run.database().prime(select_book, {{"Emma", "novel"}});
  const millrace::timestamp at(1'700'000'000'000ms);
  rate("b1", 3, {.created = at});
  rate("b1", 4, {.created = at});
  const auto written = run.executed(insert_rating);
  EXPECT_LT(written[0].write_timestamp_us, written[1].write_timestamp_us);
}

TEST_F(ratings_test, a_missing_book_defers_the_record_for_a_minute) {
  rate("b1", 3);
  EXPECT_EQ(run.last().what(), kind::again);
  EXPECT_EQ(run.last().delay(), 2s);
  run.advance(2s);
  rate("b1", 3, {.put_off_for = 59s});
  EXPECT_EQ(run.last().what(), kind::again);
  run.advance(2s);
  rate("b1", 3, {.put_off_for = 60s});
  EXPECT_EQ(run.last().what(), kind::dead_letter);
  EXPECT_EQ(run.executed(select_book).size(), 3U) << "what was not there was not remembered for longer";
}

TEST_F(ratings_test, its_own_writes_invalidate_the_cached_row) {
  std::string genre = "crime";
  run.database().answer(select_book, [](std::span<const cell> key) {
    std::vector<row> rows;
    rows.push_back({"A title", key.front().text() == "b1" ? "novel" : "poetry"});
    return millrace::result<std::vector<row>>(rows);
  });
  run.database().answer(select_taste, [&genre](std::span<const cell>) {
    std::vector<row> rows;
    rows.push_back({std::string_view(genre)});
    return millrace::result<std::vector<row>>(rows);
  });
  run.database().answer(update_taste, [&genre](std::span<const cell> parameters) {
    genre = parameters.front().text();
    return millrace::result<std::vector<row>>(std::vector<row>());
  });
  rate("b1", 5);
  rate("b1", 5);  // the same genre: nothing to write
  rate("b2", 5);
  EXPECT_EQ(genre, "poetry");
  EXPECT_EQ(run.executed(update_taste).size(), 2U);
  EXPECT_EQ(run.executed(select_taste).size(), 2U) << "read again only after the first update";
  EXPECT_EQ(run.lookups("tastes").invalidations, 1U);
}

TEST_F(ratings_test, counts_ratings_and_changes_of_taste) {
  run.database().prime(select_book, {{"Emma", "novel"}});
  run.database().prime(select_taste, {{"crime"}});
  rate("b1", 3);
  rate("b1", 5);
  EXPECT_EQ(run.counted("ratings_total"), 2U);
  EXPECT_EQ(run.counted("ratings_total", {{"stars", "5"}}), 1U);
  EXPECT_EQ(run.counted("ratings_taste_changes_total"), 1U);
  EXPECT_EQ(run.logged().back().field("genre"), "novel");
}

TEST(ratings_settings, decide_which_rating_shows_a_taste) {
  millrace::simulation::processor_runner<ratings> run(rating_settings{.favourite_stars = 3});
  run.database().prime(select_book, {{"Emma", "novel"}});
  run.database().prime(select_taste, {{"crime"}});
  books::Rating rating;
  rating.reader = "ada";
  rating.book = "b1";
  rating.stars = 3;
  run.feed(rating);
  EXPECT_EQ(run.counted("ratings_taste_changes_total"), 1U);
}

}  // namespace
}  // namespace ratings
