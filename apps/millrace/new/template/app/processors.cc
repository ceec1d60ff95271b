#include "processors.h"

namespace orders {

using millrace::context;
using millrace::must;
using millrace::outcome;
using millrace::record;
using millrace::task;

task<outcome> event_writer::process(record<Event> event, context ctx) {
  if (event->amount == 0) co_return outcome::skipped("no_amount");
  if (event->amount < 0) co_return outcome::dead_letter("negative_amount");
  co_await must(insert_event_(ctx, event->account, event->at, event->id, event->amount));
  co_return outcome::done();
}

millrace::application application() {
  return {.name = "orders", .version = ORDERS_VERSION, .processors = {millrace::make<event_writer>()}};
}

}  // namespace orders
