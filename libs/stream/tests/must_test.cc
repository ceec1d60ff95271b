// The value of what may fail, or the end of the attempt.
#include <stdexcept>
#include <string>

#include <millrace/stream/all.h>
#include <millrace/stream/must.h>

#include "waits.h"

namespace millrace::stream {
namespace {

result<int> parsed(std::string_view text) {
  if (text.empty()) return error(errc::malformed);
  return static_cast<int>(text.size());
}

class must_test : public waits_test {
 protected:
  static int alive;
  class held {
   public:
    held() { ++alive; }
    held(const held&) = delete;
    held& operator=(const held&) = delete;
    ~held() { --alive; }
  };

  static runtime::task<outcome> writes(waits_test* test, errc code) {
    const held local;
    if (code == errc::internal) {
      co_await must(written(test));
    } else {
      co_await must(refused(test, milliseconds(1), code));
    }
    test->finished += 100;
    co_return outcome::done();
  }
  static runtime::task<outcome> looks_up(waits_test* test, found_number what) {
    const auto got = co_await must(found(test, milliseconds(1), std::move(what)));
    co_return outcome::skipped(std::to_string(*got));
  }
  static runtime::task<answer<int>> helper(waits_test* test, int depth) {
    const held local;
    if (depth == 0) co_await must(refused(test, milliseconds(1), errc::db_rejected));
    const int got = co_await must(helper(test, depth - 1));
    co_return got;
  }
  static runtime::task<outcome> calls_helpers(waits_test* test) {
    const int got = co_await must(helper(test, 3));
    co_return outcome::skipped(std::to_string(got));
  }
  static runtime::task<outcome> catches_exceptions(waits_test* test) {
    try {
      co_await must(refused(test, milliseconds(1), errc::db_timeout));
    } catch (const std::exception&) {
      co_return outcome::skipped("caught");
    }
    co_return outcome::done();
  }
  static runtime::task<outcome> parses(waits_test*, std::string text) {
    const int length = must(parsed(text));
    result<int> kept = parsed(text);
    int& inside = must(kept);
    inside += length;
    co_return outcome::skipped(std::to_string(*kept));
  }
  // No coroutine.
  static runtime::task<outcome> plain(waits_test* test) {
    must(parsed(""));
    return writes(test, errc::internal);
  }
};
int must_test::alive = 0;

TEST_F(must_test, ASuccessYieldsTheValue) {
  EXPECT_EQ(end_of(writes(this, errc::internal)), "done");
  EXPECT_EQ(end_of(looks_up(this, found_number(5))), "skipped: 5");
  EXPECT_EQ(end_of(parses(this, "tea")), "skipped: 6");
  EXPECT_TRUE(run.ignored.empty()) << "must() looks at the answer";
}

TEST_F(must_test, AnErrorEndsTheAttemptWithIt) {
  EXPECT_EQ(end_of(writes(this, errc::db_timeout)), "db_timeout");
  EXPECT_LT(finished, 100) << "nothing follows it";
  EXPECT_EQ(alive, 0) << "what was in scope is destroyed";
  EXPECT_EQ(end_of(parses(this, "")), "malformed");
  EXPECT_TRUE(run.ignored.empty());
}

TEST_F(must_test, ALookupEndsTheAttemptWithTheOutcomeOfItsMissPolicy) {
  EXPECT_EQ(end_of(looks_up(this, found_number(outcome::skipped("no row")))), "skipped: no row");
  EXPECT_EQ(end_of(looks_up(this, found_number(outcome::dead_letter("no row")))), "dead letter: no row");
  EXPECT_EQ(end_of(looks_up(this, found_number(outcome::again(seconds(2), "no row")))), "again: no row");
  EXPECT_EQ(end_of(looks_up(this, found_number(error(errc::db_timeout)))), "db_timeout");
}

TEST_F(must_test, TheEndPassesThroughTheTasksOfHelpers) {
  EXPECT_EQ(end_of(calls_helpers(this)), "db_rejected");
  EXPECT_EQ(alive, 0);
}

TEST_F(must_test, ACatchOfStandardExceptionsDoesNotCatchTheEnd) {
  EXPECT_EQ(end_of(catches_exceptions(this)), "db_timeout");
}

TEST_F(must_test, InAPlainFunctionItIsAnExceptionThatHoldsTheOutcome) {
  try {
    const auto never = plain(this);
    FAIL() << "the text is empty";
  } catch (const early_end& end) {
    EXPECT_EQ(text_of(end.how()), "malformed");
  }
}

TEST_F(must_test, OfSeveralFailuresTheFirstErrorCountsAndWithoutOneTheFirstMissPolicy) {
  const auto end = [](auto parts) {
    try {
      static_cast<void>(must(std::move(parts)));
    } catch (const early_end& early) {
      return text_of(early.how());
    }
    return std::string("none");
  };
  using number = result<int>;
  const auto skips = [] { return found_number(outcome::skipped("no row")); };
  const auto later = [] { return found_number(outcome::again(seconds(1), "not yet")); };
  EXPECT_EQ(end(std::tuple(number(1), found_number(2))), "none");
  EXPECT_EQ(end(std::tuple(number(error(errc::timed_out)), number(error(errc::rejected)))), "timed_out");
  EXPECT_EQ(end(std::tuple(skips(), number(1), number(error(errc::timed_out)))), "timed_out");
  EXPECT_EQ(end(std::tuple(number(1), later(), skips())), "again: not yet");
  EXPECT_EQ(end(std::vector{number(1), number(error(errc::timed_out))}), "timed_out");
}

TEST_F(must_test, TheValuesOfSeveralKeepTheirPlaces) {
  const auto [one, nothing, text, plain_value] =
      must(std::tuple(result<int>(1), result<void>(), result<std::string>("tea"), 4.5));
  EXPECT_EQ(one, 1);
  EXPECT_EQ(nothing, std::monostate());
  EXPECT_EQ(text, "tea");
  EXPECT_EQ(plain_value, 4.5);
  EXPECT_EQ(must(std::vector{result<int>(1), result<int>(2)}), (std::vector{1, 2}));
  must(std::vector<result<void>>(3));
}

}  // namespace
}  // namespace millrace::stream
