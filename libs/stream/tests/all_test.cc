// Several waits of one attempt at once.
#include <ranges>
#include <stdexcept>

#include <millrace/runtime/frame_pool.h>
#include <millrace/stream/all.h>

#include "waits.h"

namespace millrace::stream {
namespace {

using namespace std::chrono_literals;

class all_test : public waits_test {
 protected:
  static runtime::task<answer<int>> throws(waits_test* test, nanoseconds after) {
    co_await runtime::sleep_for(test->loop, after);
    ++test->finished;
    throw std::runtime_error("broken");
  }
  static runtime::task<answer<int>> leaves(waits_test* test, nanoseconds after, outcome how) {
    const auto got = co_await must(found(test, after, found_number(std::move(how))));
    co_return *got;
  }
  static runtime::task<void> sleeps(waits_test* test, nanoseconds after) {
    co_await runtime::sleep_for(test->loop, after);
    ++test->finished;
  }
  // A part that is no task: it is ready, or resumes in the next turn of the loop.
  class soon {
   public:
    soon(runtime::loop* of, int value) : loop_(of), value_(value) {}
    [[nodiscard]] bool await_ready() const noexcept { return loop_ == nullptr; }
    void await_suspend(std::coroutine_handle<> waiting) { loop_->resume_later(waiting); }
    [[nodiscard]] result<int> await_resume() const { return value_; }

   private:
    runtime::loop* loop_;
    int value_;
  };

  static std::string texts(const auto&... each) {
    std::string all;
    const auto add = [&all](const auto& one) {
      all += one ? "ok " : std::string(to_string(one.error().code())) + " ";
    };
    (add(each), ...);
    return all;
  }
};

TEST_F(all_test, YieldsTheResultsWhenTheLastHasEnded) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto [one, two, three, four] =
        co_await all(number(test, 5ms, 1), refused(test, 20ms, errc::db_timeout),
                     found(test, 10ms, found_number(3)), sleeps(test, 2ms));
    EXPECT_EQ(test->now(), 20ms) << "the longest, not the sum";
    EXPECT_EQ(four, std::monostate());
    co_return outcome::skipped(texts(one, two) + std::to_string(*one) + std::to_string(*three));
  };
  EXPECT_EQ(end_of(process(this)), "skipped: ok db_timeout 13");
  EXPECT_TRUE(run.ignored.empty());
}

TEST_F(all_test, PartsThatDoNotWaitEndAtOnce) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto [one, two] = co_await all(number(test, 0ms, 1), number(test, 0ms, 2));
    EXPECT_EQ(test->now(), 0ms);
    co_return outcome::skipped(std::to_string(*one + *two));
  };
  EXPECT_EQ(end_of(process(this)), "skipped: 3");
}

TEST_F(all_test, TakesAwaitablesThatAreNoTasksReadyOrNot) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto sets = [](all_test* from, runtime::event* what) -> runtime::task<void> {
      co_await runtime::sleep_for(from->loop, 3ms);
      what->set();
    };
    runtime::event until(test->loop);
    soon kept(&test->loop, 2);
    const auto [one, two, three, four, five] =
        co_await must(all(soon(nullptr, 1), kept, soon(&test->loop, 3), sets(test, &until), until));
    EXPECT_EQ(test->now(), 3ms);
    co_return outcome::skipped(std::to_string(one) + std::to_string(two) + std::to_string(three));
  };
  EXPECT_EQ(end_of(process(this)), "skipped: 123");
}

TEST_F(all_test, OfOtherCallsOfAllIsAllOfThem) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto [pair, three] =
        co_await must(all(must(all(number(test, 5ms, 1), number(test, 7ms, 2))), number(test, 6ms, 3)));
    EXPECT_EQ(test->now(), 7ms);
    co_return outcome::skipped(std::to_string(std::get<0>(pair) + std::get<1>(pair) + three));
  };
  EXPECT_EQ(end_of(process(this)), "skipped: 6");
}

TEST_F(all_test, AnAnswerThatIsNotLookedAtIsReported) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto [one, two] = co_await all(written(test), written(test));
    if (!one) co_return one.error();
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(process(this)), "done");
  EXPECT_EQ(run.ignored.size(), 1U);
}

TEST_F(all_test, MustYieldsTheValuesOrEndsWithTheFirstErrorAfterTheLastHasEnded) {
  const auto process = [](all_test* test, errc second) -> runtime::task<outcome> {
    result<void> answer_of_write;
    if (second != errc::internal) answer_of_write = error(second);
    const auto [one, nothing] =
        co_await must(all(number(test, 5ms, 1), answered<void>(test, 3ms, answer_of_write)));
    EXPECT_EQ(nothing, std::monostate());
    co_return outcome::skipped(std::to_string(one));
  };
  EXPECT_EQ(end_of(process(this, errc::internal)), "skipped: 1");
  finished = 0;
  EXPECT_EQ(end_of(process(this, errc::db_timeout)), "db_timeout");
  EXPECT_EQ(finished, 2) << "the rest is awaited";
  EXPECT_TRUE(run.ignored.empty());
}

