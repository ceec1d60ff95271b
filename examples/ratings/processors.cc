#include "processors.h"

#include <string>

namespace ratings {

using millrace::context;
using millrace::must;
using millrace::outcome;
using millrace::record;
using millrace::task;

const millrace::config::spec<rating_settings>& rating_spec() {
  static const millrace::config::spec<rating_settings> declared{
      millrace::config::field(&rating_settings::favourite_stars, "favourite_stars")
          .range(1, 5)
          .doc("Least stars with which the genre of a book becomes the reader's favourite."),
  };
  return declared;
}

task<outcome> ratings::process(record<books::Rating> rating, context ctx) {
  const auto book = co_await must(books_(ctx, rating->book));
  co_await must(insert_rating_(ctx, rating->reader, rating->book, rating->stars, book->title));
  ratings_.with(std::to_string(rating->stars)).add();
  if (rating->stars < favourite_stars_) co_return outcome::done();

  const auto before = co_await must(tastes_(ctx, rating->reader));
  if (before->favourite_genre == book->genre) co_return outcome::done();
  co_await must(update_taste_(ctx, book->genre, rating->reader));
  taste_changes_.add();
  ctx.log().debug("taste changed", {{"genre", book->genre}});
  co_return outcome::done();
}

millrace::application application() {
  return {.name = "ratings",
          .version = "1.0.0",
          .settings = millrace::settings_of(rating_spec(), [](const rating_settings& settings) {
            return millrace::processor_set{millrace::make<ratings>(settings)};
          })};
}

}  // namespace ratings
