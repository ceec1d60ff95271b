#include "processors.h"

namespace ratings {

using millrace::context;
using millrace::must;
using millrace::outcome;
using millrace::record;
using millrace::task;

constexpr std::int32_t most_stars = 5;

task<outcome> ratings::process(record<books::Rating> rating, context ctx) {
  const auto book = co_await must(books_(ctx, rating->book));
  co_await must(insert_rating_(ctx, rating->reader, rating->book, rating->stars, book->title));
  if (rating->stars < most_stars) co_return outcome::done();

  const auto before = co_await must(tastes_(ctx, rating->reader));
  if (before->favourite_genre == book->genre) co_return outcome::done();
  co_await must(update_taste_(ctx, book->genre, rating->reader));
  co_return outcome::done();
}

}  // namespace ratings
