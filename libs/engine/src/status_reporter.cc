#include "status_reporter.h"

#include <algorithm>
#include <array>
#include <utility>

#include <millrace/base/text.h>
#include <millrace/runtime/frame_pool.h>

#include "attempt.h"

namespace millrace::engine {
namespace {

constexpr std::size_t key_shown_bytes_max = 64;

std::string printable(bytes_view key) {
  std::string text;
  for (const char c : as_text(key.first(std::min(key.size(), key_shown_bytes_max)))) {
    if (c >= ' ' && c <= '~') {
      text.push_back(c);
      continue;
    }
    text += "\\x";
    append_hex(text, static_cast<std::uint8_t>(c));
  }
  return text;
}

std::string_view to_string(assignment::phase p) noexcept {
  switch (p) {
    case assignment::phase::open:
      return "open";
    case assignment::phase::revoking:
      return "revoking";
    case assignment::phase::sealed:
      return "sealed";
    case assignment::phase::closed:
      return "closed";
  }
  return "closed";
}

std::string_view to_string(processor_run::stage s) noexcept {
  switch (s) {
    case processor_run::stage::idle:
      return "queued";
    case processor_run::stage::limited:
      return "limit";
    case processor_run::stage::running:
      return "process";
    case processor_run::stage::backing_off:
      return "retry";
    case processor_run::stage::emitting:
      return "emit";
    case processor_run::stage::dead_lettering:
      return "dead_letter";
    case processor_run::stage::stuck:
      return "stuck";
    case processor_run::stage::ended:
      return "ended";
  }
  return "ended";
}

}  // namespace

std::string_view to_string(pause_reason r) noexcept {
  switch (r) {
    case pause_reason::none:
      return "";
    case pause_reason::schema:
      return "schema";
    case pause_reason::window:
      return "window";
    case pause_reason::share:
      return "share";
    case pause_reason::stall:
      return "stall";
  }
  return "";
}

std::string_view to_string(engine_state s) noexcept {
  switch (s) {
    case engine_state::idle:
      return "idle";
    case engine_state::running:
      return "running";
    case engine_state::draining:
      return "draining";
    case engine_state::leaving:
      return "leaving";
    case engine_state::stopped:
      return "stopped";
    case engine_state::failed:
      return "failed";
  }
  return "failed";
}

void status_reporter::publish() {
  update_gauges();
  engine_status fresh = now();
  const std::lock_guard lock(mutex_);
  std::swap(published_, fresh);
}

engine_status status_reporter::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

engine_status status_reporter::now() const {
  engine_status now;
  now.state = state_.now();
  now.joined = assigned_.joined();
  now.failure = state_.failure();
  now.last_error = accounts_.last_error();
  now.counts = accounts_.counts();
  now.in_flight_bytes = flow_.bytes_used();
  now.retrying = needs_.retrying();
  now.over_budget = needs_.over_budget();
  now.retries_left = env_.ports.retries.left(env_.now());
  now.schemas_missing = taking_.schemas_missing();
  for (const dependency d : needs_.all())
    now.breakers.push_back({std::string(needs_.name_of(d)), needs_.state(d)});
  now.partitions.reserve(partitions_.size());
  for (const auto& [id, a] : partitions_) now.partitions.push_back(describe(id, *a));
  return now;
}

partition_status status_reporter::describe(stream::partition_id id, const assignment& a) const {
  partition_status p;
  p.topic = a.topic;
  p.partition = id.partition;
  p.epoch = a.epoch;
  p.state = to_string(a.state);
  p.paused = a.paused_for;
  p.in_flight = a.in_flight;
  p.window = a.window();
  p.position = a.position();
  if (a.broker_has_commit) p.committed = a.committed;
  p.lag = lag_of(id, a);
  if (p.lag) p.time_lag_seconds = time_lag_seconds(a, *p.lag);
  p.oldest = describe_oldest(a, env_.turn());
  return p;
}

std::optional<oldest_record> status_reporter::describe_oldest(const assignment& a, instant now) {
  auto* hook = const_cast<assignment&>(a).unsettled.front();
  if (hook == nullptr) return std::nullopt;
  const auto& e = static_cast<const envelope&>(*hook);
  oldest_record o;
  o.offset = e.block().offset();
  if (const std::optional<bytes_view> key = e.block().key()) o.key = printable(*key);
  o.age = now - e.taken_at;
  if (static_cast<const waiting_hook&>(e).linked()) {
    o.stage = "schema";
    return o;
  }
  for (const processor_run& run : e.runs) {
    if (run.state() == processor_run::stage::ended) continue;
    o.stage = to_string(run.state());
    if (!e.condemned) o.processor = run.name();
    o.attempt = run.attempts();
    if (run.cause()) o.last_error = run.cause()->to_string();
    break;
  }
  return o;
}

// Markers count as read before they are committed: a commit that is not answered delays the next one.
std::optional<std::int64_t> status_reporter::lag_of(stream::partition_id id, const assignment& a) const {
  const std::optional<std::int64_t> high = env_.ports.source.high_watermark(id);
  const std::optional<std::int64_t> position =
      a.position_with(a.counts() ? env_.ports.source.read_position(id) : a.read_to);
  if (!high || !position) return std::nullopt;
  return std::max<std::int64_t>(*high - *position, 0);
}

// The records behind those in flight are younger than the last that was delivered.
double status_reporter::time_lag_seconds(const assignment& a, std::int64_t lag) const {
  const unsettled_hook* oldest = const_cast<assignment&>(a).unsettled.front();
  const std::optional<std::int64_t> created =
      oldest == nullptr ? a.last_created_us : static_cast<const envelope&>(*oldest).created_us;
  if ((oldest == nullptr && lag == 0) || !created) return 0;
  const std::int64_t now_us = env_.wall().time_since_epoch().count();
  return std::max(0.0, (static_cast<double>(now_us) - static_cast<double>(*created)) * 1e-6);
}

void status_reporter::update_gauges() {
  engine_metrics& metrics = env_.metrics;
  metrics.in_flight_bytes.set(static_cast<double>(flow_.bytes_used()));
  metrics.retrying.set(static_cast<double>(needs_.retrying()));
  metrics.retry_budget_left.set(static_cast<double>(env_.ports.retries.left(env_.now())));
  metrics.assigned.set(static_cast<double>(partitions_.size()));
  metrics.state.set(static_cast<double>(state_.now()));
  for (const dependency d : needs_.all()) {
    metrics.breaker(needs_.name_of(d)).set(static_cast<double>(needs_.state(d)));
  }
  std::array<std::size_t, pause_reason_count> paused{};
  for (const auto& [id, a] : partitions_) {
    ++paused[static_cast<std::size_t>(a->paused_for)];
    update_gauges_of(id, *a);
  }
  for (std::size_t reason = 1; reason < pause_reason_count; ++reason)
    metrics.paused(to_string(static_cast<pause_reason>(reason))).set(static_cast<double>(paused[reason]));
  update_coroutine_gauges();
}

void status_reporter::update_gauges_of(stream::partition_id id, const assignment& a) {
  engine_metrics& metrics = env_.metrics;
  const std::array<std::string_view, 2> values{a.topic, a.number};
  const metrics::label_values labels{std::span<const std::string_view>(values)};
  const auto set = [&](metrics::gauge_family family, double value) {
    metrics.cells().gauge(family, labels).set(value);
  };
  auto* oldest = const_cast<assignment&>(a).unsettled.front();
  const nanoseconds age =
      oldest == nullptr ? nanoseconds(0) : env_.turn() - static_cast<envelope&>(*oldest).taken_at;
  set(metrics.oldest_age, static_cast<double>(age.count()) * 1e-9);
  set(metrics.window, static_cast<double>(a.window()));
  const std::optional<std::int64_t> high = env_.ports.source.high_watermark(id);
  if (!high) return;
  set(metrics.high_watermark, static_cast<double>(*high));
  if (const std::optional<std::int64_t> lag = lag_of(id, a)) {
    set(metrics.lag, static_cast<double>(*lag));
    set(metrics.time_lag, time_lag_seconds(a, *lag));
  }
}

void status_reporter::update_coroutine_gauges() {
  const runtime::frame_pool_stats frames = runtime::frame_stats();
  env_.metrics.coroutine_frames.set(static_cast<double>(frames.frames_live));
  env_.metrics.coroutine_allocations.add(frames.heap_allocations - frame_allocations_);
  frame_allocations_ = frames.heap_allocations;
}

}  // namespace millrace::engine
