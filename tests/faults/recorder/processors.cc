#include "processors.h"

namespace recorder_test {

using millrace::context;
using millrace::outcome;
using millrace::record;
using millrace::task;

task<outcome> recorder::process(record<::relay::Message> message, context ctx) {
  const auto bytes = message.key();
  if (!bytes) co_return outcome::skipped("no_key");
  const std::string_view key = millrace::as_text(*bytes);

  const auto found = co_await select_place_(ctx, message->count);
  if (!found) co_return found.error();
  if (!*found) co_return outcome::dead_letter("no_place");
  const auto written = co_await insert_result_(ctx, key, (**found)->id, (**found)->name);
  if (!written) co_return written.error();
  ctx.emit(outputs_, key, *message);
  co_return outcome::done();
}

}  // namespace recorder_test
