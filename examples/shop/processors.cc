#include "processors.h"

#include <algorithm>
#include <charconv>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace shop {

using millrace::all;
using millrace::context;
using millrace::decimal;
using millrace::deletion;
using millrace::http_response;
using millrace::must;
using millrace::outcome;
using millrace::record;
using millrace::result;
using millrace::task;

namespace {

constexpr std::size_t lines_at_once_max = 8;
constexpr std::int32_t risk_max = 100;
constexpr unsigned not_found = 404;

bool is_of_a_test(const millrace::raw_record& record) { return record.header("x-test").has_value(); }

// Lines and shipping. limit_exceeded for a sum of more digits than a decimal has.
result<decimal> total_of(const Order& order) {
  result<decimal> total = decimal::of(order.shipping);
  for (const Line& line : order.lines) {
    const result<decimal> amount = decimal::of(line.amount);
    if (!amount) return amount;
    if (total) total = total->plus(*amount);
  }
  return total;
}

// The service answers with a number, and with 404 for a customer of whom it knows nothing bad.
std::int32_t risk_of(const http_response& answer) {
  if (answer.status == not_found) return 0;
  std::int32_t risk = -1;
  const char* const end = answer.body.data() + answer.body.size();
  const auto [read, failed] = std::from_chars(answer.body.data(), end, risk);
  if (failed != std::errc() || read != end || risk < 0 || risk > risk_max)
    throw std::invalid_argument("the risk is not a number from 0 to 100");
  return risk;
}

}  // namespace

const millrace::config::spec<shop_settings>& shop_spec() {
  static const millrace::config::spec<shop_settings> declared{
      millrace::config::field(&shop_settings::review_above, "review_above")
          .range(0, 1'000'000)
          .doc("Orders of more euros are reviewed by a person."),
      millrace::config::field(&shop_settings::review_risk, "review_risk")
          .range(0, risk_max)
          .doc("Orders of customers with this risk, or a higher one, are reviewed by a person."),
      millrace::config::field(&shop_settings::large_payment, "large_payment")
          .range(1, 1'000'000)
          .doc("Payments of as many euros, or more, are logged."),
  };
  return declared;
}

customer_lookup declare_customers() {
  return customer_lookup{"customers",
                         "SELECT name FROM customer WHERE id = ?",
                         {.ttl = std::chrono::seconds(30),
                          .on_miss = millrace::miss_policy::retry,
                          .retry_delay = std::chrono::seconds(1),
                          .retry_for = std::chrono::seconds(30)}};
}

enrich_orders::enrich_orders(const shop_settings& settings)
    : review_above_(settings.review_above, 0), review_risk_(settings.review_risk) {
  // A rate needs the series before its first event.
  orders_total_.with("review");
  orders_total_.with("delivery");
}

bool enrich_orders::wants(const millrace::raw_record& record) const { return !is_of_a_test(record); }

millrace::stream::reaction enrich_orders::classify(const millrace::error& cause) const {
  if (cause.code() == millrace::errc::processor_threw) return millrace::reaction::dead_letter;
  return processor_base::classify(cause);
}

task<outcome> enrich_orders::process(record<Order> order, context ctx) {
  if (order->lines.empty()) co_return outcome::dead_letter("no_lines");
  const decimal total = must(must(total_of(*order)).rescaled(2));

  const std::string target = "/risk/" + millrace::http::escaped(order->customer);
  const millrace::service::http_call_options options{.accepts = {not_found}};
  const auto [customer, country, answer] = co_await must(all(
      customers_(ctx, order->customer), countries_(ctx, order->country), risk_.get(ctx, target, options)));
  const auto article_of = [&](const Line& line) { return articles_(ctx, line.article); };
  const auto articles =
      co_await must(all(order->lines | std::views::transform(article_of), lines_at_once_max));
  const std::int32_t risk = risk_of(answer);

  co_await must(insert_order_(ctx, order->customer, order->placed, order->id, order->country, total, risk));
  const auto insert = [&](const Line& line) {
    return insert_line_(ctx, order->id, line.article, line.quantity, line.amount);
  };
  co_await must(all(order->lines | std::views::transform(insert), lines_at_once_max));

  std::vector<std::string_view> titles;
  titles.reserve(articles.size());
  for (const auto& article : articles) titles.push_back(article->title);
  EnrichedOrder enriched;
  enriched.id = order->id;
  enriched.customer = order->customer;
  enriched.customer_name = customer->name;
  enriched.country_name = country->name;
  enriched.placed = order->placed;
  enriched.titles = titles;
  enriched.total = total;
  enriched.risk = risk;
  emit(ctx, *order, enriched);

  order_lines_.observe(order->lines.size());
  largest_seen_ = std::max(largest_seen_, total.to_double());
  largest_.set(largest_seen_);
  co_return outcome::done();
}

