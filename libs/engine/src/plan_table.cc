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

[[nodiscard]] result<writer_match> matched_by(const value_format& format,
                                              const stream::schema_document& writer) {
  try {
    return format.match(writer);
  } catch (...) {
    return error_of(errc::internal, describe(std::current_exception())).in("matching threw");
  }
}

}  // namespace

plan_table::plan_table(runtime::loop& loop, stream::schemas& schemas, const route_part& part,
                       const engine_options& options, plan_watcher& watcher)
    : loop_(loop),
      schemas_(schemas),
      part_(part),
      options_(options),
      watcher_(watcher),
      random_(options.seed ^ 0x5C4E3A5ULL) {}

plan_table::~plan_table() {
  invariant(outstanding_ == 0, "every schema request is answered before its engine ends");
}

plan_entry* plan_table::find_slow(const stream::schema_tag& tag) {
  const auto found = entries_.find(tag);
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
  plan_entry& entry = *entries_.emplace(tag, std::make_unique<plan_entry>(*this, tag)).first->second;
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

result<plan_table::choice> plan_table::choose(const stream::schema_document& writer) const {
  if (!part_.by_name) return choice{&part_.types.front(), {}};
  choice made;
  for (const route_type& each : part_.types) {
    result<writer_match> match = matched_by(*each.format, writer);
    if (!match) return match.error();
    made.record_name = std::move(match->record_name);
    if (!match->accepted) continue;
    made.type = &each;
    break;
  }
  return made;
}

std::string plan_table::type_names() const {
  std::string all;
  for (const route_type& each : part_.types)
    all += (all.empty() ? "" : ", ") + std::string(each.format->record_name());
  return all;
}

void plan_table::stop() noexcept {
  stopped_ = true;
  for (const auto& [tag, entry] : entries_) entry->cancel();
}

void plan_entry::stop_using() {
  if (--users_ == 0 && std::exchange(owner_.full_, false)) owner_.watcher_.on_plan_settled();
}

void plan_entry::fetch() {
  if (owner_.stopped_) return;
  if (tag_.what == stream::schema_tag::kind::none) {
    static const stream::schema_document none_needed{};
    const auto& fixed = owner_.part_.format.schema;
    return compile(fixed ? *fixed : none_needed);
  }
  state_ = phase::fetching;
  outstanding_ = true;
  ++owner_.outstanding_;
  if (tag_.what == stream::schema_tag::kind::id) return owner_.schemas_.fetch(tag_.id(), *this);
  owner_.schemas_.fetch_tagged(tag_, *this);
}

void plan_entry::on_schema(std::int32_t id, stream::schema_answer text) {
  invariant(outstanding_ && id == tag_.id(), "a schema request is answered once");
  outstanding_ = false;
  --owner_.outstanding_;
  if (!text) return failed(std::move(text).error());
  compile(**text);
}

void plan_entry::compile(const stream::schema_document& writer) {
  result<plan_table::choice> chosen = owner_.choose(writer);
  if (!chosen) return failed(std::move(chosen).error());
  type_ = chosen->type;
  if (type_ == nullptr) {
    failure_ = error(errc::schema_incompatible,
                     "schema " + to_string(tag_) + " is of the record '" + chosen->record_name +
                         "', which no processor of its topic reads; they read " + owner_.type_names());
    return settled(phase::unmatched);
  }
  result<std::shared_ptr<const value_plan>> compiled = compiled_by(*type_->format, writer);
  if (!compiled) return failed(std::move(compiled).error());
  plan_ = std::move(*compiled);
  settled(phase::ready);
}

void plan_entry::settled(phase how) {
  state_ = how;
  --owner_.missing_;
  owner_.watcher_.on_plan_settled();
}

void plan_entry::failed(error cause) {
  ++failures_;
  cause = cause.in("schema " + to_string(tag_));
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
  broken_until_ = not_found ? now + owner_.options_.schema_not_found_grace : instant{};
  if (!listed_) owner_.broken_.push_back(tag_);
  listed_ = true;
  settled(phase::broken);
}

}  // namespace millrace::engine
