// The third example: three applications in one process. Orders, payments and customers of a shop.
//
//   enrich_orders    orders     looks customer, country and articles up, requests the risk from a service, writes the
//                               order and its lines, emits the enriched order, and a review for a person above a limit
//   revenue          orders     adds the order up: revenue per country and day, orders per country
//   book_payments    payments   writes the payment; the records are JSON
//   keep_customers   customers  writes the customer and emits a public profile; a tombstone deletes both
//
// A customer may come after their first order: the order is deferred for a while. Every write has the record's write time,
// except the counter, so that a repeated record changes no row.
#pragma once

#include <cstdint>
#include <string_view>

#include <customer.avsc.h>
#include <customer_key.avsc.h>
#include <enriched_order.avsc.h>
#include <order.avsc.h>
#include <payment.avsc.h>
#include <review.avsc.h>

#include <millrace/app/millrace.h>

namespace shop {

// The section `app` of the configuration.
struct shop_settings {
  std::int64_t review_above = 1'000;   // euros
  std::int32_t review_risk = 80;       // 0 to 100
  std::int64_t large_payment = 5'000;  // euros
};
[[nodiscard]] const millrace::config::spec<shop_settings>& shop_spec();

struct customer_row {
  std::string_view name;
};
struct country_row {
  std::string_view name;
};
struct article_row {
  std::string_view title;
};

// Lookups of one name share their cache, so two processors declare it alike.
using customer_lookup = millrace::lookup<customer_row(std::string_view id)>;
[[nodiscard]] customer_lookup declare_customers();

class enrich_orders final : public millrace::processor<Order> {
 public:
  explicit enrich_orders(const shop_settings& settings = {});

  millrace::task<millrace::outcome> process(millrace::record<Order> order, millrace::context ctx) override;
  // An answer of the risk service that is no number stays none: no retry.
  [[nodiscard]] millrace::stream::reaction classify(const millrace::error& cause) const override;
  // Orders of tests of the shop are not decoded.
  [[nodiscard]] bool wants(const millrace::raw_record& record) const override;

 private:
  void emit(millrace::context ctx, const Order& order, const EnrichedOrder& enriched);

  const millrace::decimal review_above_;
  const std::int32_t review_risk_;
  double largest_seen_ = 0;

  millrace::input<Order> orders_{"orders"};
  millrace::output<EnrichedOrder> enriched_{"orders_enriched"};
  millrace::output<Review> reviews_{"orders_review"};
  millrace::http_client risk_{"risk"};

  millrace::counter orders_total_{"shop_orders_total", "Orders written, by what follows.", {"next"}};
  millrace::size_histogram order_lines_{"shop_order_lines", "Lines of an order."};
  millrace::gauge largest_{
      "shop_largest_order_euros", "Largest order since the start.", {}, millrace::metrics::merge::max};

  customer_lookup customers_ = declare_customers();
  millrace::lookup<country_row(std::string_view code)> countries_{
      "countries",
      "SELECT name FROM country WHERE code = ?",
      {.ttl = std::chrono::minutes(10), .on_miss = millrace::miss_policy::dead_letter}};
  millrace::lookup<article_row(std::string_view id)> articles_{
      "articles",
      "SELECT title FROM article WHERE id = ?",
      {.ttl = std::chrono::minutes(5), .on_miss = millrace::miss_policy::use_default},
      article_row{"(unknown)"}};

  millrace::statement<void(std::string_view customer, millrace::timestamp placed, std::string_view id,
                           std::string_view country, millrace::decimal_view total, std::int32_t risk)>
      insert_order_{
          "INSERT INTO customer_order (customer, placed, id, country, total, risk) VALUES (?, ?, ?, ?, ?, ?)",
          {.written = millrace::write_time::record}};
  millrace::statement<void(std::string_view order, std::string_view article, std::int32_t quantity,
                           millrace::decimal_view amount)>
      insert_line_{"INSERT INTO order_line (order_id, article, quantity, amount) VALUES (?, ?, ?, ?)",
                   {.written = millrace::write_time::record}};
};

class revenue final : public millrace::processor<Order> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<Order> order, millrace::context ctx) override;
  [[nodiscard]] bool wants(const millrace::raw_record& record) const override;

 private:
  millrace::input<Order> orders_{"orders"};
  millrace::statement<void(std::string_view country, std::chrono::sys_days day, std::string_view order,
                           millrace::decimal_view amount)>
      insert_revenue_{"INSERT INTO revenue (country, day, order_id, amount) VALUES (?, ?, ?, ?)",
                      {.written = millrace::write_time::record}};
  // A repeated execution counts again, which the declaration has to state.
  millrace::statement<void(std::string_view country)> count_order_{
      "UPDATE order_count SET orders = orders + 1 WHERE country = ?", {.idempotent = false}};
};

class book_payments final : public millrace::processor<Payment> {
 public:
  explicit book_payments(const shop_settings& settings = {}) : large_(settings.large_payment, 0) {}

  millrace::task<millrace::outcome> process(millrace::record<Payment> payment,
                                            millrace::context ctx) override;

 private:
  const millrace::decimal large_;
  millrace::input<Payment> payments_in_{"payments"};
  millrace::counter payments_{"shop_payments_total", "Payments written, by method.", {"method"}};
  millrace::histogram transfer_{
      "shop_payment_transfer_seconds", "From the payment to its record.", {"method"}};
  millrace::statement<void(std::string_view order, std::string_view id, millrace::timestamp paid,
                           millrace::decimal_view amount, std::string_view method,
                           std::optional<std::string_view> reference)>
      insert_payment_{
          "INSERT INTO payment (order_id, id, paid, amount, method, reference) VALUES (?, ?, ?, ?, ?, ?)",
          {.written = millrace::write_time::record}};
};

class keep_customers final : public millrace::processor<Customer> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<Customer> customer,
                                            millrace::context ctx) override;
  millrace::task<millrace::outcome> deleted(millrace::deletion customer, millrace::context ctx) override;

 private:
  millrace::input<Customer, CustomerKey> customers_in_{"customers"};
  millrace::output<Customer, CustomerKey> profiles_{"customer_profiles"};
  millrace::counter changes_{"shop_customer_changes_total", "Changes of customers, by kind.", {"change"}};

  customer_lookup customers_ = declare_customers();
  // Both invalidate the cached row of the lookup.
  millrace::statement<void(std::string_view id, std::string_view name, std::string_view country,
                           std::optional<std::string_view> email, millrace::decimal_view credit_limit)>
      insert_customer_{"INSERT INTO customer (id, name, country, email, credit_limit) VALUES (?, ?, ?, ?, ?)",
                       {.written = millrace::write_time::record, .invalidates = {"customers"}}};
  millrace::statement<void(std::string_view id)> delete_customer_{
      "DELETE FROM customer WHERE id = ?",
      {.written = millrace::write_time::record, .invalidates = {"customers"}}};
};

// The application: its name, its settings and its processors. The program runs it, and so do the tests.
[[nodiscard]] millrace::application application();

}  // namespace shop
