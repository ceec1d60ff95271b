#include "processors.h"

#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace relay_test {

using millrace::context;
using millrace::outcome;
using millrace::record;
using millrace::task;

task<outcome> relay::process(record<::relay::Message> message, context ctx) {
  const auto bytes = message.key();
  if (!bytes) co_return outcome::skipped("no_key");
  const std::string_view key = millrace::as_text(*bytes);
  const std::string_view action = message->action;

  if (action == "dead_letter") co_return outcome::dead_letter("asked_for");
  if (action == "fail") co_return millrace::error(millrace::errc::internal, "the record asks for an error");
  if (action == "throw") throw std::runtime_error("the record asks for an exception");
  if (action == "throw_foreign") throw 42;  // NOLINT(hicpp-exception-baseclass): that is the point
  if (action == "throw_first" && ctx.attempt() <= static_cast<std::uint32_t>(message->count))
    throw std::runtime_error("the record asks for an exception at first");

  const std::int32_t outputs = action == "emit" ? message->count : 1;
  for (std::int32_t i = 0; i < outputs; ++i) ctx.emit(outputs_, key, *message);
  co_return outcome::done();
}

}  // namespace relay_test
