#include "processors.h"

namespace ratings {

using millrace::context;
using millrace::outcome;
using millrace::record;
using millrace::task;

constexpr std::int32_t most_stars = 5;

task<outcome> ratings::process(record<books::Rating> rating, context ctx) {
  const auto found_book = co_await books_(ctx, rating->book);
  if (!found_book) co_return found_book.ending();
  auto written = co_await insert_rating_(ctx, rating->reader, rating->book, rating->stars, found_book->title);
  if (!written) co_return written.error();
  if (rating->stars < most_stars) co_return outcome::done();

  const auto before = co_await tastes_(ctx, rating->reader);
  if (!before) co_return before.ending();
  if (before->favourite_genre == found_book->genre) co_return outcome::done();
  auto updated = co_await update_taste_(ctx, found_book->genre, rating->reader);
  if (!updated) co_return updated.error();
  co_return outcome::done();
}

}  // namespace ratings
