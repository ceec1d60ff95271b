#include "status_page.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using nlohmann::json;

json accounting_json(const engine::record_accounting& counts) {
  return {{"received", counts.received},       {"done", counts.done},
          {"skipped", counts.skipped},         {"dead_lettered", counts.dead_lettered},
          {"abandoned", counts.abandoned},     {"in_flight", counts.in_flight},
          {"uncommitted", counts.uncommitted}, {"balanced", counts.balanced()}};
}

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json error_json(const std::optional<error>& failure) {
  if (!failure) return nullptr;
  return {{"code", to_string(failure->code())}, {"message", failure->message()}};
}

double in_seconds(nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

json partition_json(const engine::partition_status& p) {
  json out = {{"topic", p.topic},
              {"partition", p.partition},
              {"state", p.state},
              {"paused", p.paused != engine::pause_reason::none},
              {"paused_for", engine::to_string(p.paused)},
              {"in_flight", p.in_flight},
              {"repeated_by_a_crash_max", p.window},
              {"position", or_null(p.position)},
              {"committed", or_null(p.committed)},
              {"lag", or_null(p.lag)},
              {"time_lag_seconds", or_null(p.time_lag_seconds)},
              {"oldest", nullptr}};
  if (p.oldest) {
    out["oldest"] = {{"offset", p.oldest->offset},
                     {"key", p.oldest->key},
                     {"stage", p.oldest->stage},
                     {"processor", p.oldest->processor},
                     {"attempt", p.oldest->attempt},
                     {"last_error", p.oldest->last_error},
                     {"age_seconds", in_seconds(p.oldest->age)}};
  }
  return out;
}

bool turning(const process_view& process, const worker_pulse& pulse) {
  return pulse.since_turn < process.stuck_after;
}

engine::record_accounting total(const process_view& process) {
  engine::record_accounting sum;
  for (const worker_view& w : process.workers) {
    sum.received += w.line.counts.received;
    sum.done += w.line.counts.done;
    sum.skipped += w.line.counts.skipped;
    sum.dead_lettered += w.line.counts.dead_lettered;
    sum.abandoned += w.line.counts.abandoned;
    sum.in_flight += w.line.counts.in_flight;
    sum.uncommitted += w.line.counts.uncommitted;
  }
  return sum;
}

// All workers report the same budget, at different times.
json retry_budget_json(const process_view& process) {
  if (process.workers.empty()) return nullptr;
  std::uint64_t left = process.workers.front().line.retries_left;
  std::size_t waiting = 0;
  for (const worker_view& w : process.workers) {
    left = std::min(left, w.line.retries_left);
    waiting += w.line.over_budget;
  }
  return {{"left", left}, {"retries_waiting", waiting}};
}

json breakers_json(const engine::engine_status& line) {
  json breakers = json::object();
  for (const engine::breaker_status& b : line.breakers)
    breakers[std::string(b.dependency)] = engine::to_string(b.state);
  return breakers;
}

json lookups_json(const process_view& process) {
  json all = json::object();
  for (const auto& [name, seen] : process.lookups) {
    all[name] = {{"hits", seen.hits},
                 {"negative_hits", seen.negative_hits},
                 {"shared", seen.shared},
                 {"misses", seen.misses},
                 {"absent", seen.absent},
                 {"evictions", seen.evictions},
                 {"invalidations", seen.invalidations},
                 {"entries", seen.entries},
                 {"bytes", seen.bytes}};
  }
  return all;
}

}  // namespace

std::string status_json(const process_view& process) {
  json workers = json::array();
  std::int64_t lag = 0;
  for (const worker_view& w : process.workers) {
    json partitions = json::array();
    for (const auto& p : w.line.partitions) {
      lag += p.lag.value_or(0);
      partitions.push_back(partition_json(p));
    }
    workers.push_back({{"state", engine::to_string(w.line.state)},
                       {"joined", w.line.joined},
                       {"turning", turning(process, w.pulse)},
                       {"running", turning(process, w.pulse) ? json(nullptr) : json(w.pulse.running)},
                       {"failure", error_json(w.line.failure)},
                       {"last_error", error_json(w.line.last_error)},
                       {"accounting", accounting_json(w.line.counts)},
                       {"in_flight_bytes", w.line.in_flight_bytes},
                       {"retrying", w.line.retrying},
                       {"schemas_missing", w.line.schemas_missing},
                       {"breakers", breakers_json(w.line)},
                       {"partitions", std::move(partitions)}});
  }
  const std::string not_ready = not_ready_because(process);
  const json all = {{"application", process.application},
                    {"version", process.version},
                    {"uptime_seconds", in_seconds(process.uptime)},
                    {"alive", not_alive_because(process).empty()},
                    {"ready", not_ready.empty()},
                    {"not_ready_because", not_ready.empty() ? json(nullptr) : json(not_ready)},
                    {"lag", lag},
                    {"accounting", accounting_json(total(process))},
                    {"retry_budget", retry_budget_json(process)},
                    {"lookups", lookups_json(process)},
                    {"workers", std::move(workers)}};
  // Keys and messages may hold bytes that are not UTF-8.
  return all.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string not_alive_because(const process_view& process) {
  for (std::size_t i = 0; i < process.workers.size(); ++i) {
    const worker_pulse& pulse = process.workers[i].pulse;
    if (turning(process, pulse)) continue;
    std::string why = "worker " + std::to_string(i) + " has a blocked event loop for " +
                      std::to_string(std::chrono::duration_cast<seconds>(pulse.since_turn).count()) + " s";
    if (!pulse.running.empty()) why += "; last entered: " + pulse.running;
    return why;
  }
  return {};
}

std::string not_ready_because(const process_view& process) {
  if (!process.started) {
    return process.waits_for.empty() ? "starting" : "starting; waiting for: " + process.waits_for;
  }
  for (std::size_t i = 0; i < process.workers.size(); ++i) {
    const auto& line = process.workers[i].line;
    if (line.state != engine::engine_state::running) {
      std::string why = "worker " + std::to_string(i) + " is " + std::string(engine::to_string(line.state));
      if (line.failure) why += ": " + line.failure->to_string();
      return why;
    }
  }
  return not_alive_because(process);
}

}  // namespace millrace::app
