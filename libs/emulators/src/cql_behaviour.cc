#include "cql_behaviour.h"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "cql_wire.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::uint16_t local_one = 0x000A;

bool data(operation kind) {
  return kind == operation::select || kind == operation::insert || kind == operation::update ||
         kind == operation::remove || kind == operation::batch;
}

// Errors that came after the protocol's fourth version, or are ScyllaDB's.
failure newer_failure(fault_kind kind, const std::string& table) {
  if (kind == fault_kind::cdc_write_failure)
    return {code::cdc_write_failure, "CDC write failure: injected", {}};
  if (kind == fault_kind::rate_limit)
    return {code::config, "Per-partition rate limit reached for " + table + ", rejected by coordinator", {}};
  return {};
}

}  // namespace

double script_random::normal() noexcept {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

nanoseconds script::sample(operation kind, const std::string& table, unsigned node,
                           script_random& random) const {
  const auto at = static_cast<std::size_t>(kind);
  latency chosen = everywhere[at];
  if (!by_table.empty()) {
    const auto found = by_table.find(table);
    if (found != by_table.end() && found->second[at]) chosen = *found->second[at];
  }
  if (chosen.p50.count() <= 0) return nanoseconds(0);
  double ns = static_cast<double>(chosen.p50.count()) * 1000 * factor * node_factors[node];
  if (chosen.sigma > 0) ns *= std::exp(chosen.sigma * random.normal());
  constexpr double longest = 3600e9;
  return nanoseconds(static_cast<std::int64_t>(std::min(ns, longest)));
}

const fault* script::strike(operation kind, const std::string& table, unsigned node,
                            script_random& random) const {
  for (const std::shared_ptr<armed_fault>& each : faults) {
    const fault& what = each->what;
    if (what.on ? *what.on != kind : !data(kind)) continue;
    if (!what.table.empty() && what.table != table) continue;
    if (what.node && *what.node != node) continue;
    if (what.probability < 1 && random.uniform() >= what.probability) continue;
    std::uint64_t left = each->left.load(std::memory_order_relaxed);
    while (left != 0 && !each->left.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
    }
    if (left == 0) continue;
    each->hits.fetch_add(1, std::memory_order_relaxed);
    return &what;
  }
  return nullptr;
}

std::shared_ptr<const script> behaviour::current() const {
  const std::lock_guard guard(mutex_);
  return current_;
}

std::uint64_t behaviour::inject(fault what) {
  auto armed = std::make_shared<armed_fault>();
  armed->left = what.times;
  armed->what = std::move(what);
  change([&](script& next) {
    armed->id = ++last_id_;
    next.faults.push_back(armed);
  });
  return armed->id;
}

failure failure_of(const fault& what, const std::string& table) {
  failure out = newer_failure(what.kind, table);
  const auto extra = [&out](std::initializer_list<std::int32_t> numbers) {
    put_u16(out.extra, local_one);
    for (const std::int32_t each : numbers) put_i32(out.extra, each);
  };
  switch (what.kind) {
    case fault_kind::overloaded:
      out = {code::overloaded, "Request is overloaded: too many in-flight requests", {}};
      break;
    case fault_kind::unavailable:
      out = {code::unavailable, "Cannot achieve consistency level LOCAL_ONE", {}};
      extra({1, 0});
      break;
    case fault_kind::write_timeout:
      out = {code::write_timeout, "Operation timed out - received only 0 responses.", {}};
      extra({0, 1});
      put_string(out.extra, "SIMPLE");
      break;
    case fault_kind::read_timeout:
      out = {code::read_timeout, "Operation timed out - received only 0 responses.", {}};
      extra({0, 1});
      put_u8(out.extra, 0);
      break;
    case fault_kind::write_failure:
      out = {code::write_failure, "Operation failed - received 0 responses and 1 failures", {}};
      extra({0, 1, 1});
      put_string(out.extra, "SIMPLE");
      break;
    case fault_kind::read_failure:
      out = {code::read_failure, "Operation failed - received 0 responses and 1 failures", {}};
      extra({0, 1, 1});
      put_u8(out.extra, 0);
      break;
    case fault_kind::server_error:
      out = {code::server_error, "java.lang.RuntimeException: injected", {}};
      break;
    case fault_kind::bootstrapping:
      out = {code::bootstrapping, "Cannot read from a bootstrapping node", {}};
      break;
    case fault_kind::truncate_error:
      out = {code::truncate, "Error during truncate: injected", {}};
      break;
    case fault_kind::invalid:
      out = {code::invalid, "Injected invalid request", {}};
      break;
    case fault_kind::unauthorized:
      out = {code::unauthorized,
             fmt::format("User has no MODIFY permission on <table {}> or any of its parents", table),
             {}};
      break;
    case fault_kind::custom:
      out = {what.code, "Injected error", {}};
      break;
    case fault_kind::unprepared:
    case fault_kind::drop_connection:
    case fault_kind::no_reply:
    case fault_kind::garbage:
    case fault_kind::oversized:
    case fault_kind::empty_page:
    case fault_kind::unending_frame:
    case fault_kind::cdc_write_failure:
    case fault_kind::rate_limit:
      break;
  }
  if (!what.message.empty()) out.message = what.message;
  return out;
}

}  // namespace millrace::emulators::cql
