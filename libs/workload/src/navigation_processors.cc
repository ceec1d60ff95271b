#include "navigation_processors.h"

namespace millrace::workload {

using tracking::Navigation;

namespace {

[[nodiscard]] double basket_value(const Navigation& nav) {
  std::int64_t cents = 0;
  for (const auto& product : nav.products)
    cents += product.price.unscaled_int64().value_or(0) * product.quantity;
  return static_cast<double>(cents) / 100.0;
}

}  // namespace

task<outcome> visits::process(record<Navigation> nav, context ctx) {
  const auto found = co_await must(select_profile_(ctx, nav->visitor_id));
  const profile& visitor = found ? **found : unknown_visitor;

  std::optional<std::string_view> country;
  if (nav->geo) country = nav->geo->country;
  co_await must(insert_visit_(ctx, nav->visitor_id, nav->event_time, nav->event_id, nav->partner_id,
                              symbol_of(nav->kind), nav->page.url, country, visitor.segment, visitor.score,
                              static_cast<std::int32_t>(nav->products.size())));
  co_return outcome::done();
}

task<outcome> last_seen::process(record<Navigation> nav, context ctx) {
  co_await must(insert_last_seen_(ctx, nav->visitor_id, nav->event_time, nav.offset(), nav->event_id,
                                  symbol_of(nav->kind), nav->page.url));
  co_return outcome::done();
}

task<outcome> audience_feed::process(record<Navigation> nav, context ctx) {
  const auto found = co_await must(select_profile_(ctx, nav->visitor_id));
  const profile& visitor = found ? **found : unknown_visitor;

  feed::EnrichedVisit visit;
  visit.event_id = nav->event_id;
  visit.event_time = nav->event_time;
  visit.visitor_id = nav->visitor_id;
  visit.partner_id = nav->partner_id;
  visit.kind = static_cast<decltype(visit.kind)>(nav->kind);
  visit.url = nav->page.url;
  visit.segment = visitor.segment;
  visit.score = visitor.score;
  visit.basket_value = basket_value(*nav);
  visit.products = static_cast<std::int32_t>(nav->products.size());
  ctx.emit(enriched_visits_, nav->visitor_id, visit);
  co_return outcome::done();
}

}  // namespace millrace::workload
