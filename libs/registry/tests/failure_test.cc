// A failing registry: the error of each failure, and the server used instead.
#include <thread>

#include <fixtures/exhausted_descriptors.h>

#include "fixture.h"

namespace millrace::registry::test {
namespace {

TEST_F(registry_test, AnUnknownIdIsRememberedForSecondsAndThenAppears) {
  connect();
  EXPECT_EQ(failure_of(*registry, 99), errc::schema_not_found);
  EXPECT_EQ(failure_of(*registry, 99), errc::schema_not_found);
  EXPECT_EQ(registry->stats().requests, 1U) << "a 404 is remembered";
  server->put(99, text);
  time.advance(options.not_found_ttl);
  EXPECT_EQ(failure_of(*registry, 99), std::nullopt) << "but not for long: a follower may lag";
}

TEST_F(registry_test, ALaggingFollowerIsTriedAfterOtherRegistries) {
  start_server();
  server->put(7, text);
  auto follower = *registry_double::start();
  options.urls = {follower->url(), server->url()};
  connect();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(follower->requests(), 1U);
  EXPECT_EQ(failure_of(*registry, 8), errc::schema_not_found) << "when all of them say so";
}

TEST_F(registry_test, A404OfAnotherServerIsNotAnUnknownId) {
  connect();
  answer_next(404, 0);  // a load balancer that lost its registry
  const auto failed = fetch(*registry, 7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable);
  EXPECT_NE(failed.error().message().find("check the path"), std::string::npos);
  rest();
  answer_next(404, 404);  // a registry's server, at another path
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
}

TEST_F(registry_test, FailuresOfTheServerAreUnavailableAndNotRemembered) {
  connect();
  server->put(7, text);
  for (const int status : {408, 429, 500, 502, 503, 504, 301, 418}) {
    answer_next(status, 0);
    EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable) << status;
    rest();
  }
  for (const auto kind :
       {registry_fault_kind::drop, registry_fault_kind::garbage, registry_fault_kind::truncated}) {
    fail_next(kind);
    EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
    rest();
  }
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
}

TEST_F(registry_test, ALookupWithoutDescriptorsFailsAndSucceedsWhenRepeated) {
  if (!fixtures::may_exhaust_descriptors) GTEST_SKIP() << "the sanitizers need descriptors";
  connect();
  server->put(7, text);
  {
    const fixtures::exhausted_descriptors none;
    EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  }
  rest();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
}

TEST_F(registry_test, RefusedCredentialsAreReported) {
  connect();
  for (const int status : {401, 403}) {
    answer_next(status, status);
    EXPECT_EQ(failure_of(*registry, 7), errc::registry_unauthorized) << status;
  }
}

TEST_F(registry_test, AHangingServerEndsWithTheTimeout) {
  options.timeout = milliseconds(100);
  connect();
  fail_next(registry_fault_kind::hang);
  const auto failed = fetch(*registry, 7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable);
  EXPECT_NE(failed.error().message().find("no answer in time"), std::string::npos);
}

// Each byte comes in time; the whole never does.
TEST_F(registry_test, ASlowAnswerEndsWithTheTimeout) {
  options.timeout = milliseconds(200);
  connect();
  fail_next(registry_fault_kind::drip);
  const auto failed = fetch(*registry, 7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable);
  EXPECT_NE(failed.error().message().find("no answer in time"), std::string::npos);
}

TEST_F(registry_test, AHugeAnswerIsCutOff) {
  options.response_bytes_max = {100'000};
  connect();
  registry_fault huge;
  huge.kind = registry_fault_kind::huge;
  huge.body_bytes = 1U << 20U;
  server->inject(huge);
  const auto failed = fetch(*registry, 7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable);
  EXPECT_NE(failed.error().message().find("response_bytes_max"), std::string::npos);
}

TEST_F(registry_test, TheNextUrlIsTriedWhenOneIsDownAndIsPreferredAfterwards) {
  start_server();
  auto other = *registry_double::start();
  server->put(7, text);
  server->put(8, text);
  options.urls = {other->url(), server->url()};
  connect();
  other->inject({.status = 503, .code = 50301, .times = UINT64_MAX});
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(failure_of(*registry, 8), std::nullopt);
  EXPECT_EQ(other->requests(), 1U);
  EXPECT_EQ(registry->stats().resting, 1U);
}

TEST_F(registry_test, TheBackoffOfAFailingServerGrowsUntilItAnswers) {
  options.backoff_first = milliseconds(100);
  options.backoff_max = milliseconds(1'000);
  connect();
  server->put(7, text);
  answer_next(503, 50301, 3);
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  EXPECT_EQ(server->requests(), 1U);
  const auto at_rest = fetch(*registry, 7);
  ASSERT_FALSE(at_rest);
  EXPECT_EQ(at_rest.error().code(), errc::registry_unavailable);
  EXPECT_NE(at_rest.error().message().find("next request in"), std::string::npos);
  EXPECT_EQ(server->requests(), 1U) << "a registry in problem is left alone";
  time.advance(milliseconds(100));
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  EXPECT_EQ(server->requests(), 2U);
  time.advance(milliseconds(99));  // the second rest is 100 to 200 ms
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  EXPECT_EQ(server->requests(), 2U);
  time.advance(milliseconds(101));
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  EXPECT_EQ(server->requests(), 3U);
  time.advance(milliseconds(1'000));
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  ASSERT_EQ(events().size(), 2U) << "one event for the problem, one for its end";
  EXPECT_EQ(events()[0].name, "registry_failed");
  EXPECT_NE(events()[0].error, "");
  EXPECT_EQ(events()[1].name, "registry_recovered");
  EXPECT_EQ(events()[1].url, events()[0].url);
}

TEST_F(registry_test, RetryAfterIsHonoured) {
  connect();
  server->put(7, text);
  answer_next(429, 42900, 1, 30);
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  time.advance(seconds(29));
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  EXPECT_EQ(server->requests(), 1U);
  time.advance(seconds(1));
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
}

TEST_F(registry_test, RetryAfterIsBounded) {
  options.retry_after_max = seconds(60);
  connect();
  server->put(7, text);
  answer_next(429, 42900, 1, 86'400);
  EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  time.advance(seconds(60));
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
}

TEST_F(registry_test, AHangingRequestBlocksNoOtherId) {
  options.timeout = seconds(60);
  connect();
  server->put(7, text);
  server->inject({.kind = registry_fault_kind::hang, .times = UINT64_MAX, .path_prefix = "/schemas/ids/6"});
  answers never;
  registry->fetch(6, never.next());
  while (server->requests("GET /schemas/ids/6") == 0) std::this_thread::yield();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  registry.reset();
  EXPECT_EQ(never.wait_for(1).front().error().code(), errc::cancelled);
}

TEST_F(registry_test, ShuttingDownDoesNotWaitForAServerThatHangs) {
  options.timeout = std::chrono::hours(1);
  connect();
  fail_next(registry_fault_kind::hang, UINT64_MAX);
  answers never;
  for (std::int32_t id = 0; id < 100; ++id) registry->fetch(id, never.next());
  while (server->requests() == 0) std::this_thread::yield();
  registry.reset();  // would take hours
  for (const auto& answer : never.wait_for(100)) EXPECT_EQ(answer.error().code(), errc::cancelled);
}

TEST_F(registry_test, ServerTextCannotForgeALogMessage) {
  connect();
  server->inject(
      {.status = 500, .code = 500, .message = "bad\n2026-01-01 level=info event=all_is_well\x1b[2J"});
  const auto failed = fetch(*registry, 7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message().find_first_of("\n\x1b"), std::string::npos);
}

TEST_F(registry_test, ARefusedConnectionIsUnavailable) {
  start_server();
  options.urls = {"http://127.0.0.1:1"};
  connect();
  const auto failed = registry->check();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable);
  EXPECT_NE(failed.error().message().find("http://127.0.0.1:1"), std::string::npos);
  EXPECT_NE(failed.error().message().find("refused"), std::string::npos);
}

}  // namespace
}  // namespace millrace::registry::test
