// Services that processors call: outages, refusals, limits, and what they cost a record.
#include <fixtures/engine_fixture.h>

#include <millrace/service/blocking.h>
#include <millrace/service/http_client.h>
#include <millrace/stream/must.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// Asks a server for the weight of each parcel.
class weighing final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    if (p->word == "light") co_return stream::outcome::skipped("light");
    const std::string target = "/weights/" + std::to_string(p->number);
    co_await stream::must(scales_.get(ctx, target));
    co_return stream::outcome::done();
  }

 private:
  service::http_client scales_{"scales"};
};

class archiving final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    auto write = [number = p->number]() -> result<std::int64_t> { return number; };
    const std::int64_t written = co_await stream::must(archive_(ctx, std::move(write)));
    if (written != p->number) co_return stream::outcome::dead_letter("another number");
    co_return stream::outcome::done();
  }

 private:
  service::blocking archive_{"archive"};
};

class services_test : public record_engine_test {
 protected:
  services_test() {
    options.breaker = {};  // as by default
    retry_policy_of_process = {};
    server().decide([this](const http::request& request) {
      simulation::http_fate fate;
      const auto found = fates_.find(request.target);
      if (found != fates_.end()) fate = found->second;
      return fate;
    });
  }
  ~services_test() override { server().is_down = false; }

  [[nodiscard]] simulation::simulated_http& server() { return services.http("scales"); }
  void answer(std::int64_t number, simulation::http_fate with) {
    fates_["/weights/" + std::to_string(number)] = std::move(with);
  }
  void answer_with(std::int64_t number, unsigned status) { answer(number, {.answer = {status, {}, {}, {}}}); }
  [[nodiscard]] std::string state_of(std::string_view dependency) const {
    for (const breaker_status& each : engine_->status_now().breakers) {
      if (each.dependency == dependency) return std::string(to_string(each.state));
    }
    return "unknown";
  }
  void begin(const processor_set& set) {
    start_with(set);
    assign({0});
  }
  // One record every `each`, for `length`.
  void produce_for(nanoseconds length, nanoseconds each) {
    for (nanoseconds passed{0}; passed < length; passed += each) {
      produce(0, next_number_++);
      advance(each);
    }
  }

  std::map<std::string, simulation::http_fate> fates_;
  std::int64_t next_number_ = 0;
};

