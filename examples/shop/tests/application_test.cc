// The whole application on simulated servers: its processors, config.yaml and schema.cql.
#include <map>

#include <gtest/gtest.h>

#include <millrace/harness/application_runner.h>

#include "sample.h"

namespace shop {
namespace {

using namespace std::chrono_literals;
using millrace::as_bytes;
using millrace::decimal;
using millrace::errc;
using millrace::error;

constexpr const char* config = SHOP_SOURCE_DIR "/config.yaml";
constexpr const char* tables = SHOP_SOURCE_DIR "/schema.cql";

class ShopApplication : public ::testing::Test {
 protected:
  ShopApplication() {
    run.execute("INSERT INTO article (id, title) VALUES ('a1', 'Teapot')");
    run.execute("INSERT INTO article (id, title) VALUES ('a2', 'Cup')");
    run.execute("INSERT INTO country (code, name) VALUES ('FR', 'France')");
    run.http("risk").decide([](const millrace::http::request&) {
      return millrace::simulation::http_fate{.answer = {200, "10", {}, {}}};
    });
  }
  void place(std::string_view id, std::int64_t cents = 1'250, std::string_view customer = "c1") {
    run.produce<Order>("orders", std::string(customer), made.order(id, customer, cents));
  }
  void enter(std::string_view name, std::string_view id = "c1") {
    run.produce<Customer>("customers", key_of(id), made.customer(name));
  }
  void pay(std::string_view json) { run.produce_bytes("payments", "o1", as_bytes(json)); }
  static std::string key_of(std::string_view id) { return R"({"id": ")" + std::string(id) + R"("})"; }
  void settle() {
    const auto idle = run.run_until_idle();
    ASSERT_TRUE(idle) << idle.error().to_string();
  }
  // By order.
  std::map<std::string, decimal> revenue_rows() {
    std::map<std::string, decimal> rows;
    for (const auto& each : run.query("SELECT order_id, amount FROM revenue"))
      rows.insert_or_assign(each[0].text(), each[1].decimal());
    return rows;
  }
  std::int64_t order_count() {
    const auto rows = run.query("SELECT orders FROM order_count WHERE country = 'FR'");
    return rows.empty() ? 0 : rows.front()[0].bigint();
  }

