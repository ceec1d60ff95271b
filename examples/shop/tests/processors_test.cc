// Each processor alone, without a server.
#include <gtest/gtest.h>

#include <millrace/simulation/processor_runner.h>

#include "sample.h"

namespace shop {
namespace {

using namespace std::chrono_literals;
using kind = millrace::outcome::kind;
using millrace::decimal;
using millrace::simulation::processor_runner;

constexpr std::string_view select_customer = "SELECT name FROM customer WHERE id = ?";
constexpr std::string_view select_country = "SELECT name FROM country WHERE code = ?";
constexpr std::string_view select_article = "SELECT title FROM article WHERE id = ?";
constexpr std::string_view insert_order =
    "INSERT INTO customer_order (customer, placed, id, country, total, risk) VALUES (?, ?, ?, ?, ?, ?)";
constexpr std::string_view insert_line =
    "INSERT INTO order_line (order_id, article, quantity, amount) VALUES (?, ?, ?, ?)";
constexpr std::string_view insert_revenue =
    "INSERT INTO revenue (country, day, order_id, amount) VALUES (?, ?, ?, ?)";
constexpr std::string_view count_order = "UPDATE order_count SET orders = orders + 1 WHERE country = ?";
constexpr std::string_view insert_payment =
    "INSERT INTO payment (order_id, id, paid, amount, method, reference) VALUES (?, ?, ?, ?, ?, ?)";
constexpr std::string_view insert_customer =
    "INSERT INTO customer (id, name, country, email, credit_limit) VALUES (?, ?, ?, ?, ?)";
constexpr std::string_view delete_customer = "DELETE FROM customer WHERE id = ?";

class ShopOrders : public ::testing::Test {
 protected:
  ShopOrders() {
    run.database().prime(select_customer, {{"Ada"}});
    run.database().prime(select_country, {{"France"}});
    run.database().prime(select_article, {{"Teapot"}});
    run.http("risk").answer("/risk/c1", 200, "10");
  }
  void place(std::int64_t cents) { run.feed(made.order("o1", "c1", cents), {.key = "c1"}); }

