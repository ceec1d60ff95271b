// Channels, connections and threads of the services that the processors of a worker declare, from options.
//
// Example, at namespace scope:
//
//   #include <millrace/metrics/registry.h>
//
//   // At start-up, before the first record. `shared` outlives the workers.
//   result<void> connect(service::process_services& shared, service::worker_services& of_worker,
//                        const statements::declarations& declared) {
//     if (!shared.has_http("scales")) return error(errc::config_invalid, "`http` has no entry 'scales'");
//     return of_worker.bind(declared);
//   }
//
// Threads: process_services: the main thread at start-up and at the end; renew(): any thread. worker_services: built on
// the main thread, then the worker's.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/http/connection_pool.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/service/blocking_threads.h>
#include <millrace/service/channel.h>
#include <millrace/statement/declarations.h>

namespace millrace::service {

// A server. `limits.concurrency_max` is pool.connections_max, and requests_per_second that of the process.
struct http_service {
  std::string name;
  channel_options limits;
  http::pool_options pool;
  http::identity::headers headers;  // of every request
};

// A set of threads. `limits.concurrency_max` is `threads`, and requests_per_second that of the process.
struct blocking_service {
  std::string name;
  channel_options limits;
  std::size_t threads = 4;
};

// The part that the workers of a process share.
class process_services {
 public:
  process_services(std::vector<http_service> http, std::vector<blocking_service> blocking);
  process_services(const process_services&) = delete;
  process_services& operator=(const process_services&) = delete;
  ~process_services();

  [[nodiscard]] bool has_http(std::string_view name) const;
  // Requests to this server that begin later have these headers. Returns whether they differ. False for a server that
  // does not exist.
  bool renew(std::string_view name, http::identity::headers headers);
  // Ends the threads. False: after `time` a function still runs; its name is in `running`.
  [[nodiscard]] bool end_within(nanoseconds time, std::string& running);

 private:
  friend class worker_services;
  struct server;
  struct threads;

  [[nodiscard]] threads& threads_of(const std::string& name);

  http::name_resolver names_;
  std::map<std::string, std::unique_ptr<server>, std::less<>> servers_;
  std::map<std::string, blocking_service, std::less<>> blocking_;
  std::map<std::string, std::unique_ptr<threads>, std::less<>> threads_;
};

// The services of one worker. Outlives its processors' calls, and is destroyed before the loop.
class worker_services {
 public:
  // `counts` may be null. `workers` share the rates.
  worker_services(process_services& shared, runtime::loop& l, metrics::shard* counts, std::size_t workers);
  worker_services(const worker_services&) = delete;
  worker_services& operator=(const worker_services&) = delete;
  ~worker_services();

  // Connects the declared services. errc::config_invalid: an http_client whose name has no options. A blocking one
  // without options has the defaults.
  [[nodiscard]] result<void> bind(const statements::declarations& declared);

 private:
  struct way;

  [[nodiscard]] way& way_to(const std::string& name, statements::service_kind kind);

  process_services& shared_;
  runtime::loop& loop_;
  metrics::shard* counts_;
  double workers_;
  std::map<std::string, std::unique_ptr<way>, std::less<>> ways_;
};

}  // namespace millrace::service
