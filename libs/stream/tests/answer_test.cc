// The duty to look at an answer.
#include <millrace/stream/answer.h>

#include "waits.h"

namespace millrace::stream {
namespace {

class answer_test : public waits_test {
 protected:
  [[nodiscard]] answer<int> fresh(int value = 7) { return {result<int>(value), duty()}; }
  [[nodiscard]] answer<int> failed() { return {result<int>(error(errc::db_timeout)), duty()}; }
  [[nodiscard]] answer_duty duty() { return context(run).duty_for(insert); }
};

TEST_F(answer_test, AnAnswerThatNobodyLookedAtIsReportedOnceWithItsStatement) {
  {
    const auto ignored = fresh();
  }
  EXPECT_EQ(run.ignored, (std::vector<std::string>{"insert visit"}));
  EXPECT_EQ(
      ignored_answer(insert.name()).to_string(),
      "answer_ignored: the answer of 'insert visit' was not looked at: use `co_await must(...)` or test "
      "the result");
}

TEST_F(answer_test, EveryAccessLooksAtIt) {
  {
    const auto tested = fresh();
    EXPECT_TRUE(tested);
    const auto asked = fresh();
    EXPECT_TRUE(asked.ok());
    const auto read = fresh();
    EXPECT_EQ(*read, 7);
    const auto read_by_name = fresh();
    EXPECT_EQ(read_by_name.value(), 7);
    EXPECT_EQ(*fresh(), 7) << "an rvalue";
    const auto with_fallback = failed();
    EXPECT_EQ(with_fallback.value_or(3), 3);
    const auto wrong = failed();
    EXPECT_EQ(wrong.error().code(), errc::db_timeout);
    const answer<std::string> text(result<std::string>("tea"), duty());
    EXPECT_EQ(text->size(), 3U);
    const result<int> converted = fresh();
    EXPECT_EQ(*converted, 7);
    const auto unimportant = failed();
    unimportant.ignore();
    const answer<void> nothing(result<void>(), duty());
    nothing.value();
  }
  EXPECT_TRUE(run.ignored.empty());
}

TEST_F(answer_test, AMoveOrACopyTransfersTheDuty) {
  {
    auto first = fresh();
    const auto moved = std::move(first);
    const auto copied = moved;
    EXPECT_TRUE(copied);
  }
  EXPECT_TRUE(run.ignored.empty());
  {
    auto first = fresh();
    const auto moved = std::move(first);
  }
  EXPECT_EQ(run.ignored.size(), 1U);
}

TEST_F(answer_test, AnAnswerThatIsOverwrittenIsReported) {
  auto last = fresh(1);
  last = fresh(2);
  EXPECT_EQ(run.ignored.size(), 1U);
  EXPECT_EQ(*last, 2);
  last = fresh(3);
  EXPECT_EQ(run.ignored.size(), 1U) << "the second was looked at";
  EXPECT_TRUE(last);
}

TEST_F(answer_test, AnAnswerOfTheUserHasNoDuty) {
  {
    const answer<int> value = result<int>(3);
  }
  {
    const answer<int> failure = error(errc::rejected);
  }
  EXPECT_TRUE(run.ignored.empty());
}

runtime::task<answer<int>> wrapped(runtime::task<answer<int>> inner) { co_return co_await std::move(inner); }

TEST_F(answer_test, AnAwaitedTaskHandsItsDutyOn) {
  const auto ignores = [](waits_test*, runtime::task<answer<int>> work) -> runtime::task<outcome> {
    const auto got = co_await std::move(work);
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(ignores(this, wrapped(number(this, milliseconds(1), 4)))), "done");
  EXPECT_EQ(run.ignored.size(), 1U);
  const auto looks = [](waits_test*, runtime::task<answer<int>> work) -> runtime::task<outcome> {
    const auto got = co_await std::move(work);
    if (*got != 4) co_return outcome::skipped("another number");
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(looks(this, wrapped(number(this, milliseconds(1), 4)))), "done");
  EXPECT_EQ(run.ignored.size(), 1U);
}

}  // namespace
}  // namespace millrace::stream
