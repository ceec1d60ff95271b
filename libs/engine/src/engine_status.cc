// The status of an engine, for other threads.
#include <algorithm>
#include <array>

#include <millrace/base/text.h>
#include <millrace/runtime/frame_pool.h>

#include "engine_core.h"

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

void engine_core::tick() {
  const nanoseconds every = std::min(options_.status_interval, options_.commit_interval);
  ports_.loop.start(tick_, every);
  pauses_outdated_ = true;  // a partition may have stalled meanwhile
  forgive_the_unasked();
  report_first_tries();
  update_gauges();
  publish();
}

void engine_core::publish() {
  engine_status fresh = status_now();
  const std::lock_guard lock(status_mutex_);
  std::swap(published_, fresh);
}

engine_status engine_core::status() const {
  const std::lock_guard lock(status_mutex_);
  return published_;
}

std::optional<entered_processor> engine_core::entered() const noexcept {
  const processor_base* processor = entered_.load(std::memory_order_relaxed);
  if (processor == nullptr) return std::nullopt;
  return entered_processor{processor->name(), entered_partition_.load(std::memory_order_relaxed),
                           entered_offset_.load(std::memory_order_relaxed)};
}

engine_status engine_core::status_now() const {
  engine_status now;
  now.state = state_;
  now.joined = joined_;
  now.failure = failure_;
  now.last_error = last_error_;
  now.counts = accounting_;
  now.in_flight_bytes = lease_.used();
  now.retrying = retrying_;
  now.over_budget = over_budget_;
  now.retries_left = ports_.retries.left(ports_.loop.time().now());
  now.schemas_missing = plans_.missing();
  for (const dependency d : {dependency::database, dependency::broker}) {
    now.breakers.push_back({to_string(d), breaker(d).state()});
  }
  now.partitions.reserve(assignments_.size());
  for (const auto& [id, a] : assignments_) {
    partition_status p;
    p.topic = a->topic;
    p.partition = id.partition;
    p.epoch = a->epoch;
    p.state = to_string(a->state);
    p.paused = a->paused_for;
    p.in_flight = a->in_flight;
    p.window = a->window();
    p.position = a->tracker.position();
    if (a->broker_has_commit) p.committed = a->committed;
    const std::optional<std::int64_t> high = ports_.source.high_watermark(id);
    if (high && p.position) {
      p.lag = std::max<std::int64_t>(*high - *p.position, 0);
      p.time_lag_seconds = time_lag_seconds(*a, *p.lag);
    }
    p.oldest = describe_oldest(*a);
    now.partitions.push_back(std::move(p));
  }
  return now;
}

std::optional<oldest_record> engine_core::describe_oldest(const assignment& a) const {
  auto* hook = const_cast<assignment&>(a).unsettled.front();
  if (hook == nullptr) return std::nullopt;
  const auto& e = static_cast<const envelope&>(*hook);
  oldest_record o;
  o.offset = e.block().offset();
  if (const std::optional<bytes_view> key = e.block().key()) o.key = printable(*key);
  o.age = ports_.loop.now() - e.taken_at;
  if (static_cast<const waiting_hook&>(e).linked()) {
    o.stage = "schema";
    return o;
  }
  for (const processor_run& run : e.runs) {
    if (run.state() == processor_run::stage::ended) continue;
    o.stage = to_string(run.state());
    if (!e.condemned) o.processor = run.name();
    o.attempt = run.attempt();
    if (run.cause()) o.last_error = run.cause()->to_string();
    break;
  }
  return o;
}

// The records behind those in flight are younger than the last that was delivered.
double engine_core::time_lag_seconds(const assignment& a, std::int64_t lag) const {
  const unsettled_hook* oldest = const_cast<assignment&>(a).unsettled.front();
  const std::optional<std::int64_t> created =
      oldest == nullptr ? a.last_created_us : static_cast<const envelope&>(*oldest).created_us;
  if ((oldest == nullptr && lag == 0) || !created) return 0;
  const std::int64_t now_us = wall().time_since_epoch().count();
  return std::max(0.0, (static_cast<double>(now_us) - static_cast<double>(*created)) * 1e-6);
}

void engine_core::update_gauges() {
  metrics_.in_flight_bytes.set(static_cast<double>(lease_.used()));
  metrics_.retrying.set(static_cast<double>(retrying_));
  metrics_.retry_budget_left.set(static_cast<double>(ports_.retries.left(ports_.loop.time().now())));
  metrics_.assigned.set(static_cast<double>(assignments_.size()));
  metrics_.state.set(static_cast<double>(state_));
  for (const dependency d : {dependency::database, dependency::broker}) {
    metrics_.breaker(to_string(d)).set(static_cast<double>(breaker(d).state()));
  }
  std::array<std::size_t, pause_reason_count> paused{};
  for (const auto& [id, a] : assignments_) {
    ++paused[static_cast<std::size_t>(a->paused_for)];
    const std::array<std::string_view, 2> values{a->topic, a->number};
    const metrics::label_values labels{std::span<const std::string_view>(values)};
    auto* oldest = a->unsettled.front();
    const nanoseconds age =
        oldest == nullptr ? nanoseconds(0) : ports_.loop.now() - static_cast<envelope&>(*oldest).taken_at;
    metrics_.cells().gauge(metrics_.oldest_age, labels).set(static_cast<double>(age.count()) * 1e-9);
    metrics_.cells().gauge(metrics_.window, labels).set(static_cast<double>(a->window()));
    const std::optional<std::int64_t> high = ports_.source.high_watermark(id);
    if (!high) continue;
    metrics_.cells().gauge(metrics_.high_watermark, labels).set(static_cast<double>(*high));
    if (const std::optional<std::int64_t> position = a->tracker.position()) {
      const auto lag = std::max<std::int64_t>(*high - *position, 0);
      metrics_.cells().gauge(metrics_.lag, labels).set(static_cast<double>(lag));
      metrics_.cells().gauge(metrics_.time_lag, labels).set(time_lag_seconds(*a, lag));
    }
  }
  for (std::size_t reason = 1; reason < pause_reason_count; ++reason)
    metrics_.paused(static_cast<pause_reason>(reason)).set(static_cast<double>(paused[reason]));
  const runtime::frame_pool_stats frames = runtime::frame_stats();
  metrics_.coroutine_frames.set(static_cast<double>(frames.frames_live));
  metrics_.coroutine_allocations.add(frames.heap_allocations - frame_allocations_);
  frame_allocations_ = frames.heap_allocations;
}

}  // namespace millrace::engine
