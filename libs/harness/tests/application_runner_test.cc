#include <stdexcept>

#include <gtest/gtest.h>

#include <millrace/config/spec.h>
#include <millrace/cql/lookup.h>
#include <millrace/cql/statement.h>
#include <millrace/engine/output.h>
#include <millrace/harness/application_runner.h>
#include <millrace/runtime/wait.h>
#include <millrace/service/http_client.h>
#include <millrace/simulation/parcel.h>
#include <millrace/statement/metric.h>
#include <millrace/stream/must.h>

namespace millrace::harness {
namespace {

using namespace std::chrono_literals;
using engine::parcel;
using simulation::cell;

constexpr std::string_view insert_parcel = "INSERT INTO parcel (word, number) VALUES (?, ?)";
constexpr std::string_view select_owner = "SELECT owner FROM owner WHERE word = ?";

struct post_settings {
  std::int64_t weight_max = 100;
};

const config::spec<post_settings>& post_spec() {
  static const config::spec<post_settings> declared{config::field(&post_settings::weight_max, "weight_max")
                                                        .range(1, 1'000)
                                                        .doc("Heaviest parcel, in kilograms.")};
  return declared;
}

// Looks the owner up, writes the parcel and sends it on. A tombstone removes the row.
class receive final : public engine::processor<parcel> {
 public:
  explicit receive(const post_settings& settings) : weight_max_(settings.weight_max) {}

  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    if (p->word == "throw") throw std::runtime_error("torn");
    if (p->number > weight_max_) co_return stream::outcome::dead_letter("too heavy");
    if (p->word == "slow") co_await runtime::sleep_for(ctx.loop(), 30s);
    const auto owner = co_await stream::must(owners_(ctx, p->word));
    co_await stream::must(insert_(ctx, p->word, p->number));
    received_.with(std::string(p->word)).add();
    ctx.log().info("received", {{"word", p->word}});
    ctx.emit(sent_, *owner, *p);
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(engine::deletion gone, stream::context ctx) override {
    co_await stream::must(delete_(ctx, as_text(*gone.key())));
    co_return stream::outcome::done();
  }

 private:
  std::int64_t weight_max_;
  statements::counter received_{"post_received_total", "Parcels received.", {"word"}};
  cql::lookup<std::string(std::string_view)> owners_{"owners", select_owner, {}};
  cql::statement<void(std::string_view, std::int64_t)> insert_{insert_parcel,
                                                               {.written = statements::write_time::record}};
  cql::statement<void(std::string_view)> delete_{"DELETE FROM parcel WHERE word = ?",
                                                 {.written = statements::write_time::record}};
  engine::output<parcel> sent_{"sent"};
};

// A second processor on the same records: adds the numbers up.
class total final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    co_await stream::must(add_(ctx, p->number, p->word));
    co_return stream::outcome::done();
  }

 private:
  cql::statement<void(std::int64_t, std::string_view)> add_{
      "UPDATE total SET numbers = numbers + ? WHERE word = ?", {.idempotent = false}};
};

constexpr const char* schema = R"(
CREATE TABLE parcel (word text PRIMARY KEY, number bigint);
CREATE TABLE owner (word text PRIMARY KEY, owner text);
CREATE TABLE total (word text PRIMARY KEY, numbers counter);
INSERT INTO post.owner (word, owner) VALUES ('tea', 'ada');
)";

constexpr const char* settings = R"(
kafka: {bootstrap_servers: none:9092, group: post, topics: [parcels]}
registry: {urls: ["http://none"]}
cql: {contact_points: [none], keyspace: post}
engine:
  dead_letter_topic: parcels-dlq
  outputs: {sent: parcels-sent}
)";

app::application post() {
  app::application made;
  made.name = "post";
  made.processors = {engine::make<total>()};
  made.settings = app::settings_of(
      post_spec(), [](const post_settings& of) { return engine::processor_set{engine::make<receive>(of)}; });
  return made;
}

class application_runner_test : public testing::Test {
 protected:
  place produce(std::string_view word, std::int64_t number, message_options with = {}) {
    return run.produce<parcel>("parcels", std::string(word), {number, word}, std::move(with));
  }
  void settle() {
    const auto idle = run.run_until_idle();
    ASSERT_TRUE(idle) << idle.error().to_string();
  }
  std::int64_t number_of(std::string_view word) {
    const auto rows = run.query("SELECT number FROM parcel WHERE word = '" + std::string(word) + "'");
    return rows.empty() ? -1 : rows.front()[0].bigint();
  }
  std::int64_t total_of(std::string_view word) {
    const auto rows = run.query("SELECT numbers FROM total WHERE word = '" + std::string(word) + "'");
    return rows.empty() ? -1 : rows.front()[0].bigint();
  }

  application_runner run{post(), {.settings = settings, .schema = schema}};
};

