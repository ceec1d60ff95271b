// What all parts of one engine share: ports, options, processors, routes, metrics and the source of random numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <millrace/base/backoff.h>
#include <millrace/engine/record_engine.h>
#include <millrace/runtime/loop.h>

#include "engine_metrics.h"
#include "limited_store.h"
#include "processor_rules.h"
#include "routes.h"

namespace millrace::engine {

struct engine_environment {
  engine_environment(engine_ports from, engine_options with, processors running)
      : ports(from),
        options(std::move(with)),
        work(std::move(running)),
        routes(work, options),
        metrics(ports.metrics),
        random(options.seed),
        limited_database(limited_store::of(options, ports, metrics)) {
    for (const auto& each : work.all) rules.emplace_back(options, *each, ports.loop, metrics);
  }

  [[nodiscard]] processor_base& processor(std::size_t index) const noexcept { return *work.all[index]; }
  // Where the statements of processors go.
  [[nodiscard]] stream::store& database() const noexcept {
    return limited_database ? *limited_database : ports.store;
  }
  // The time as of this turn, and as of this call.
  [[nodiscard]] instant turn() const noexcept { return ports.loop.now(); }
  [[nodiscard]] instant now() const noexcept { return ports.loop.time().now(); }
  [[nodiscard]] timestamp_micros wall() const noexcept { return ports.loop.time().wall(); }
  // The wait before the next try of a record that has failed so often.
  [[nodiscard]] nanoseconds backoff_after(std::uint32_t failures) {
    const retry_policy& policy = options.retry;
    return backoff_wait(failures, policy.backoff_first, policy.backoff_max, policy.jitter, random);
  }
  void report_problem(std::string_view event, const error& failure) const {
    if (options.on_problem) options.on_problem(event, failure);
  }

  engine_ports ports;
  engine_options options;
  processors work;
  const route_table routes;
  engine_metrics metrics;
  random_source random;
  std::unique_ptr<limited_store> limited_database;  // none: no limit
  std::vector<processor_rules> rules;               // in the order of `work`
};

}  // namespace millrace::engine