// Produced when process() has returned done.
void enrich_orders::emit(context ctx, const Order& order, const EnrichedOrder& enriched) {
  const std::string risk = std::to_string(enriched.risk);
  ctx.emit(enriched_, order.customer, enriched, {.headers = {{"country", order.country}, {"risk", risk}}});

  const bool too_much = must(decimal::of(enriched.total)) > review_above_;
  if (!too_much && enriched.risk < review_risk_) {
    orders_total_.with("delivery").add();
    return;
  }
  const Review review{.order = order.id,
                      .customer = order.customer,
                      .total = enriched.total,
                      .reason = too_much ? Reason::AMOUNT : Reason::RISK};
  ctx.emit(reviews_, millrace::no_key, review,
           {.headers = {{"risk", risk}, {"reviewer", std::nullopt}},
            .timestamp = millrace::emit_timestamp::now()});
  orders_total_.with("review").add();
  ctx.log().warn(
      "an order needs a review",
      {{"order", order.id}, {"reason", millrace::symbol_of(review.reason)}, {"risk", enriched.risk}});
}

bool revenue::wants(const millrace::raw_record& record) const { return !is_of_a_test(record); }

task<outcome> revenue::process(record<Order> order, context ctx) {
  const decimal total = must(total_of(*order));
  const auto day = std::chrono::floor<std::chrono::days>(order->placed);
  co_await must(insert_revenue_(ctx, order->country, day, order->id, total));
  co_await must(count_order_(ctx, order->country));  // last: a retry repeats what is before it
  co_return outcome::done();
}

task<outcome> book_payments::process(record<Payment> payment, context ctx) {
  if (payment->method == Method::VOUCHER) co_return outcome::skipped("voucher");
  const decimal amount = must(decimal::of(payment->amount));
  if (amount.sign() <= 0) co_return outcome::dead_letter("not_positive");

  const std::string_view method = millrace::symbol_of(payment->method);
  co_await must(
      insert_payment_(ctx, payment->order, payment->id, payment->paid, amount, method, payment->reference));
  payments_.with(method).add();
  const auto took = payment.created() - payment->paid;
  if (took.count() > 0) transfer_.with(method).observe(took);
  if (amount >= large_)
    ctx.log().info("large payment", {{"order", payment->order}, {"amount", amount.to_double()}});
  co_return outcome::done();
}

task<outcome> keep_customers::process(record<Customer> customer, context ctx) {
  const CustomerKey* const key = customers_in_.key(customer);
  if (key == nullptr) co_return outcome::dead_letter("no_key");
  // Without must(): here the record does not wait for the row.
  const auto before = co_await customers_(ctx, key->id);
  co_await must(insert_customer_(ctx, key->id, customer->name, customer->country, customer->email,
                                 customer->credit_limit));
  changes_.with(before ? "changed" : "new").add();

  Customer profile = *customer;
  profile.email.reset();
  ctx.emit(profiles_, *key, profile);
  co_return outcome::done();
}

task<outcome> keep_customers::deleted(deletion customer, context ctx) {
  const CustomerKey* const key = customers_in_.key(customer);
  if (key == nullptr) co_return outcome::skipped("no_key");
  co_await must(delete_customer_(ctx, key->id));
  changes_.with("deleted").add();
  ctx.erase(profiles_, *key);
  co_return outcome::done();
}

millrace::application application() {
  return {.name = "shop",
          .version = "1.0.0",
          .processors = {millrace::make<revenue>(), millrace::make<keep_customers>()},
          .settings = millrace::settings_of(shop_spec(), [](const shop_settings& settings) {
            return millrace::processor_set{millrace::make<enrich_orders>(settings),
                                           millrace::make<book_payments>(settings)};
          })};
}

}  // namespace shop
