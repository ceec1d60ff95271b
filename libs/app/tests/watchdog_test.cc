#include "watchdog.h"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/simulation/parcel.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_source.h>
#include <millrace/simulation/simulated_store.h>

#include "status_page.h"
#include "worker.h"

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

std::vector<watchdog::finding> look(watchdog& dog, nanoseconds now, nanoseconds since_turn,
                                    std::string running = {}) {
  const std::vector<worker_pulse> pulses{{0ms, {}}, {since_turn, std::move(running)}};
  return dog.look({now.count()}, pulses);
}

TEST(Watchdog, ReportsNothingWhileEventLoopsTurn) {
  watchdog dog(10s);
  EXPECT_TRUE(look(dog, 0s, 500ms).empty());
  EXPECT_TRUE(look(dog, 20s, 9'999ms).empty());
}

TEST(Watchdog, ReportsABlockedEventLoopOnceThenRarelyAndItsRecovery) {
  watchdog dog(10s);
  const auto first = look(dog, 100s, 10s, "processor 'visits'");
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].worker, 1U);
  EXPECT_FALSE(first[0].turns_again);
  EXPECT_EQ(first[0].stuck_for, nanoseconds(10s));
  EXPECT_EQ(first[0].running, "processor 'visits'");
  EXPECT_TRUE(look(dog, 101s, 11s).empty());
  EXPECT_TRUE(look(dog, 159s, 69s).empty());
  EXPECT_EQ(look(dog, 160s, 70s).size(), 1U);
  const auto over = look(dog, 161s, 1ms);
  ASSERT_EQ(over.size(), 1U);
  EXPECT_TRUE(over[0].turns_again);
  EXPECT_EQ(over[0].stuck_for, nanoseconds(70s));
  EXPECT_TRUE(look(dog, 162s, 1ms).empty());
}

// State shared by the blocking processor and the test.
struct gate {
  std::atomic<bool> entered{false};
  std::atomic<bool> open{false};
};

class any_statement final : public statements::statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<statements::column>&,
                     const std::vector<statements::column>&) override {
    return {};
  }
};

// Does what no processor may do: it holds up its worker.
class blocking final : public engine::processor<engine::parcel> {
 public:
  explicit blocking(gate* at) : gate_(at) {}
  [[nodiscard]] std::string_view name() const override { return "blocking"; }
  runtime::task<stream::outcome> process(engine::record<engine::parcel> p, stream::context ctx) override {
    if (p->word == "after a wait") {
      simulation::execute insert(ctx, insert_, {simulation::cell(p->number)});
      const result<stream::rows_ref> written = co_await insert;
      ctx.resumed();  // as every typed statement does
      if (!written) co_return written.error();
    }
    gate_->entered = true;
    while (!gate_->open) std::this_thread::yield();
    co_return stream::outcome::done();
  }

 private:
  gate* gate_;
  any_statement insert_{"INSERT INTO parcel (number) VALUES (?)"};
};

// One worker on simulated ports, in real time.
class blocked_worker_test : public testing::Test {
 protected:
  void launch(std::string_view word) {
    log_.add_topic("parcels", 1);
    simulation::simulated_record r;
    r.value = engine::framed_parcel(7, 1, word);
    log_.append({0, 0}, std::move(r), 41);
    runtime::loop& loop = worker_.loop();
    auto schemas = std::make_unique<simulation::simulated_schemas>(loop);
    schemas->add(7, "parcel");
    auto source =
        std::make_unique<simulation::simulated_source>(log_, loop, simulation::simulated_source::options());
    source->assign({{0, 0}});
    simulation::simulated_store::options later;
    later.fate_of = [this](const simulation::executed_statement&) {
      simulation::store_fate fate;
      fate.failure = store_failure_;
      fate.until_answered = 20ms;  // several turns
      return fate;
    };
    worker_ports ports;
    ports.schemas = std::move(schemas);
    ports.store = std::make_unique<simulation::simulated_store>(loop, later);
    ports.sink = std::make_unique<simulation::simulated_sink>(loop, simulation::simulated_sink::options());
    ports.source = std::move(source);
    auto work = engine::build({engine::make<blocking>(&gate_)});
    ASSERT_TRUE(work);
    engine::engine_options options;
    options.dead_letter_topic = "dead";
    EXPECT_TRUE(worker_.start_thread());
    worker_.launch(std::move(ports), std::move(options), std::move(*work), budget_, retries_,
                   counts_.add_shard(), nullptr, [] {});
    launched_ = true;
  }
  ~blocked_worker_test() override {
    gate_.open = true;
    if (!launched_) return;
    worker_.request_stop();
    worker_.join();
  }