TEST_F(application_runner_test, a_record_passes_through_all_processors_into_tables_and_topics) {
  const place at = produce("tea", 7);
  settle();
  EXPECT_EQ(number_of("tea"), 7);
  EXPECT_EQ(total_of("tea"), 7);
  const auto sent = run.emitted<parcel>("sent");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent.front()->number, 7);
  EXPECT_EQ(sent.front().key, "ada") << "the row of the lookup";
  EXPECT_TRUE(sent.front().header("millrace-id")) << "the engine's own headers are there";
  EXPECT_EQ(run.committed("parcels", at.partition), at.offset + 1);
  EXPECT_EQ(run.counted("post_received_total", {{"word", "tea"}}), 1U);
  EXPECT_EQ(run.logged().front().field("word"), "tea");
  EXPECT_TRUE(run.dead_letters().empty());
}

TEST_F(application_runner_test, a_failure_that_passes_is_retried_by_the_processor_that_failed) {
  run.fail_statement(insert_parcel, error(errc::timed_out), 2);
  produce("tea", 7);
  settle();
  EXPECT_EQ(number_of("tea"), 7);
  EXPECT_EQ(total_of("tea"), 7) << "the other processor was not run again";
  EXPECT_EQ(run.emitted("sent").size(), 1U);
}

TEST_F(application_runner_test, a_record_that_cannot_succeed_is_a_dead_letter_with_its_reason) {
  produce("tea", 101);
  settle();
  ASSERT_EQ(run.dead_letters().size(), 1U);
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.processor"), "receive");
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.message"), "too heavy");
  EXPECT_EQ(number_of("tea"), -1);
}

TEST_F(application_runner_test, bytes_that_cannot_be_decoded_are_a_dead_letter) {
  run.produce_bytes("parcels", "k", as_bytes("no frame"));
  settle();
  EXPECT_EQ(run.dead_letters().size(), 1U);
}

TEST_F(application_runner_test, an_exception_is_retried_and_then_a_dead_letter) {
  produce("throw", 1);
  settle();
  ASSERT_EQ(run.dead_letters().size(), 1U);
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.code"), "processor_threw");
  EXPECT_FALSE(run.reported().empty());
}

TEST_F(application_runner_test, a_tombstone_deletes_the_row) {
  produce("tea", 7);
  settle();
  run.produce_bytes("parcels", "tea", std::nullopt);
  settle();
  EXPECT_EQ(number_of("tea"), -1);
}

TEST_F(application_runner_test, a_crash_repeats_what_was_not_committed) {
  produce("tea", 7);
  run.advance(1ms);  // written, and not committed yet
  EXPECT_EQ(number_of("tea"), 7);
  run.crash_and_restart();
  settle();
  EXPECT_EQ(total_of("tea"), 14) << "a counter is not idempotent: the record counted twice";
  EXPECT_EQ(run.executed(insert_parcel).size(), 2U);
  EXPECT_EQ(number_of("tea"), 7);
}

TEST_F(application_runner_test, a_clean_stop_repeats_nothing) {
  produce("tea", 7);
  run.advance(1ms);
  ASSERT_TRUE(run.stop());
  produce("tea", 1);  // of the next process
  settle();
  EXPECT_EQ(total_of("tea"), 8);
}

TEST_F(application_runner_test, a_rebalance_drains_what_moves_and_repeats_nothing) {
  for (int i = 0; i < 8; ++i) produce("p" + std::to_string(i), i);
  run.advance(1ms);
  run.rebalance(3);
  for (int i = 0; i < 8; ++i) produce("p" + std::to_string(i), i);
  settle();
  run.rebalance(1);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(total_of("p" + std::to_string(i)), 2 * i);
  EXPECT_EQ(run.executed(insert_parcel).size(), 16U);
}

TEST_F(application_runner_test, a_record_of_lost_partitions_is_delivered_again) {
  run.delay_statement(insert_parcel, 5s);
  produce("tea", 7);
  run.advance(1s);
  run.lose_partitions();
  settle();
  EXPECT_EQ(number_of("tea"), 7);
  EXPECT_EQ(total_of("tea"), 14);
  EXPECT_EQ(run.committed("parcels", 0).value_or(0) + run.committed("parcels", 1).value_or(0) +
                run.committed("parcels", 2).value_or(0) + run.committed("parcels", 3).value_or(0),
            1);
}

TEST_F(application_runner_test, an_outage_delays_and_loses_nothing) {
  run.set_database_down(true);
  produce("tea", 7);
  EXPECT_FALSE(run.run_until_idle(1min)) << "nothing is committed while the database is down";
  EXPECT_TRUE(run.dead_letters().empty());
  run.set_database_down(false);
  settle();
  EXPECT_EQ(number_of("tea"), 7);
}

TEST_F(application_runner_test, an_emit_that_the_broker_refuses_is_produced_again) {
  run.fail_topic("parcels-sent", error(errc::broker_unavailable));
  produce("tea", 7);
  settle();
  EXPECT_EQ(run.emitted("sent").size(), 1U);
}

TEST_F(application_runner_test, what_waits_is_named_when_it_takes_too_long) {
  produce("slow", 1);
  const auto idle = run.run_until_idle(10s);
  ASSERT_FALSE(idle);
  EXPECT_EQ(idle.error().code(), errc::timed_out);
  EXPECT_NE(idle.error().message().find("processor 'receive'"), std::string::npos) << idle.error().message();
  settle();
}

