#include <gtest/gtest.h>

#include <millrace/service/http_client.h>
#include <millrace/simulation/simulated_services.h>

#include "service_fixture.h"

namespace millrace::service {
namespace {

using namespace std::chrono_literals;
using response = stream::answer<http::response>;

class http_client_test : public testing::Test {
 protected:
  http_client_test() {
    const statements::declaration_scope scope(declared_);
    client_ = std::make_unique<http_client>("scales");
    services_.bind(declared_);
  }
  [[nodiscard]] simulation::simulated_http& server() { return services_.http("scales"); }
  [[nodiscard]] std::unique_ptr<begun<response>> begin(http_call_options options = {}) {
    return std::make_unique<begun<response>>(loop_,
                                             client_->get(stream::context(run_), "/weights/tea", options));
  }
  [[nodiscard]] response get(http_call_options options = {}) {
    const auto call = begin(options);
    advance(0s);
    EXPECT_TRUE(call->ended());
    return call->take();
  }
  void advance(nanoseconds by) {
    const instant end = time_.now() + by;
    loop_.run_pending();
    while (const auto next = loop_.next_deadline()) {
      if (*next > end) break;
      time_.advance_to(*next);
      loop_.run_pending();
    }
    time_.advance_to(end);
    loop_.run_pending();
  }

  manual_clock time_;
  runtime::loop loop_{time_};
  run_of_test run_{loop_};
  simulation::simulated_services services_{loop_, {.concurrency_max = 2, .unauthorized_after = 0s}};
  statements::declarations declared_;
  std::unique_ptr<http_client> client_;
};

TEST_F(http_client_test, AnAnswerIsAValue) {
  server().answer("/weights/tea", 200, "7");
  const response got = get();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "7");
  EXPECT_EQ(run_.answers, std::vector<std::string>{"scales: ok"});
  EXPECT_TRUE(run_.ignored.empty());
}

TEST_F(http_client_test, AnAnswerMustBeLookedAt) {
  server().answer("/weights/tea", 200);
  {
    const response ignored = get();
  }
  EXPECT_EQ(run_.ignored, std::vector<std::string>{"scales"});
}

TEST_F(http_client_test, EveryStatusHasItsCode) {
  for (const auto& [status, code] :
       std::vector<std::pair<unsigned, errc>>{{301, errc::service_rejected},
                                              {400, errc::service_rejected},
                                              {401, errc::service_unauthorized},
                                              {403, errc::service_rejected},
                                              {404, errc::service_rejected},
                                              {408, errc::service_unavailable},
                                              {429, errc::service_overloaded},
                                              {500, errc::service_failed},
                                              {502, errc::service_unavailable},
                                              {503, errc::service_unavailable},
                                              {504, errc::service_unavailable}}) {
    server().answer("/weights/tea", status, "secret");
    const response got = get();
    ASSERT_FALSE(got) << status;
    EXPECT_EQ(got.error().code(), code) << got.error().to_string();
    EXPECT_TRUE(got.error().message().starts_with("scales: HTTP " + std::to_string(status)))
        << got.error().message();
    EXPECT_EQ(got.error().message().find("secret"), std::string::npos);
    EXPECT_EQ(run_.answers.back(), "scales: " + std::string(to_string(code)));
  }
}

TEST_F(http_client_test, RefusedCredentialsAreRetriedForATime) {
  channel patient(loop_, "scales", {.unauthorized_after = 60s}, nullptr);
  simulation::simulated_http refusing(loop_);
  refusing.answer("/weights/tea", 401);
  client_->bind(patient, refusing);
  for (int second = 0; second < 60; second += 10) {
    EXPECT_EQ(get().error().code(), errc::service_unavailable) << second;
    advance(10s);
  }
  EXPECT_EQ(get().error().code(), errc::service_unauthorized);
  advance(200s);
  EXPECT_EQ(get().error().code(), errc::service_unavailable) << "nothing was refused meanwhile";
}

TEST_F(http_client_test, AStatusThatTheCallAcceptsIsAValue) {
  server().answer("/weights/tea", 404);
  const response got = get({.accepts = {404, 410}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 404U);
  EXPECT_EQ(run_.answers, std::vector<std::string>{"scales: ok"});
}

TEST_F(http_client_test, RetryAfterPausesTheCallsOfTheWorker) {
  server().answer("/weights/tea", 503, "", {{"Retry-After", "5"}});
  const response refused = get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::service_overloaded);
  server().answer("/weights/tea", 200);
  const auto next = begin();
  advance(4'999ms);
  EXPECT_EQ(server().requests().size(), 1U);
  advance(1ms);
  ASSERT_TRUE(next->ended());
  EXPECT_TRUE(next->take().ok());
}

TEST_F(http_client_test, RetryAfterMayBeADate) {
  server().answer("/weights/tea", 429, "", {{"Retry-After", "Tue, 14 Nov 2023 22:13:27 GMT"}});  // in 7 s
  EXPECT_FALSE(get());
  server().answer("/weights/tea", 200);
  const auto next = begin();
  advance(6s);
  EXPECT_FALSE(next->ended());
  advance(1s);
  ASSERT_TRUE(next->ended());
  EXPECT_TRUE(next->take().ok());
}

TEST_F(http_client_test, ACallHasADeadlineOfItsOwn) {
  server().answer("/weights/tea", 200);
  server().delay = 2s;
  const auto call = begin({.timeout = 1s});
  advance(1s);
  ASSERT_TRUE(call->ended());
  const response got = call->take();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::service_timeout);
}

TEST_F(http_client_test, ACancelledAttemptEndsItsCalls) {
  server().answer("/weights/tea", 200);
  server().delay = 2s;
  const auto first = begin();
  const auto second = begin();
  const auto waits = begin();
  run_.cancel();
  advance(0s);
  for (const auto* each : {&first, &second, &waits}) {
    ASSERT_TRUE((*each)->ended());
    const response got = (*each)->take();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), errc::cancelled);
  }
  EXPECT_EQ(server().requests().size(), 2U);
  EXPECT_EQ(server().in_flight(), 0U);
}

TEST_F(http_client_test, PostHasABodyAndItsType) {
  server().answer("/weighed", 204);
  begun<response> call(loop_, client_->post(stream::context(run_), "/weighed", "7", "text/plain"));
  advance(0s);
  ASSERT_TRUE(call.ended());
  EXPECT_TRUE(call.take().ok());
  const http::request& sent = server().requests().front();
  EXPECT_EQ(sent.method + " " + sent.body, "POST 7");
  EXPECT_EQ(sent.headers.front().second, "text/plain");
}

}  // namespace
}  // namespace millrace::service