  static void wait_until(const std::function<bool()>& holds) {
    while (!holds()) std::this_thread::sleep_for(1ms);
  }
  [[nodiscard]] process_view view() const {
    process_view seen;
    seen.started = true;
    seen.stuck_after = stuck_after;
    seen.workers.push_back({worker_.status(), worker_.pulse_at(system_clock().now())});
    return seen;
  }

  static constexpr nanoseconds stuck_after = 1s;
  std::optional<error> store_failure_;  // before launch()
  gate gate_;
  simulation::simulated_log log_;
  metrics::catalogue declared_;
  metrics::registry counts_{declared_};
  engine::byte_budget budget_{64U << 20U};
  engine::retry_budget retries_{{}};
  bool launched_ = false;
  worker worker_{system_clock()};
};

TEST_F(blocked_worker_test, IsReportedWithItsRecordAndFailsLivenessUntilItRecovers) {
  launch("at once");
  wait_until([&] { return gate_.entered.load(); });
  watchdog dog(stuck_after);
  std::vector<watchdog::finding> found;
  wait_until([&] {
    const std::vector<worker_pulse> pulses{worker_.pulse_at(system_clock().now())};
    found = dog.look(system_clock().now(), pulses);
    return !found.empty();
  });
  EXPECT_FALSE(found[0].turns_again);
  EXPECT_EQ(found[0].running, "processor 'blocking' on partition 0 offset 41");
  EXPECT_NE(not_alive_because(view()).find("processor 'blocking' on partition 0 offset 41"),
            std::string::npos);
  EXPECT_NE(not_ready_because(view()), "");
  gate_.open = true;
  wait_until([&] { return not_alive_because(view()).empty(); });
}

TEST_F(blocked_worker_test, IsReportedAlsoWhenItBlocksAfterAWait) {
  launch("after a wait");
  wait_until([&] { return gate_.entered.load(); });
  wait_until([&] { return !not_alive_because(view()).empty(); });
  EXPECT_NE(not_alive_because(view()).find("offset 41"), std::string::npos) << not_alive_because(view());
}

TEST_F(blocked_worker_test, DoesNotExecuteACommandReportedAsNotExecuted) {
  launch("at once");
  wait_until([&] { return gate_.entered.load(); });
  EXPECT_EQ(worker_.ask({"parcels", 0, 41}, engine::operator_command::skip, 20ms), std::nullopt);
  gate_.open = true;
  wait_until([&] { return worker_.status().counts.done == 1; });
  EXPECT_EQ(worker_.status().counts.skipped, 0U);
}

TEST_F(blocked_worker_test, ExecutesAnOperatorCommandOnceItRecovers) {
  gate_.open = true;
  launch("at once");
  wait_until([&] { return worker_.status().counts.done == 1; });
  const auto answer = worker_.ask({"parcels", 0, 41}, engine::operator_command::skip, 20s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->what, engine::command_answer::kind::not_here) << answer->text;
}

TEST_F(blocked_worker_test, ExecutesAnOperatorCommandForTheRecordThatBlocksIt) {
  store_failure_ = error(errc::db_overloaded, "not now");
  gate_.open = true;
  launch("after a wait");
  wait_until([&] { return worker_.status().last_error.has_value(); });
  const auto answer = worker_.ask({"parcels", 0, 41}, engine::operator_command::skip, 20s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->what, engine::command_answer::kind::obeyed) << answer->text;
  wait_until([&] { return worker_.status().counts.skipped == 1; });
}

TEST_F(blocked_worker_test, IsNotReportedOnceItsThreadHasEnded) {
  gate_.open = true;
  launch("at once");
  worker_.request_stop();
  worker_.join();
  const instant much_later = system_clock().now() + 3600s;
  EXPECT_EQ(worker_.pulse_at(much_later).since_turn, 0ns);
}

}  // namespace
}  // namespace millrace::app
