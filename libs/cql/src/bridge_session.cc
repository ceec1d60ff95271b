#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <millrace/base/text.h>
#include <millrace/cql/session.h>

#include "bridge.h"
#include "prepared.h"
#include "store.h"

namespace millrace::cql {
namespace {

constexpr std::size_t channel_in_flight_max = 65'536;  // bridge.h
constexpr milliseconds keepalive_min{1'000};           // TCP counts seconds

std::uint32_t to_milliseconds(milliseconds value) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value.count(), 1, INT32_MAX));
}

class bridge_session final : public session {
 public:
  bridge_session(session_handle handle, const session_options& options,
                 channel_store::session_settings settings)
      : handle_(std::move(handle)),
        prepared_(handle_.get(), options.prepared_max),
        settings_(std::move(settings)) {}

  result<void> execute(const std::string& cql) override {
    auto failed = sized<millrace_cql_error>();
    // Schema changes wait for the nodes to agree, so the default of the bridge fits better than a request's.
    if (millrace_cql_execute(handle_.get(), cql.c_str(), 0, &failed) != MILLRACE_CQL_OK) {
      return to_error(failed);
    }
    return {};
  }

  result<std::unique_ptr<stream::store>> attach(runtime::loop& worker, store_options options,
                                                metrics::shard* counts) override {
    options.in_flight_max = std::clamp<std::size_t>(options.in_flight_max, 1, channel_in_flight_max);
    millrace_cql_channel* channel = nullptr;
    auto failed = sized<millrace_cql_error>();
    if (millrace_cql_channel_open(handle_.get(), static_cast<std::uint32_t>(options.in_flight_max), &channel,
                                  &failed) != MILLRACE_CQL_OK) {
      return to_error(failed);
    }
    auto direct = std::make_shared<direct_counters>();
    {
      const std::lock_guard lock(mutex_);
      direct_.push_back(direct);
    }
    return channel_store::open(worker, channel_handle(channel), std::move(options), prepared_, settings_,
                               std::move(direct), counts);
  }

  statistics stats() const override {
    auto counters = sized<millrace_cql_counters>();
    millrace_cql_session_counters(handle_.get(), &counters);
    statistics all{.requests = counters.requests,
                   .client_timeouts = counters.client_timeouts,
                   .wakes = counters.wakes,
                   .panics = counters.panics,
                   .in_flight = counters.in_flight,
                   .prepared = prepared_.size(),
                   .refused = counters.refused,
                   .shrunk = counters.shrunk,
                   .waiting = counters.waiting,
                   .limit_min = counters.limit_min,
                   .speculative = counters.speculative,
                   .nodes = counters.nodes,
                   .nodes_connected = counters.nodes_connected};
    const std::lock_guard lock(mutex_);
    for (const auto& each : direct_) add(*each, all);
    return all;
  }

 private:
  static void add(const direct_counters& from, statistics& to) {
    const auto now = [](const std::atomic<std::uint64_t>& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    to.direct_requests += now(from.requests);
    to.direct_connections += now(from.connections);
    to.requests += now(from.requests);
    to.client_timeouts += now(from.client_timeouts);
    to.in_flight += now(from.in_flight);
    to.refused += now(from.refused);
    to.shrunk += now(from.shrunk);
    to.waiting += now(from.waiting);
    to.limit_min = std::min(to.limit_min, now(from.limit_min));
  }

  session_handle handle_;
  prepared_cache prepared_;
  channel_store::session_settings settings_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const direct_counters>> direct_;  // of all stores that there were
};

// What the workers' own connections need to know.
result<std::shared_ptr<const direct_options>> direct_options_of(const session_options& options) {
  auto made = std::make_shared<direct_options>();
  if (options.tls) {
    auto tls = tls_settings::load(options);
    if (!tls) return tls.error();
    made->as.tls = std::move(*tls);
  }
  made->as.user = options.user;
  made->as.password = std::string(options.password.reveal());
  made->as.startup = {{"DRIVER_NAME", "millrace"}, {"APPLICATION_NAME", options.application_name}};
  if (!options.application_version.empty()) {
    made->as.startup.emplace_back("APPLICATION_VERSION", options.application_version);
  }
  made->datacenter = options.datacenter;
  made->rack = options.rack;
  made->keepalive = std::max<milliseconds>(options.keepalive, keepalive_min);
  return std::shared_ptr<const direct_options>(std::move(made));
}

}  // namespace

result<std::unique_ptr<session>> session::open(const session_options& options) {
  invariant(millrace_cql_abi_version() == MILLRACE_CQL_ABI_VERSION,
            "the bridge is the version of its header");
  const auto consistency = consistency_number(options.consistency);
  if (!consistency) {
    return error(errc::config_invalid, "consistency '" + options.consistency +
                                           "' is unknown; expected one of " + consistency_names());
  }
  const std::string contact_points = joined(options.contact_points, ",");
  std::string password(options.password.reveal());  // with a closing zero
  auto config = sized<millrace_cql_config>();
  config.consistency = *consistency;
  config.contact_points = contact_points.c_str();
  config.local_datacenter = options.datacenter.c_str();
  config.local_rack = options.rack.c_str();
  config.keyspace = options.keyspace.c_str();
  config.user = options.user.c_str();
  config.password = password.c_str();
  config.tls_ca_file = options.ca_file.c_str();
  config.tls_certificate_file = options.certificate_file.c_str();
  config.tls_key_file = options.key_file.c_str();
  config.application_name = options.application_name.c_str();
  config.application_version = options.application_version.c_str();
  config.tls = options.tls ? 1 : 0;
  config.datacenter_failover = options.datacenter_failover ? 1 : 0;
  config.connect_timeout_ms = to_milliseconds(options.connect_timeout);
  config.io_threads = options.io_threads;
  config.keepalive_ms = to_milliseconds(std::max<milliseconds>(options.keepalive, keepalive_min));
  config.speculative_after_ms =
      options.speculative_after.count() <= 0 ? 0 : to_milliseconds(options.speculative_after);
  config.speculative_max = options.speculative_max;
  millrace_cql_session* opened = nullptr;
  auto failed = sized<millrace_cql_error>();
  const auto status = millrace_cql_session_open(&config, &opened, &failed);
  wipe(password);
  if (status != MILLRACE_CQL_OK) return to_error(failed);
  session_handle handle(opened);
  channel_store::session_settings settings{.request_timeout = options.request_timeout,
                                           .consistency = *consistency,
                                           .speculative = options.speculative_after.count() > 0};
  if (options.plane == data_plane::direct) {
    auto direct = direct_options_of(options);
    if (!direct) return direct.error();
    settings.direct = std::move(*direct);
  }
  return std::unique_ptr<session>(
      std::make_unique<bridge_session>(std::move(handle), options, std::move(settings)));
}

}  // namespace millrace::cql
