#include <gtest/gtest.h>

#include <millrace/service/blocking.h>
#include <millrace/service/http_client.h>
#include <millrace/simulation/parcel.h>
#include <millrace/simulation/processor_runner.h>
#include <millrace/stream/must.h>

namespace millrace::simulation {
namespace {

using namespace std::chrono_literals;
using stream::outcome;

// Asks a service for the weight of a parcel, and archives it.
class weigh final : public engine::processor<engine::parcel> {
 public:
  runtime::task<outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
    const std::string target = "/weights/" + http::escaped(parcel->word);
    const http::response weight = co_await stream::must(scales_.get(ctx, target, {.accepts = {404}}));
    if (weight.status == 404) co_return outcome::skipped("no weight");
    auto keep = [text = weight.body] { return text.size(); };
    const std::size_t kept = co_await stream::must(archive_(ctx, std::move(keep)));
    if (kept == 0) co_return outcome::dead_letter("empty");
    co_return outcome::done();
  }

 private:
  service::http_client scales_{"scales"};
  service::blocking archive_{"archive"};
};

class forgetful final : public engine::processor<engine::parcel> {
 public:
  runtime::task<outcome> process(engine::record<engine::parcel>, stream::context ctx) override {
    const auto ignored = co_await scales_.get(ctx, "/");
    co_return outcome::done();
  }

 private:
  service::http_client scales_{"scales"};
};

TEST(Services, ServersAnswerWhatTheTestPrimes) {
  processor_runner<weigh> run;
  run.http("scales").answer("/weights/tea", 200, "7");
  run.http("scales").answer("/weights/ink", 404);
  run.feed({.number = 1, .word = "tea"});
  EXPECT_EQ(run.last().what(), outcome::kind::done);
  EXPECT_EQ(run.blocking("archive").calls(), 1U);
  run.feed({.number = 2, .word = "ink"});
  EXPECT_EQ(run.last().what(), outcome::kind::skipped);
  ASSERT_EQ(run.http("scales").requests().size(), 2U);
  EXPECT_EQ(run.http("scales").requests().back().target, "/weights/ink");
}

TEST(Services, WhatIsNotPrimedIsAnErrorThatNamesIt) {
  processor_runner<weigh> run;
  run.feed({.number = 1, .word = "tea"});
  ASSERT_TRUE(run.last().cause());
  EXPECT_EQ(run.last().cause()->to_string(),
            "config_invalid: scales: no answer is primed for GET /weights/tea");
}

TEST(Services, FunctionsRunInlineAndLastAsLongAsTheTestSays) {
  processor_runner<weigh> run;
  run.http("scales").answer("/weights/tea", 200, "7");
  run.blocking("archive").lasts = 2s;
  run.feed({.number = 1, .word = "tea"});
  EXPECT_EQ(run.blocking("archive").calls(), 1U);
  run.advance(2s);
  EXPECT_EQ(run.last().what(), outcome::kind::done);
  run.blocking("archive").failure = error(errc::service_unavailable, "no archive");
  run.feed({.number = 2, .word = "tea"});
  run.advance(2s);
  EXPECT_EQ(run.last().cause()->code(), errc::service_unavailable);
}

TEST(Services, AnOutageIsAnErrorOfTheRecord) {
  processor_runner<weigh> run;
  run.http("scales").is_down = true;
  run.feed({.number = 1, .word = "tea"});
  EXPECT_EQ(run.last().cause()->code(), errc::service_unavailable);
}

TEST(Services, AnIgnoredAnswerFailsTheAttempt) {
  processor_runner<forgetful> run;
  run.http("scales").answer("/", 200);
  run.feed({.number = 1, .word = "tea"});
  EXPECT_EQ(run.last().cause()->to_string(),
            "answer_ignored: the answer of 'scales' was not looked at: use `co_await must(...)` or test the "
            "result");
}

}  // namespace
}  // namespace millrace::simulation
