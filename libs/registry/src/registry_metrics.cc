#include "registry_metrics.h"

#include <numeric>
#include <utility>

#include <millrace/registry/client.h>

namespace millrace::registry {
namespace {

template <typename Enum>
std::size_t place(Enum value) {
  return static_cast<std::size_t>(value);
}

}  // namespace

void declare_metrics(metrics::catalogue& into) { const client_metrics declared(into); }

// Every series is shown from the start.
client_metrics::client_metrics(metrics::shard& cells) : table(&cells) {
  for (const std::string_view each : asked_names) static_cast<void>(requests.of(each));
  for (const std::string_view each : looked_up_names) static_cast<void>(lookups.of(each));
  for (const std::string_view each : disk_names) static_cast<void>(disk_failures.of(each));
  for (const std::string_view each : token_names) static_cast<void>(tokens.of(each));
}

meters::meters(metrics::registry* counts) : counts_(counts) {
  if (counts != nullptr) shown_.emplace(counts->add_shard());
}

void meters::count(asked how, nanoseconds took) {
  const std::lock_guard lock(mutex_);
  ++asked_[place(how)];
  if (!shown_) return;
  shown_->requests(how);
  shown_->seconds.observe(took);
}

void meters::count(looked_up where) {
  const std::lock_guard lock(mutex_);
  ++looked_up_[place(where)];
  if (shown_) shown_->lookups(where);
}

void meters::count(disk_problem what) {
  const std::lock_guard lock(mutex_);
  ++disk_;
  if (shown_) shown_->disk_failures(what);
}

void meters::count_token(bool good) {
  const std::lock_guard lock(mutex_);
  ++tokens_;
  if (shown_) shown_->tokens(token_names[good ? 1 : 0]);
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
  if (!shown_) return;
  hook_ = counts_->at_scrape([this, read = std::move(read)](metrics::samples& out) {
    const gauges now = read();
    out.set(shown_->entries, {}, now.entries);
    out.set(shown_->bytes, {}, now.bytes);
    out.set(shown_->disk_entries, {}, now.disk_entries);
    out.set(shown_->resting, {}, now.resting);
    out.set(shown_->waiting, {}, now.waiting);
  });
}

}  // namespace millrace::registry
