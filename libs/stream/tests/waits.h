// What answers, must() and all() need to be tested: a loop on a manual clock, and the run of a processor.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/loop.h>
#include <millrace/runtime/task.h>
#include <millrace/runtime/wait.h>
#include <millrace/statement/declarations.h>
#include <millrace/stream/context.h>
#include <millrace/stream/must.h>

namespace millrace::stream {

class declared_statement final : public statements::statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<statements::column>&,
                     const std::vector<statements::column>&) override {
    return {};
  }
};

// Notes the statements whose answers nobody looked at.
class run_of_test final : public execution {
 public:
  explicit run_of_test(runtime::loop& l) : loop_(l) {}
  runtime::loop& loop() noexcept override { return loop_; }
  store& database() noexcept override { invariant_broken("no statement is executed"); }
  const record_block& record() const noexcept override { return *block_; }
  std::uint32_t attempt() const noexcept override { return 1; }
  byte_buffer* begin_emit(const emit_request&) override { return nullptr; }
  void emit_failed(const error& cause) override { FAIL() << cause.to_string(); }
  void answer_ignored(const std::string& name) noexcept override { ignored.push_back(name); }

  std::vector<std::string> ignored;

 private:
  runtime::loop& loop_;
  record_ref block_;
};

class waits_test : public testing::Test {
 public:  // for coroutines of tests, which are no members
  // What a lookup yields: a row, or an outcome instead.
  class found_number {
   public:
    explicit found_number(int number) : number_(number) {}
    explicit found_number(outcome instead) : instead_(std::move(instead)) {}
    [[nodiscard]] explicit operator bool() const noexcept { return !instead_; }
    [[nodiscard]] const int& operator*() const noexcept { return number_; }
    [[nodiscard]] outcome ending() const { return *instead_; }

   private:
    int number_ = 0;
    std::optional<outcome> instead_;
  };

  class ended final : public runtime::deferred {
   public:
    void run() override { is = true; }
    bool is = false;
  };

  // As a statement does: yields `what` after a time.
  template <typename T>
  static runtime::task<answer<T>> answered(waits_test* test, nanoseconds after, result<T> what) {
    ++test->at_work;
    test->at_work_max = std::max(test->at_work_max, test->at_work);
    co_await runtime::sleep_for(test->loop, after);
    --test->at_work;
    ++test->finished;
    co_return answer<T>(std::move(what), context(test->run).duty_for(test->insert));
  }
  static runtime::task<answer<int>> number(waits_test* test, nanoseconds after, int value) {
    return answered<int>(test, after, value);
  }
  static runtime::task<answer<void>> written(waits_test* test, nanoseconds after = milliseconds(1)) {
    return answered<void>(test, after, {});
  }
  static runtime::task<answer<void>> refused(waits_test* test, nanoseconds after, errc code) {
    return answered<void>(test, after, error(code));
  }
  static runtime::task<found_number> found(waits_test* test, nanoseconds after, found_number what) {
    co_await runtime::sleep_for(test->loop, after);
    ++test->finished;
    co_return what;
  }

  // Runs a process() to its end, which it names: "done", "skipped: reason", or the text of an error.
  std::string end_of(runtime::task<outcome> process) {
    ended end;
    process.start(loop, end);
    for (int step = 0; step < 1'000 && !end.is; ++step) {
      loop.run_pending();
      if (!end.is) time.advance(milliseconds(1));
    }
    EXPECT_TRUE(end.is) << "it waits for ever";
    if (!end.is) std::abort();
    try {
      return text_of(process.take());
    } catch (const early_end& early) {
      return text_of(early.how());
    } catch (const std::exception& thrown) {
      return std::string("threw ") + thrown.what();
    }
  }
  static std::string text_of(const outcome& out) {
    switch (out.what()) {
      case outcome::kind::done:
        return "done";
      case outcome::kind::skipped:
        return "skipped: " + out.cause()->message();
      case outcome::kind::dead_letter:
        return "dead letter: " + out.cause()->message();
      case outcome::kind::again:
        return "again: " + out.cause()->message();
      case outcome::kind::failed:
        return std::string(to_string(out.cause()->code()));
    }
    return "unknown";
  }
  [[nodiscard]] milliseconds now() const {
    return std::chrono::duration_cast<milliseconds>(time.now() - begin_);
  }

  manual_clock time;
  runtime::loop loop{time};
  statements::declarations declared;
  statements::declaration_scope scope{declared};
  declared_statement insert{"INSERT INTO visit (id) VALUES (?)"};
  run_of_test run{loop};
  int at_work = 0;
  int at_work_max = 0;
  int finished = 0;

 private:
  instant begin_ = time.now();
};

}  // namespace millrace::stream