TEST_F(services_test, AnOutageOfADayDeadLettersNothing) {
  server().is_down = true;
  begin({make<weighing>()});
  produce_for(24h, 60s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_NE(state_of("scales"), "closed");
  EXPECT_EQ(state_of("database"), "closed");
  server().is_down = false;
  advance(120s);
  EXPECT_EQ(engine_->counts().done, 1'440U);
  EXPECT_EQ(committed(0), 1'440);
  EXPECT_EQ(state_of("scales"), "closed");
}

TEST_F(services_test, AServerThatHangsOrAnswersWith500DeadLettersNothing) {
  for (const unsigned status : {0U, 500U}) {
    server().decide([status](const http::request&) {
      if (status == 0) return simulation::http_fate{.after = 3'600s};
      return simulation::http_fate{.answer = {status, {}, {}, {}}};
    });
    if (!engine_) begin({make<weighing>()});
    produce_for(3'600s, 10s);
    EXPECT_EQ(engine_->counts().dead_lettered, 0U) << status;
    EXPECT_NE(state_of("scales"), "closed") << status;
    server().decide([](const http::request&) { return simulation::http_fate{}; });
    advance(120s);
    EXPECT_EQ(engine_->counts().in_flight, 0U) << status;
  }
  EXPECT_EQ(engine_->counts().done, 720U);
}

TEST_F(services_test, AnOpenBreakerTakesNoRecords) {
  server().is_down = true;
  begin({make<weighing>()});
  produce_for(60s, 1s);
  const std::size_t sent = server().requests().size();
  for (std::int64_t i = 0; i < 1'000; ++i) produce(0, next_number_++);
  advance(60s);
  EXPECT_LT(server().requests().size(), sent + 100) << "only probes and their retries";
  EXPECT_LT(engine_->counts().received, 500U);
}

TEST_F(services_test, ARecordWhoseRequestAloneFailsIsDeadLetteredAfterAgeMax) {
  options.retry.age_max = 30s;
  answer_with(3, 500);
  begin({make<weighing>()});
  produce_for(20s, 1s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  produce_for(60s, 1s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "service_failed");
  EXPECT_EQ(engine_->counts().done, 79U);
}

TEST_F(services_test, ARequestThatTheServerRefusesIsDeadLetteredAtOnceAndBlamesNobody) {
  for (std::int64_t i = 0; i < 200; ++i) answer_with(i, 422);
  begin({make<weighing>()});
  produce_for(20s, 100ms);
  EXPECT_EQ(engine_->counts().dead_lettered, 200U);
  EXPECT_EQ(state_of("scales"), "closed");
  EXPECT_EQ(dead_letter_header("millrace.dlq.message").find("HTTP 422") != std::string::npos, true);
}

TEST_F(services_test, RefusedCredentialsStopTheEngineAndLoseNothing) {
  answer_with(1, 401);
  begin({make<weighing>()});
  produce_for(3s, 1s);
  EXPECT_FALSE(engine_->failure()) << "they may be about to be rotated";
  produce_for(120s, 1s);
  ASSERT_TRUE(engine_->failure());
  EXPECT_EQ(engine_->failure()->code(), errc::service_unauthorized);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(services_test, TheBreakerClosesWhenTheServerAnswersAgain) {
  server().is_down = true;
  begin({make<weighing>()});
  produce_for(60s, 1s);
  server().is_down = false;
  for (std::int64_t i = 0; i < 1'000; ++i) answer_with(i, 404);  // a refusal is an answer, too
  advance(60s);
  EXPECT_EQ(state_of("scales"), "closed");
}

TEST_F(services_test, CallsThatWaitForTheirTurnCostNoAttempt) {
  options.retry.attempts_max = 2;
  options.retry.age_max = 60s;
  services.use_limits({.concurrency_max = 1, .timeout = 20s, .queue_timeout = 1s});
  simulation::simulated_http& slow = services.http("slow");
  slow.answer("/", 200);
  slow.delay = 10s;
  class calling final : public processor<parcel> {
   public:
    runtime::task<stream::outcome> process(record<parcel>, stream::context ctx) override {
      co_await stream::must(slow_.get(ctx, "/"));
      co_return stream::outcome::done();
    }

   private:
    service::http_client slow_{"slow"};
  };
  begin({make<calling>()});
  for (std::int64_t i = 0; i < 20; ++i) produce(0, next_number_++);
  advance(1'800s);
  EXPECT_EQ(engine_->counts().done, 20U);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_EQ(state_of("slow"), "closed") << "the service is well";
}

TEST_F(services_test, BlockingFunctionsRunAndHaveABreakerOfTheirOwn) {
  simulation::simulated_blocking& archive = services.blocking("archive");
  begin({make<weighing>(), make<archiving>()});
  produce_for(10s, 1s);
  EXPECT_EQ(engine_->counts().done, 10U);
  EXPECT_EQ(archive.calls(), 10U);
  archive.failure = error(errc::service_unavailable, "no archive");
  produce_for(600s, 1s);
  EXPECT_NE(state_of("archive"), "closed");
  EXPECT_EQ(state_of("scales"), "closed");
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  archive.failure.reset();
  advance(120s);
  EXPECT_EQ(engine_->counts().done, 610U);
}

TEST_F(services_test, AFunctionThatRunsTooLongIsATimeoutOfItsDependency) {
  services.blocking("archive").lasts = 3'600s;
  begin({make<archiving>()});
  produce_for(600s, 10s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_NE(state_of("archive"), "closed");
  services.blocking("archive").lasts = 0s;
  advance(120s);
  EXPECT_EQ(engine_->counts().done, 60U);
}

TEST_F(services_test, AStopEndsCallsThatHang) {
  options.drain_timeout = 5s;
  server().decide([](const http::request&) { return simulation::http_fate{.after = 3'600s}; });
  services.use_limits({.concurrency_max = 4, .timeout = 3'600s});
  class hanging final : public processor<parcel> {
   public:
    runtime::task<stream::outcome> process(record<parcel>, stream::context ctx) override {
      co_await stream::must(hanging_.get(ctx, "/"));
      co_return stream::outcome::done();
    }

   private:
    service::http_client hanging_{"hanging"};
  };
  services.http("hanging").decide(
      [](const http::request&) { return simulation::http_fate{.after = 3'600s}; });
  begin({make<hanging>()});
  for (std::int64_t i = 0; i < 10; ++i) produce(0, next_number_++);
  advance(1s);
  engine_->request_stop();
  advance(10s);
  EXPECT_TRUE(engine_->finished());
  EXPECT_TRUE(engine_->quiescent()) << "nothing waits for the server";
  EXPECT_EQ(engine_->counts().abandoned, 10U);
}

TEST_F(services_test, TheBreakersOfServicesAreMetrics) {
  server().is_down = true;
  begin({make<weighing>()});
  EXPECT_EQ(registry.take_snapshot().value("millrace_breaker_openings_total", {{"dependency", "scales"}}), 0);
  produce_for(60s, 1s);
  EXPECT_GE(registry.take_snapshot().value("millrace_breaker_openings_total", {{"dependency", "scales"}}), 1);
}

class named final : public processor<parcel> {
 public:
  explicit named(const std::string& service) : service_(service) {}
  runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  service::http_client service_;
};

TEST(ServiceNames, AreCheckedWhenProcessorsAreBuilt) {
  for (const char* name : {"", "Scales", "my scales", "database", "broker"}) {
    const auto built = build({make<named>(std::string(name))});
    ASSERT_FALSE(built) << name;
    EXPECT_EQ(built.error().code(), errc::config_invalid);
    EXPECT_NE(built.error().message().find("'" + std::string(name) + "'"), std::string::npos)
        << built.error().message();
  }
  class archive_by_http final : public processor<parcel> {
   public:
    runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
      co_return stream::outcome::done();
    }

   private:
    service::http_client archive_{"archive"};
  };
  const auto both = build({make<archiving>(), make<archive_by_http>()});
  ASSERT_FALSE(both);
  EXPECT_NE(both.error().message().find("as http_client and as blocking"), std::string::npos)
      << both.error().message();
}

TEST(ServiceNames, OfSeveralProcessorsAreOneDependency) {
  class second final : public processor<parcel> {
   public:
    runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
      co_return stream::outcome::done();
    }

   private:
    service::blocking archive_{"archive"};
    service::http_client scales_{"scales"};
  };
  const auto built = build({make<weighing>(), make<second>()});
  ASSERT_TRUE(built) << built.error().to_string();
  EXPECT_EQ(built->services, (std::vector<std::string>{"scales", "archive"}));
  EXPECT_EQ(built->uses_services, (std::vector<std::vector<std::uint8_t>>{{0}, {1, 0}}));
}

}  // namespace
}  // namespace millrace::engine
