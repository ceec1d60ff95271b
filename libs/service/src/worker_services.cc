#include <utility>

#include <millrace/base/assert.h>
#include <millrace/service/blocking.h>
#include <millrace/service/http_client.h>
#include <millrace/service/worker_services.h>

namespace millrace::service {

struct process_services::server {
  http_service options;
  std::shared_ptr<http::identity> as;
};

struct process_services::threads {
  explicit threads(blocking_service with) : options(std::move(with)), pool(options.threads) {}

  blocking_service options;
  blocking_threads pool;
};

// One service in one worker. The port is destroyed before the channel, to which its calls belong.
struct worker_services::way {
  way(runtime::loop& l, const std::string& name, const channel_options& limits, metrics::shard* counts)
      : through(l, name, limits, counts) {}

  channel through;
  std::unique_ptr<http::transport> server;
  std::unique_ptr<blocking_port> threads;
};

process_services::process_services(std::vector<http_service> http, std::vector<blocking_service> blocking) {
  for (http_service& each : http) {
    auto made = std::make_unique<server>();
    made->as = std::make_shared<http::identity>(std::move(each.headers));
    made->options = std::move(each);
    servers_[made->options.name] = std::move(made);
  }
  for (blocking_service& each : blocking) blocking_[each.name] = std::move(each);
}
process_services::~process_services() = default;

bool process_services::has_http(std::string_view name) const { return servers_.find(name) != servers_.end(); }

bool process_services::renew(std::string_view name, http::identity::headers headers) {
  const auto found = servers_.find(name);
  return found != servers_.end() && found->second->as->use(std::move(headers));
}

process_services::threads& process_services::threads_of(const std::string& name) {
  std::unique_ptr<threads>& known = threads_[name];
  if (known) return *known;
  const auto configured = blocking_.find(name);
  blocking_service options;
  options.name = name;
  if (configured != blocking_.end()) options = configured->second;
  options.limits.concurrency_max = options.threads;
  known = std::make_unique<threads>(std::move(options));
  return *known;
}

bool process_services::end_within(nanoseconds time, std::string& running) {
  for (const auto& [name, each] : threads_) {
    if (each->pool.end_within(time)) continue;
    running = name;
    return false;
  }
  return true;
}

worker_services::worker_services(process_services& shared, runtime::loop& l, metrics::shard* counts,
                                 std::size_t workers)
    : shared_(shared), loop_(l), counts_(counts), workers_(static_cast<double>(workers)) {}
worker_services::~worker_services() = default;

worker_services::way& worker_services::way_to(const std::string& name, statements::service_kind kind) {
  std::unique_ptr<way>& known = ways_[name];
  if (known) return *known;
  const bool is_http = kind == statements::service_kind::http;
  process_services::server* const server = is_http ? shared_.servers_.find(name)->second.get() : nullptr;
  process_services::threads* const threads = is_http ? nullptr : &shared_.threads_of(name);
  channel_options limits = is_http ? server->options.limits : threads->options.limits;
  if (is_http) limits.concurrency_max = server->options.pool.connections_max;
  limits.requests_per_second /= workers_;
  known = std::make_unique<way>(loop_, name, limits, counts_);
  if (is_http) {
    known->server =
        std::make_unique<http::connection_pool>(loop_, server->options.pool, server->as, shared_.names_);
  } else {
    known->threads = threads->pool.attach(loop_);
  }
  return *known;
}

result<void> worker_services::bind(const statements::declarations& declared) {
  for (statements::service_declaration* each : declared.services) {
    const bool is_http = each->kind() == statements::service_kind::http;
    if (is_http && !shared_.has_http(each->name())) {
      return error(errc::config_invalid,
                   "the application calls the service '" + each->name() +
                       "', and `http` has no entry of that name; add one with its `url`");
    }
    way& to = way_to(each->name(), each->kind());
    if (is_http) {
      static_cast<http_client*>(each)->bind(to.through, *to.server);
    } else {
      static_cast<blocking*>(each)->bind(to.through, *to.threads);
    }
  }
  return {};
}

}  // namespace millrace::service
