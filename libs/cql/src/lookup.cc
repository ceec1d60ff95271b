#include <millrace/cql/lookup.h>

#include "lookup_cache.h"

namespace millrace::cql::internal {
namespace {

bool alike(const statements::lookup_options& a, const statements::lookup_options& b) {
  return a.entries_max == b.entries_max && a.bytes_max == b.bytes_max && a.ttl == b.ttl &&
         a.negative_ttl == b.negative_ttl && a.on_miss == b.on_miss && a.retry_delay == b.retry_delay &&
         a.retry_for == b.retry_for && a.when_late == b.when_late &&
         a.statement.consistency == b.statement.consistency && a.statement.timeout == b.statement.timeout;
}

result<void> check_key(const statements::statement_declaration& select) {
  if (select.text().does != statements::statement_text::verb::select)
    return error(errc::db_invalid, "a lookup must be a SELECT");
  for (const std::string& column : select.parameters()) {
    if (column.empty())
      return error(errc::db_invalid,
                   "every '?' of a lookup must be compared with '=' to a column of its key");
  }
  return {};
}

}  // namespace

result<void> lookup_base::open(statements::lookup_room& room, const statements::lookup_options& options) {
  const std::string where = "lookup '" + name() + "'";
  if (auto usable = statements::check(options); !usable) return usable.error().in(where);
  if (auto keyed = check_key(statement()); !keyed) return keyed.error().in(where);
  std::unique_ptr<statements::lookup_state>& state = room.states[name()];
  if (!state) state = std::make_unique<lookup_cache>(statement().cql(), options, room, name());
  auto* const cache = static_cast<lookup_cache*>(state.get());
  if (cache->cql() != statement().cql() || !alike(cache->options(), options)) {
    return error(errc::config_invalid,
                 where + ": two processors declare it differently; use two names, or equal declarations");
  }
  if (!cache->fits())
    return error(errc::config_invalid,
                 where + ": the index of entries_max does not fit the memory of the process");
  options_ = options;
  cache_ = cache;
  return {};
}

lookup_start lookup_base::begin(stream::context ctx, bytes_view key) const {
  invariant(cache_ != nullptr, "a lookup is opened before it is used");
  return cache_->begin(ctx, *this, key);
}

void lookup_base::wait(lookup_flight& flight, lookup_waiter& waiter, stream::context ctx) {
  lookup_cache::wait(flight, waiter, ctx.database());
}

std::optional<stream::outcome> lookup_base::ending_of_miss(stream::context ctx) const {
  miss_policy policy = options_.on_miss;
  if (policy == miss_policy::retry && ctx.put_off_for() >= options_.retry_for) policy = options_.when_late;
  if (policy == miss_policy::use_default) return std::nullopt;
  const std::string reason = name() + ": no row";
  switch (policy) {
    case miss_policy::use_default:
      break;
    case miss_policy::skip:
      return stream::outcome::skipped(reason);
    case miss_policy::retry:
      return stream::outcome::again(options_.retry_delay, reason);
    case miss_policy::dead_letter:
      return stream::outcome::dead_letter(reason);
  }
  return std::nullopt;
}

}  // namespace millrace::cql::internal