TEST_F(application_runner_test, rows_that_a_test_inserts_are_overwritten_by_records) {
  run.execute("INSERT INTO parcel (word, number) VALUES ('tea', 1)");
  produce("tea", 7);
  settle();
  EXPECT_EQ(number_of("tea"), 7);
}

TEST(application_runner_start, settings_of_the_application_reach_its_processors) {
  application_runner run(post(), {.settings = settings, .set = {"app.weight_max=5"}, .schema = schema});
  run.produce<parcel>("parcels", "tea", {7, "tea"});
  ASSERT_TRUE(run.run_until_idle());
  EXPECT_EQ(run.dead_letters().size(), 1U);
}

TEST(application_runner_start, a_wrong_setting_is_refused_with_its_place) {
  application_runner run(post(),
                         {.settings = std::string(settings) + "app: {weight_max: 0}\n", .schema = schema});
  const auto started = run.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), errc::config_invalid);
  EXPECT_NE(started.error().message().find("weight_max"), std::string::npos);
}

TEST(application_runner_start, a_statement_that_does_not_fit_the_schema_is_refused) {
  const std::string without_numbers =
      "CREATE TABLE parcel (word text PRIMARY KEY, numbr bigint);"
      "CREATE TABLE owner (word text PRIMARY KEY, owner text);"
      "CREATE TABLE total (word text PRIMARY KEY, numbers counter);";
  application_runner run(post(), {.settings = settings, .schema = without_numbers});
  const auto started = run.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find("has no column 'number'; did you mean 'numbr'?"),
            std::string::npos)
      << started.error().message();
}

TEST(application_runner_start, an_error_of_the_schema_has_its_line) {
  application_runner run(post(),
                         {.settings = settings, .schema = "\nCREATE TABLE parcel (word txt PRIMARY KEY);"});
  const auto started = run.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find("schema:2:27"), std::string::npos) << started.error().message();
}

TEST(application_runner_primed, without_a_schema_statements_have_the_primed_rows) {
  application_runner run(post(), {.settings = settings});
  run.prime(select_owner, {{"grace"}});
  run.produce<parcel>("parcels", "tea", {7, "tea"});
  ASSERT_TRUE(run.run_until_idle());
  EXPECT_EQ(run.emitted<parcel>("sent").front().key, "grace");
  ASSERT_EQ(run.executed(insert_parcel).size(), 1U);
  EXPECT_EQ(run.executed(insert_parcel).front().parameters[1], cell(std::int64_t{7}));
}

TEST(application_runner_primed, a_primed_text_of_no_statement_is_refused_with_the_nearest) {
  application_runner run(post(), {.settings = settings});
  run.prime("SELECT owner FROM owners WHERE word = ?", {{"grace"}});
  const auto started = run.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find(select_owner), std::string::npos) << started.error().message();
}

TEST(application_runner_primed, a_primed_row_of_another_type_is_refused) {
  application_runner run(post(), {.settings = settings});
  run.prime(select_owner, {{std::int64_t{1}}});
  const auto started = run.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), errc::db_type_mismatch);
}

// Sends the weight of a parcel, which a server knows.
class weigh final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    const std::string target = "/weights/" + std::string(p->word);
    const http::response weight = co_await stream::must(scales_.get(ctx, target));
    ctx.emit(weighed_, weight.body, *p);
    co_return stream::outcome::done();
  }

 private:
  service::http_client scales_{"scales"};
  engine::output<parcel> weighed_{"sent"};
};

class application_runner_services : public testing::Test {
 protected:
  static app::application weighing() {
    app::application made;
    made.name = "post";
    made.processors = {engine::make<weigh>()};
    return made;
  }

  application_runner run{
      weighing(), {.settings = std::string(settings) + "http: [{name: scales, url: \"http://none\"}]\n"}};
};

TEST_F(application_runner_services, a_server_answers_every_member_and_process) {
  run.http("scales").answer("/weights/tea", 200, "7");
  run.produce<parcel>("parcels", "tea", {1, "tea"});
  ASSERT_TRUE(run.run_until_idle());
  run.rebalance(2);
  run.crash_and_restart();
  run.produce<parcel>("parcels", "tea", {2, "tea"});
  ASSERT_TRUE(run.run_until_idle());
  const auto sent = run.emitted<parcel>("sent");
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent.back().key, "7");
  EXPECT_EQ(run.http("scales").requests().size(), 2U);
}

TEST_F(application_runner_services, a_crash_during_a_request_repeats_it) {
  run.http("scales").answer("/weights/tea", 200, "7");
  run.http("scales").delay = 1s;
  run.produce<parcel>("parcels", "tea", {1, "tea"});
  run.advance(10ms);
  EXPECT_EQ(run.http("scales").in_flight(), 1U);
  run.crash_and_restart();
  ASSERT_TRUE(run.run_until_idle());
  EXPECT_EQ(run.emitted("sent").size(), 1U);
  EXPECT_EQ(run.http("scales").requests().size(), 2U);
}

}  // namespace
}  // namespace millrace::harness
