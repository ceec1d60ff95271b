#include "registry_metrics.h"

#include <numeric>
#include <string>
#include <vector>

#include <millrace/registry/client.h>

namespace millrace::registry {
namespace {

using metrics::label;

const std::vector<std::string> asked_names{"answered",     "not_found", "refused",
                                           "unauthorized", "limited",   "server_error",
                                           "unusable",     "no_answer", "tls_refused"};
const std::vector<std::string> looked_up_names{"memory", "remembered_missing", "shared",
                                               "disk",   "registry",           "failed"};
const std::vector<std::string> disk_names{"read", "corrupt", "write"};

template <std::size_t Count>
void resolve(metrics::shard& shard, metrics::counter_family what, const std::vector<std::string>& names,
             std::array<metrics::counter*, Count>& into) {
  for (std::size_t i = 0; i < Count; ++i) into[i] = &shard.counter(what, {names[i]});
}

template <typename Enum>
std::size_t place(Enum value) {
  return static_cast<std::size_t>(value);
}

struct metric_families {
  explicit metric_families(metrics::catalogue& in)
      : requests(in.counter({.name = "millrace_schema_registry_requests_total",
                             .help = "Requests to the schema registry, by what came of them.",
                             .labels = {label::closed("outcome", asked_names)}})),
        lookups(
            in.counter({.name = "millrace_schema_lookups_total",
                        .help = "Schemas asked for by workers, by where they were found: memory, a lookup "
                                "under way, disk, the registry, or nowhere.",
                        .labels = {label::closed("found", looked_up_names)}})),
        disk_failures(
            in.counter({.name = "millrace_schema_disk_cache_failures_total",
                        .help = "Files of the schema cache that could not be read, were corrupt, or "
                                "could not be written.",
                        .labels = {label::closed("operation", disk_names)}})),
        tokens(in.counter({.name = "millrace_schema_registry_tokens_total",
                           .help = "Requests to the OAuth token endpoint.",
                           .labels = {label::closed("outcome", {"failed", "answered"})}})),
        seconds(
            in.histogram({.name = "millrace_schema_registry_request_seconds",
                          .help = "Duration of one request to the registry, connecting included, whatever "
                                  "came of it.",
                          .buckets = in.bounds(metrics::scale::request)})),
        entries(in.gauge({.name = "millrace_schema_cache_entries",
                          .help = "Schemas in memory.",
                          .merge = metrics::merge::max})),
        bytes(in.gauge({.name = "millrace_schema_cache_bytes",
                        .help = "Size of the schemas in memory.",
                        .unit = metrics::unit::bytes,
                        .merge = metrics::merge::max})),
        on_disk(in.gauge({.name = "millrace_schema_disk_cache_entries",
                          .help = "Schemas and registrations in the cache folder.",
                          .merge = metrics::merge::max})),
        resting(
            in.gauge({.name = "millrace_schema_registry_resting",
                      .help = "Registry URLs that are not asked now because they failed or asked for less.",
                      .merge = metrics::merge::max})),
        waiting(in.gauge({.name = "millrace_schema_lookups_waiting",
                          .help = "Distinct schemas being looked up.",
                          .merge = metrics::merge::max})) {}

  metrics::counter_family requests, lookups, disk_failures, tokens;
  metrics::histogram_family seconds;
  metrics::gauge_family entries, bytes, on_disk, resting, waiting;
};

}  // namespace

void declare_metrics(metrics::catalogue& into) { const metric_families declared(into); }

meters::meters(metrics::registry* counts) : counts_(counts) {
  if (counts == nullptr) return;
  metrics::shard& shard = counts->add_shard();
  const metric_families declared(counts->declared());
  resolve(shard, declared.requests, asked_names, cells_.asked);
  resolve(shard, declared.lookups, looked_up_names, cells_.looked_up);
  resolve(shard, declared.disk_failures, disk_names, cells_.disk);
  cells_.tokens = {&shard.counter(declared.tokens, {"failed"}),
                   &shard.counter(declared.tokens, {"answered"})};
  cells_.seconds = &shard.histogram(declared.seconds);
}

void meters::count(asked how, nanoseconds took) {
  const std::lock_guard lock(mutex_);
  ++asked_[place(how)];
  if (counts_ == nullptr) return;
  cells_.asked[place(how)]->add();
  cells_.seconds->observe(took);
}

void meters::count(looked_up where) {
  const std::lock_guard lock(mutex_);
  ++looked_up_[place(where)];
  if (counts_ != nullptr) cells_.looked_up[place(where)]->add();
}

void meters::count(disk_problem what) {
  const std::lock_guard lock(mutex_);
  ++disk_;
  if (counts_ != nullptr) cells_.disk[place(what)]->add();
}

void meters::count_token(bool good) {
  const std::lock_guard lock(mutex_);
  ++tokens_;
  if (counts_ != nullptr) cells_.tokens[good ? 1 : 0]->add();
}

std::uint64_t meters::total(looked_up where) const {
  const std::lock_guard lock(mutex_);
  return looked_up_[place(where)];
}
std::uint64_t meters::requests() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(asked_.begin(), asked_.end(), std::uint64_t{0});
}
std::uint64_t meters::failures() const {
  const std::lock_guard lock(mutex_);
  return asked_[place(asked::limited)] + asked_[place(asked::server_error)] + asked_[place(asked::unusable)] +
         asked_[place(asked::no_answer)] + asked_[place(asked::tls_refused)];
}
std::uint64_t meters::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}
std::uint64_t meters::disk_problems() const {
  const std::lock_guard lock(mutex_);
  return disk_;
}

void meters::at_scrape(std::function<gauges()> read) {
  if (counts_ == nullptr) return;
  const metric_families of(counts_->declared());
  hook_ = counts_->at_scrape([=, read = std::move(read)](metrics::samples& out) {
    const gauges now = read();
    out.set(of.entries, {}, now.entries);
    out.set(of.bytes, {}, now.bytes);
    out.set(of.on_disk, {}, now.disk_entries);
    out.set(of.resting, {}, now.resting);
    out.set(of.waiting, {}, now.waiting);
  });
}

}  // namespace millrace::registry
