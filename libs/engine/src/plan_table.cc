#include "plan_table.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/exceptions.h>
#include <millrace/stream/outcome.h>

namespace millrace::engine {
namespace {

// The format may be the user's.
[[nodiscard]] result<std::shared_ptr<const value_plan>> compiled_by(const value_format& format,
                                                                    const stream::schema_document& writer) {
  try {
    return format.compile(writer);
  } catch (...) {
    return error_of(errc::internal, describe(std::current_exception())).in("compiling threw");
  }
}

}  // namespace

plan_table::plan_table(runtime::loop& loop, stream::schemas& schemas, const value_format& format,
                       const engine_options& options, plan_watcher& watcher)
    : loop_(loop),
      schemas_(schemas),
      format_(format),
      options_(options),
      watcher_(watcher),
      random_(options.seed ^ 0x5C4E3A5ULL) {}

plan_table::~plan_table() {
  invariant(outstanding_ == 0, "every schema request is answered before its engine ends");
}

plan_entry* plan_table::find_slow(std::int32_t id) {
  const auto found = entries_.find(id);
  if (found != entries_.end()) {
    plan_entry& entry = *found->second;
    entry.found_last_ = ++searches_;
    if (entry.state_ == plan_entry::phase::ready) last_ = &entry;
    if (entry.state_ == plan_entry::phase::broken && entry.broken_until_ != instant{} &&
        loop_.now() >= entry.broken_until_) {
      entry.failures_ = 0;
      entry.first_asked_ = loop_.now();
      ++missing_;
      entry.fetch();
    }
    return &entry;
  }
  if (entries_.size() >= options_.schemas_max && !forget_one()) {
    full_ = true;
    return nullptr;
  }
  plan_entry& entry = *entries_.emplace(id, std::make_unique<plan_entry>(*this, id)).first->second;
  entry.first_asked_ = loop_.now();
  ++missing_;
  entry.fetch();
  return &entry;
}

// Broken ones first: a flood of ids that no registry knows must not take the place of good ones.
bool plan_table::forget_one() {
  while (!broken_.empty()) {
    const auto oldest = entries_.find(broken_.front());
    broken_.pop_front();
    oldest->second->listed_ = false;
    if (oldest->second->state_ != plan_entry::phase::broken) continue;  // requested again
    entries_.erase(oldest);
    return true;
  }
  const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
    return a.second->eviction_rank() < b.second->eviction_rank();
  });
  if (oldest == entries_.end() || oldest->second->eviction_rank() == UINT64_MAX) return false;
  if (last_ == oldest->second.get()) last_ = nullptr;
  entries_.erase(oldest);
  return true;
}

void plan_table::stop() noexcept {
  stopped_ = true;
  for (const auto& [id, entry] : entries_) entry->cancel();
}

void plan_entry::stop_using() {
  if (--users_ == 0 && std::exchange(owner_.full_, false)) owner_.watcher_.on_plan_settled();
}

void plan_entry::fetch() {
  if (owner_.stopped_) return;
  state_ = phase::fetching;
  outstanding_ = true;
  ++owner_.outstanding_;
  owner_.schemas_.fetch(id_, *this);
}

void plan_entry::on_schema(std::int32_t id, stream::schema_answer text) {
  invariant(outstanding_ && id == id_, "a schema request is answered once");
  outstanding_ = false;
  --owner_.outstanding_;
  if (!text) return failed(std::move(text).error());
  result<std::shared_ptr<const value_plan>> compiled = compiled_by(owner_.format_, **text);
  if (!compiled) return failed(std::move(compiled).error());
  plan_ = std::move(*compiled);
  state_ = phase::ready;
  --owner_.missing_;
  owner_.watcher_.on_plan_settled();
}

void plan_entry::failed(error cause) {
  ++failures_;
  cause = cause.in("schema " + std::to_string(id_));
  owner_.watcher_.on_schema_failure(cause);
  const instant now = owner_.loop_.time().now();
  const bool not_found = cause.code() == errc::schema_not_found;
  const bool in_grace = now - first_asked_ < owner_.options_.schema_not_found_grace;
  // A registry that refuses an id may allow it later: its records are kept.
  const bool refused = cause.code() == errc::registry_unauthorized;
  const bool retry =
      not_found ? in_grace : refused || stream::disposition_of(cause.code()) == stream::disposition::retry;
  if (retry) {
    state_ = phase::backing_off;
    if (owner_.stopped_) return;
    owner_.loop_.start(*this, backoff_wait(failures_, owner_.options_.schema_backoff_first,
                                           owner_.options_.schema_backoff_max, 0.5, owner_.random_));
    return;
  }
  failure_ = std::move(cause);
  state_ = phase::broken;
  broken_until_ = not_found ? now + owner_.options_.schema_not_found_grace : instant{};
  --owner_.missing_;
  if (!listed_) owner_.broken_.push_back(id_);
  listed_ = true;
  owner_.watcher_.on_plan_settled();
}

}  // namespace millrace::engine