  samples made;
  millrace::harness::application_runner run{application(), {.config_file = config, .schema_file = tables}};
};

TEST_F(ShopApplication, ThreeTopicsOfThreeFormatsReachTablesAndTopics) {
  enter("Ada");
  settle();
  place("o1");
  pay(R"({"id": "p1", "order": "o1", "paid": "2025-10-09T13:07:00Z", "amount": 18.40, "method": "CARD"})");
  settle();
  EXPECT_EQ(run.query("SELECT name FROM customer WHERE id = 'c1'").front()[0].text(), "Ada");
  EXPECT_EQ(run.query("SELECT total FROM customer_order WHERE customer = 'c1'").front()[0].decimal(),
            decimal(1'840, 2));
  EXPECT_EQ(run.query("SELECT article FROM order_line WHERE order_id = 'o1'").size(), 2U);
  EXPECT_EQ(revenue_rows().at("o1"), decimal(1'840, 2));
  EXPECT_EQ(order_count(), 1);
  const auto payments = run.query("SELECT paid, amount, method FROM payment WHERE order_id = 'o1'");
  ASSERT_EQ(payments.size(), 1U);
  EXPECT_EQ(payments.front()[0].timestamp(), placed_at);
  EXPECT_EQ(payments.front()[1].decimal(), decimal(1'840, 2));
  const auto enriched = run.emitted<EnrichedOrder>("orders_enriched");
  ASSERT_EQ(enriched.size(), 1U);
  EXPECT_EQ(enriched.front()->customer_name, "Ada");
  EXPECT_EQ(enriched.front()->titles[0], "Teapot");
  EXPECT_TRUE(enriched.front().header("millrace-id"));
  EXPECT_TRUE(run.dead_letters().empty());
}

TEST_F(ShopApplication, AnOrderWaitsForItsCustomer) {
  place("o1");
  run.advance(10s);
  EXPECT_TRUE(run.emitted("orders_enriched").empty());
  enter("Ada");
  settle();
  EXPECT_EQ(run.emitted<EnrichedOrder>("orders_enriched").front()->customer_name, "Ada");
  EXPECT_EQ(order_count(), 1) << "the other processor is not run again";
}

TEST_F(ShopApplication, AnOrderOfAnUnknownCustomerIsADeadLetterInTheEnd) {
  place("o1");
  settle();
  ASSERT_EQ(run.dead_letters().size(), 1U);
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.processor"), "enrich_orders");
}

TEST_F(ShopApplication, ATombstoneDeletesTheCustomerAndTheProfile) {
  enter("Ada");
  enter("Grace", "c2");
  settle();
  run.produce_bytes("customers", key_of("c1"), std::nullopt);
  settle();
  EXPECT_TRUE(run.query("SELECT name FROM customer WHERE id = 'c1'").empty());
  EXPECT_EQ(run.query("SELECT name FROM customer WHERE id = 'c2'").size(), 1U);
  const auto profiles = run.emitted<Customer>("customer_profiles");
  ASSERT_EQ(profiles.size(), 3U);
  EXPECT_EQ(profiles.back().value, nullptr);
  ASSERT_TRUE(profiles.back().key);
  EXPECT_TRUE(profiles.back().key->ends_with("c1")) << "the key is Avro: a frame, a length and the text";
}

TEST_F(ShopApplication, AChangeOfACustomerIsSeenByTheNextOrder) {
  enter("Ada");
  settle();
  place("o1");
  settle();
  enter("Ada King");
  settle();
  place("o2");
  settle();
  const auto enriched = run.emitted<EnrichedOrder>("orders_enriched");
  ASSERT_EQ(enriched.size(), 2U);
  EXPECT_EQ(enriched.back()->customer_name, "Ada King") << "the write has invalidated the cached row";
}

TEST_F(ShopApplication, OrdersAboveTheLimitOfTheConfigurationAreReviewed) {
  enter("Ada");
  settle();
  place("o1", 99'410);  // with the second line and shipping 1,000.00
  place("o2", 99'411);
  settle();
  const auto reviews = run.emitted<Review>("orders_review");
  ASSERT_EQ(reviews.size(), 1U);
  EXPECT_EQ(reviews.front()->order, "o2");
  EXPECT_EQ(reviews.front().key, std::nullopt);
}

TEST_F(ShopApplication, AnOutageOfTheServiceDelaysAndLosesNothing) {
  enter("Ada");
  settle();
  run.http("risk").is_down = true;
  place("o1");
  run.advance(10min);
  EXPECT_TRUE(run.emitted("orders_enriched").empty());
  EXPECT_TRUE(run.dead_letters().empty()) << "an outage costs no attempt";
  run.http("risk").is_down = false;
  settle();
  EXPECT_EQ(run.emitted("orders_enriched").size(), 1U);
  EXPECT_EQ(order_count(), 1);
}

TEST_F(ShopApplication, AnAnswerThatIsNoNumberIsADeadLetterAtOnce) {
  run.http("risk").decide([](const millrace::http::request&) {
    return millrace::simulation::http_fate{.answer = {200, "low", {}, {}}};
  });
  enter("Ada");
  settle();
  place("o1");
  settle();
  ASSERT_EQ(run.dead_letters().size(), 1U);
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.code"), "processor_threw");
  EXPECT_EQ(run.dead_letters().front().header("millrace.dlq.attempts"), "1");
  EXPECT_EQ(run.http("risk").requests().size(), 1U);
}

TEST_F(ShopApplication, AFailedWriteIsRetriedByItsProcessorOnly) {
  enter("Ada");
  settle();
  run.fail_statement("INSERT INTO order_line (order_id, article, quantity, amount) VALUES (?, ?, ?, ?)",
                     error(errc::db_timeout), 3);
  place("o1");
  settle();
  EXPECT_EQ(run.query("SELECT article FROM order_line WHERE order_id = 'o1'").size(), 2U);
  EXPECT_EQ(run.emitted("orders_enriched").size(), 1U);
  EXPECT_EQ(order_count(), 1);
  EXPECT_TRUE(run.dead_letters().empty());
}

TEST_F(ShopApplication, ACrashRepeatsRecordsAndChangesNoRow) {
  enter("Ada");
  settle();
  place("o1");
  run.advance(1ms);  // written, and not committed yet
  run.crash_and_restart();
  settle();
  EXPECT_EQ(revenue_rows().size(), 1U);
  EXPECT_EQ(run.query("SELECT id FROM customer_order WHERE customer = 'c1'").size(), 1U);
  const auto enriched = run.emitted("orders_enriched");
  ASSERT_EQ(enriched.size(), 2U);
  EXPECT_EQ(enriched[0].header("millrace-id"), enriched[1].header("millrace-id")) << "a reader can drop it";
  EXPECT_EQ(order_count(), 2) << "a counter counts a repetition";
}

TEST_F(ShopApplication, ARebalanceAndACleanStopRepeatNothing) {
  for (const std::string_view customer : {"c1", "c2", "c3", "c4", "c5", "c6"}) enter("Ada", customer);
  settle();
  const auto place_all = [this](std::string_view round) {
    for (const std::string_view customer : {"c1", "c2", "c3", "c4", "c5", "c6"})
      place(std::string(customer) + std::string(round), 1'250, customer);
    run.advance(1ms);
  };
  place_all("-first");
  run.rebalance(3);
  place_all("-second");
  ASSERT_TRUE(run.stop());
  place_all("-third");
  settle();
  EXPECT_EQ(revenue_rows().size(), 18U);
  EXPECT_EQ(order_count(), 18);
  EXPECT_EQ(run.emitted("orders_enriched").size(), 18U);
}

TEST_F(ShopApplication, DeadLettersOfPaymentsHaveTheirOwnTopic) {
  pay(R"({"id": "p1", "order": "o1", "paid": 1760015220000, "amount": "-1.00", "method": "CARD"})");
  pay(R"({"id": "p2", "order": "o1")");
  pay(R"({"id": "p3", "order": "o1", "paid": 1760015220000, "amount": 1.005, "method": "CARD"})");
  settle();
  ASSERT_EQ(run.emitted("payments-dlq").size(), 1U);
  EXPECT_EQ(run.emitted("payments-dlq").front().header("millrace.dlq.message"), "not_positive");
  EXPECT_EQ(run.dead_letters().size(), 2U) << "no processor has seen a record that cannot be read";
  EXPECT_TRUE(run.query("SELECT id FROM payment WHERE order_id = 'o1'").empty());
}

TEST_F(ShopApplication, OrdersOfTestsAndReplaysAreNotDecoded) {
  run.produce_bytes("orders", "c1", as_bytes("no order"), {.headers = {{"x-test", "1"}}});
  run.produce_bytes("orders", "c1", as_bytes("no order"), {.headers = {{"x-replayed", "1"}}});
  settle();
  EXPECT_TRUE(run.dead_letters().empty());
  EXPECT_EQ(run.counted("millrace_records_filtered_total", {{"processor", "revenue"}, {"reason", "wants"}}),
            1U);
  EXPECT_EQ(run.counted("millrace_records_filtered_total", {{"processor", "revenue"}, {"reason", "header"}}),
            1U);
}

TEST_F(ShopApplication, CountsWhatItHasDone) {
  enter("Ada");
  settle();
  place("o1");
  place("o2", 200'000);
  pay(R"({"id": "p1", "order": "o1", "paid": "2025-10-09T13:07:00Z", "amount": 18.40, "method": "CARD"})");
  settle();
  EXPECT_EQ(run.counted("shop_orders_total", {{"next", "delivery"}}), 1U);
  EXPECT_EQ(run.counted("shop_orders_total", {{"next", "review"}}), 1U);
  EXPECT_EQ(run.counted("shop_order_lines"), 2U);
  EXPECT_DOUBLE_EQ(run.gauged("shop_largest_order_euros"), 2'005.90);
  EXPECT_EQ(run.counted("shop_payments_total"), 1U);
  EXPECT_EQ(run.counted("shop_customer_changes_total", {{"change", "new"}}), 1U);
}

TEST(ShopConfiguration, ASettingOutOfRangeIsRefusedWithItsName) {
  millrace::harness::application_runner run(
      application(), {.config_file = config, .set = {"app.review_risk=101"}, .schema_file = tables});
  const auto started = run.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), errc::config_invalid);
  EXPECT_NE(started.error().message().find("review_risk"), std::string::npos) << started.error().message();
}

}  // namespace
}  // namespace shop
