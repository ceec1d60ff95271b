// The second example: lookups and replay-safe writes; settings, metrics and log lines of its own.
//
//   ratings   looks the book up, writes the reader's rating of it, and remembers the genre of a reader's
//             newest five-star book
//
// A reader who rates a book twice overwrites the first rating: the later record wins, whatever is retried or
// replayed, because both tables are written at the record's write time. Another application enters books,
// and may come after their first rating: such a record looks again for a while.
#pragma once

#include <cstdint>
#include <string_view>

#include <rating.avsc.h>

#include <millrace/app/millrace.h>

namespace ratings {

struct book {
  std::string_view title;
  std::string_view genre;
};
struct taste {
  std::string_view favourite_genre;
};

// The section `app` of the configuration.
struct rating_settings {
  std::int32_t favourite_stars = 5;
};
[[nodiscard]] const millrace::config::spec<rating_settings>& rating_spec();

class ratings final : public millrace::processor<books::Rating> {
 public:
  explicit ratings(const rating_settings& settings = {}) : favourite_stars_(settings.favourite_stars) {}

  millrace::task<millrace::outcome> process(millrace::record<books::Rating> rating,
                                            millrace::context ctx) override;

 private:
  std::int32_t favourite_stars_;
  millrace::counter ratings_{"ratings_total", "Ratings written, by their stars.", {"stars"}};
  millrace::counter taste_changes_{"ratings_taste_changes_total", "Changes of a reader's favourite genre."};

  millrace::lookup<book(std::string_view id)> books_{"books",
                                                     "SELECT title, genre FROM book WHERE id = ?",
                                                     {.ttl = std::chrono::minutes(5),
                                                      .on_miss = millrace::miss_policy::retry,
                                                      .retry_delay = std::chrono::seconds(2),
                                                      .retry_for = std::chrono::minutes(1)}};
  millrace::lookup<taste(std::string_view reader)> tastes_{
      "tastes", "SELECT favourite_genre FROM taste WHERE reader = ?", {.ttl = std::chrono::seconds(30)}};

  millrace::statement<void(std::string_view reader, std::string_view book, std::int32_t stars,
                           std::string_view title)>
      insert_rating_{"INSERT INTO rating (reader, book, stars, title) VALUES (?, ?, ?, ?)",
                     {.written = millrace::write_time::record}};
  // What it writes, the lookup must not keep.
  millrace::statement<void(std::string_view genre, std::string_view reader)> update_taste_{
      "UPDATE taste SET favourite_genre = ? WHERE reader = ?",
      {.written = millrace::write_time::record, .invalidates = {"tastes"}}};
};

// The application: its name, its settings and its processors. The program runs it, and so do the tests.
[[nodiscard]] millrace::application application();

}  // namespace ratings
