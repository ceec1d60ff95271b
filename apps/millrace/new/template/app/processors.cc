#include "processors.h"

namespace orders {

using millrace::context;
using millrace::outcome;
using millrace::record;
using millrace::task;

task<outcome> event_writer::process(record<Event> event, context ctx) {
  if (event->amount == 0) co_return outcome::skipped("no_amount");
  if (event->amount < 0) co_return outcome::dead_letter("negative_amount");
  const auto written = co_await insert_event_(ctx, event->account, event->at, event->id, event->amount);
  if (!written) co_return written.error();
  co_return outcome::done();
}

}  // namespace orders