TEST_F(all_test, AMissPolicyDoesNotHideTheErrorOfAWrite) {
  const auto looks_up_and_writes = [](all_test* test, errc code) -> runtime::task<outcome> {
    result<void> answer_of_write;
    if (code != errc::internal) answer_of_write = error(code);
    const auto both = co_await must(all(found(test, 1ms, found_number(outcome::skipped("no row"))),
                                        answered<void>(test, 3ms, answer_of_write)));
    co_return outcome::skipped(std::to_string(*std::get<0>(both)));
  };
  EXPECT_EQ(end_of(looks_up_and_writes(this, errc::internal)), "skipped: no row");
  EXPECT_EQ(end_of(looks_up_and_writes(this, errc::db_timeout)), "db_timeout");
  // The same where a helper leaves by must().
  const auto calls_and_writes = [](all_test* test, errc code) -> runtime::task<outcome> {
    result<void> answer_of_write;
    if (code != errc::internal) answer_of_write = error(code);
    co_await must(
        all(leaves(test, 1ms, outcome::skipped("no row")), answered<void>(test, 3ms, answer_of_write)));
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(calls_and_writes(this, errc::internal)), "skipped: no row");
  EXPECT_EQ(end_of(calls_and_writes(this, errc::db_timeout)), "db_timeout");
  EXPECT_TRUE(run.ignored.empty()) << "what is dropped for an exception was looked at";
}

TEST_F(all_test, AnExceptionIsThrownAfterTheRestHasEnded) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    co_await must(all(throws(test, 1ms), throws(test, 5ms), leaves(test, 2ms, outcome::skipped("no row")),
                      written(test, 9ms)));
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(process(this)), "threw broken");
  EXPECT_EQ(finished, 4);
  EXPECT_EQ(now(), 9ms);
}

TEST_F(all_test, TasksTakeNoMoreFramesThanTheirOwn) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    auto two = number(test, 1ms, 2);
    auto three = number(test, 1ms, 3);
    const auto before = runtime::frame_stats().frames_live;
    const auto counts = [](all_test* test) -> runtime::task<std::size_t> {
      co_await runtime::sleep_for(test->loop, 0ms);
      co_return runtime::frame_stats().frames_live;
    };
    const auto [a, b, live] = co_await must(all(std::move(two), std::move(three), counts(test)));
    EXPECT_EQ(live, before + 1) << "that of the task which counts";
    co_return outcome::skipped(std::to_string(a + b));
  };
  EXPECT_EQ(end_of(process(this)), "skipped: 5");
}

TEST_F(all_test, ARangeIsBoundedAndKeepsItsOrder) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    std::vector<runtime::task<answer<int>>> numbers;
    for (int i = 0; i < 20; ++i) numbers.push_back(number(test, milliseconds(20 - i), i));
    const std::vector<int> got = co_await must(all(std::move(numbers), 3));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(got.at(static_cast<std::size_t>(i)), i);
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(process(this)), "done");
  EXPECT_EQ(at_work_max, 3);
  EXPECT_EQ(finished, 20);
}

TEST_F(all_test, AViewMakesEachPartWhenItsTurnComes) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    int made = 0;
    int most = 0;
    const auto begin = [test, &made, &most](int value) {
      most = std::max(most, ++made - test->finished);
      return number(test, 1ms, value);
    };
    const auto got = co_await all(std::views::iota(0, 10) | std::views::transform(begin), 4);
    EXPECT_EQ(made, 10);
    EXPECT_EQ(most, 4);
    int sum = 0;
    for (const answer<int>& each : got) sum += each.value_or(0);
    co_return outcome::skipped(std::to_string(sum));
  };
  EXPECT_EQ(end_of(process(this)), "skipped: 45");
}

TEST_F(all_test, AnEmptyRangeAndALimitOfZeroAreFine) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto none = co_await all(std::vector<runtime::task<answer<int>>>(), 8);
    EXPECT_TRUE(none.empty());
    std::vector<runtime::task<answer<void>>> two;
    two.push_back(written(test));
    two.push_back(written(test));
    co_await must(all(std::move(two), 0));
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(process(this)), "done");
  EXPECT_EQ(at_work_max, 1);
}

TEST_F(all_test, AnErrorOfARangeStopsNoOther) {
  const auto process = [](all_test* test) -> runtime::task<outcome> {
    const auto begin = [test](int value) {
      return value == 2 ? refused(test, 1ms, errc::db_timeout) : written(test, 1ms);
    };
    co_await must(all(std::views::iota(0, 10) | std::views::transform(begin), 3));
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(process(this)), "db_timeout");
  EXPECT_EQ(finished, 10);
  EXPECT_TRUE(run.ignored.empty());
}

TEST_F(all_test, AnExceptionOfARangeBeginsNoFurtherPart) {
  const auto process = [](all_test* test, bool from_view) -> runtime::task<outcome> {
    const auto begin = [test, from_view](int value) {
      if (value == 2 && from_view) throw std::runtime_error("no room");
      return value == 2 ? throws(test, 1ms) : number(test, 5ms, value);
    };
    co_await must(all(std::views::iota(0, 10) | std::views::transform(begin), 3));
    co_return outcome::done();
  };
  EXPECT_EQ(end_of(process(this, false)), "threw broken");
  EXPECT_EQ(finished, 3) << "what had begun";
  finished = 0;
  EXPECT_EQ(end_of(process(this, true)), "threw no room");
  EXPECT_EQ(finished, 2);
  EXPECT_TRUE(run.ignored.empty());
}

TEST_F(all_test, ACallThatIsNotAwaitedBeginsNothing) {
  {
    const auto dropped = all(written(this), number(this, 1ms, 1));
  }
  EXPECT_EQ(finished + at_work, 0);
  EXPECT_TRUE(run.ignored.empty());
}

}  // namespace
}  // namespace millrace::stream