  samples made;
  processor_runner<enrich_orders> run;
};

TEST_F(ShopOrders, WritesTheOrderWithItsExactTotalAndEachLine) {
  place(1'250);
  ASSERT_EQ(run.last().what(), kind::done);
  const auto orders = run.executed(insert_order);
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].parameters[2].text(), "o1");
  EXPECT_EQ(orders[0].parameters[4].decimal(), decimal(1'840, 2));
  EXPECT_EQ(orders[0].parameters[5].int32(), 10);
  const auto lines = run.executed(insert_line);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].parameters[3].decimal(), decimal(1'250, 2));
  EXPECT_EQ(lines[1].parameters[1].text(), "a2");
  EXPECT_EQ(run.counted("shop_order_lines"), 1U);
  EXPECT_DOUBLE_EQ(run.gauged("shop_largest_order_euros"), 18.40);
}

TEST_F(ShopOrders, LooksUpAndCallsTheServiceAtOnce) {
  run.http("risk").delay = 100ms;
  place(1'250);
  EXPECT_FALSE(run.outcomes().back());
  EXPECT_EQ(run.executed(select_customer).size(), 1U);
  EXPECT_EQ(run.executed(select_country).size(), 1U);
  EXPECT_EQ(run.http("risk").in_flight(), 1U);
  run.advance(100ms);
  EXPECT_EQ(run.last().what(), kind::done);
}

TEST_F(ShopOrders, EmitsTheEnrichedOrderWithKeyAndHeaders) {
  place(1'250);
  const auto enriched = run.emitted<EnrichedOrder>("orders_enriched");
  ASSERT_EQ(enriched.size(), 1U);
  EXPECT_EQ(enriched[0].key, "c1");
  EXPECT_EQ(enriched[0].header("country"), "FR");
  EXPECT_EQ(enriched[0].header("risk"), "10");
  EXPECT_EQ(enriched[0]->customer_name, "Ada");
  EXPECT_EQ(enriched[0]->country_name, "France");
  ASSERT_EQ(enriched[0]->titles.size(), 2U);
  EXPECT_EQ(enriched[0]->titles[1], "Teapot");
  EXPECT_EQ(*decimal::of(enriched[0]->total), decimal(1'840, 2));
  EXPECT_TRUE(run.emitted<Review>("orders_review").empty());
}

TEST_F(ShopOrders, SendsAnOrderAboveTheLimitToReviewWithoutAKey) {
  place(100'000);
  const auto reviews = run.emitted<Review>("orders_review");
  ASSERT_EQ(reviews.size(), 1U);
  EXPECT_EQ(reviews[0].key, std::nullopt);
  EXPECT_EQ(reviews[0].header("reviewer"), std::nullopt);
  EXPECT_EQ(reviews[0]->reason, Reason::AMOUNT);
  EXPECT_EQ(run.counted("shop_orders_total", {{"next", "review"}}), 1U);
  EXPECT_EQ(run.counted("shop_orders_total", {{"next", "delivery"}}), 0U);
  EXPECT_EQ(run.logged().back().message, "an order needs a review");
  EXPECT_EQ(run.logged().back().field("reason"), "AMOUNT");
}

TEST_F(ShopOrders, SendsAnOrderOfARiskyCustomerToReview) {
  run.http("risk").answer("/risk/c1", 200, "80");
  place(1'250);
  ASSERT_EQ(run.emitted<Review>("orders_review").size(), 1U);
  EXPECT_EQ(run.emitted<Review>("orders_review")[0]->reason, Reason::RISK);
}

TEST_F(ShopOrders, ACustomerWhomTheServiceDoesNotKnowHasNoRisk) {
  run.http("risk").answer("/risk/c1", 404);
  place(1'250);
  ASSERT_EQ(run.last().what(), kind::done);
  EXPECT_EQ(run.emitted<EnrichedOrder>("orders_enriched")[0]->risk, 0);
}

TEST_F(ShopOrders, ARiskThatIsNoNumberIsAnExceptionThatIsNotRetried) {
  run.http("risk").answer("/risk/c1", 200, "low");
  place(1'250);
  ASSERT_EQ(run.last().what(), kind::failed);
  const millrace::error& cause = *run.last().cause();
  EXPECT_EQ(cause.code(), millrace::errc::processor_threw);
  EXPECT_EQ(run.classified(cause), millrace::reaction::dead_letter);
  EXPECT_EQ(run.classified(millrace::error(millrace::errc::db_timeout)), millrace::reaction::retry);
  EXPECT_TRUE(run.executed(insert_order).empty());
}

TEST_F(ShopOrders, AnOutageOfTheServiceIsAnErrorThatIsRetried) {
  run.http("risk").is_down = true;
  place(1'250);
  ASSERT_EQ(run.last().what(), kind::failed);
  EXPECT_EQ(run.last().cause()->code(), millrace::errc::service_unavailable);
  EXPECT_TRUE(run.emitted().empty());
}

TEST_F(ShopOrders, AnOrderWaitsForItsCustomer) {
  run.database().prime(select_customer, {});
  place(1'250);
  EXPECT_EQ(run.last().what(), kind::again);
  EXPECT_EQ(run.last().delay(), 1s);
}

TEST_F(ShopOrders, AnUnknownCountryOrAnOrderWithoutLinesIsADeadLetter) {
  Order empty = made.order("o1", "c1", 1'250);
  empty.lines = {};
  run.feed(empty);
  EXPECT_EQ(run.last().what(), kind::dead_letter);
  run.database().prime(select_country, {});
  place(1'250);
  EXPECT_EQ(run.last().what(), kind::dead_letter);
}

TEST(ShopSettings, DecideWhatIsReviewed) {
  samples made;
  processor_runner<enrich_orders> run(shop_settings{.review_above = 10});
  run.database().prime(select_customer, {{"Ada"}});
  run.database().prime(select_country, {{"France"}});
  run.http("risk").answer("/risk/c1", 200, "10");
  run.feed(made.order("o1", "c1", 1'250));
  EXPECT_EQ(run.emitted<Review>("orders_review").size(), 1U);
  EXPECT_EQ(run.emitted<EnrichedOrder>("orders_enriched")[0]->titles[0], "(unknown)");
}

TEST(ShopRevenue, WritesARowPerOrderAndCounts) {
  samples made;
  processor_runner<revenue> run;
  run.feed(made.order("o1", "c1", 1'250));
  ASSERT_EQ(run.last().what(), kind::done);
  const auto written = run.executed(insert_revenue);
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].parameters[0].text(), "FR");
  EXPECT_EQ(written[0].parameters[1].date(), std::chrono::floor<std::chrono::days>(placed_at));
  EXPECT_EQ(written[0].parameters[3].decimal(), decimal(1'840, 2));
  EXPECT_TRUE(written[0].write_timestamp_us.has_value());
  ASSERT_EQ(run.executed(count_order).size(), 1U);
  EXPECT_FALSE(run.executed(count_order)[0].write_timestamp_us.has_value());
}

TEST(ShopPayments, WritesAPaymentAndCountsItsMethod) {
  samples made;
  processor_runner<book_payments> run;
  run.feed(made.payment("p1", 1'999, Method::TRANSFER), {.created = placed_at + 3s});
  ASSERT_EQ(run.last().what(), kind::done);
  const auto written = run.executed(insert_payment);
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].parameters[3].decimal(), decimal(1'999, 2));
  EXPECT_EQ(written[0].parameters[4].text(), "TRANSFER");
  EXPECT_TRUE(written[0].parameters[5].is_null());
  EXPECT_EQ(run.counted("shop_payments_total", {{"method", "TRANSFER"}}), 1U);
  EXPECT_EQ(run.counted("shop_payment_transfer_seconds"), 1U);
  EXPECT_TRUE(run.logged().empty());
}

TEST(ShopPayments, LogsALargePayment) {
  samples made;
  processor_runner<book_payments> run(shop_settings{.large_payment = 10});
  run.feed(made.payment("p1", 1'000, Method::CARD));
  ASSERT_EQ(run.logged().size(), 1U);
  EXPECT_EQ(run.logged()[0].field("order"), "o1");
}

TEST(ShopPayments, SkipsVouchersAndRefusesWhatIsNotPositive) {
  samples made;
  processor_runner<book_payments> run;
  run.feed(made.payment("p1", 1'999, Method::VOUCHER));
  EXPECT_EQ(run.last().what(), kind::skipped);
  run.feed(made.payment("p2", 0, Method::CARD));
  EXPECT_EQ(run.last().what(), kind::dead_letter);
  EXPECT_TRUE(run.executed(insert_payment).empty());
}

class ShopCustomers : public ::testing::Test {
 protected:
  ShopCustomers() { run.set_key(CustomerKey{.id = "c1"}); }

  samples made;
  processor_runner<keep_customers> run;
};

TEST_F(ShopCustomers, WritesTheCustomerAndEmitsAProfileWithoutTheAddress) {
  run.feed(made.customer("Ada"));
  ASSERT_EQ(run.last().what(), kind::done);
  const auto written = run.executed(insert_customer);
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].parameters[3].text(), "ada@example.com");
  const auto profiles = run.emitted<Customer>("customer_profiles");
  ASSERT_EQ(profiles.size(), 1U);
  EXPECT_EQ(profiles[0]->name, "Ada");
  EXPECT_EQ(profiles[0]->email, std::nullopt);
  EXPECT_EQ(run.counted("shop_customer_changes_total", {{"change", "new"}}), 1U);
}

TEST_F(ShopCustomers, ATombstoneDeletesTheCustomerAndTheProfile) {
  run.feed_tombstone();
  ASSERT_EQ(run.last().what(), kind::done);
  ASSERT_EQ(run.executed(delete_customer).size(), 1U);
  EXPECT_EQ(run.executed(delete_customer)[0].parameters[0].text(), "c1");
  ASSERT_EQ(run.emitted().size(), 1U);
  EXPECT_EQ(run.emitted()[0].value, std::nullopt);
}

TEST_F(ShopCustomers, WithoutAKeyNothingIsWritten) {
  run.set_key(nullptr);
  run.feed(made.customer("Ada"));
  EXPECT_EQ(run.last().what(), kind::dead_letter);
  run.feed_tombstone();
  EXPECT_EQ(run.last().what(), kind::skipped);
  EXPECT_TRUE(run.executed().empty());
}

}  // namespace
}  // namespace shop
