#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <millrace/base/text.h>
#include <millrace/cql/session.h>

#include "address_map.h"
#include "bridge.h"
#include "prepared.h"
#include "worker_session.h"

namespace millrace::cql {
namespace {

constexpr std::size_t in_flight_limit = 65'536;
constexpr milliseconds keepalive_min{1'000};  // TCP counts seconds

std::uint32_t to_milliseconds(milliseconds value) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value.count(), 1, INT32_MAX));
}

bool is_address(const std::string& text) {
  in6_addr any{};
  return ::inet_pton(AF_INET, text.c_str(), &any) == 1 || ::inet_pton(AF_INET6, text.c_str(), &any) == 1;
}

// "scylla-1" of "scylla-1:9042"; "" of an address.
std::string host_name_of(const std::string& contact_point) {
  if (contact_point.empty() || contact_point.front() == '[' || is_address(contact_point)) return {};
  std::string host = contact_point.substr(0, contact_point.rfind(':'));
  return is_address(host) ? std::string() : host;
}

std::vector<std::string> addresses_of(const std::string& host_name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host_name.c_str(), nullptr, &hints, &found) != 0) return {};
  std::vector<std::string> out;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      out.emplace_back(text);
    }
  }
  ::freeaddrinfo(found);
  return out;
}

tls_files files_of(const session_options& options) {
  return {options.ca_file, options.certificate_file, options.key_file};
}

// When the files were written: another value after any change of them.
std::vector<std::filesystem::file_time_type> times_of(const tls_files& files) {
  std::vector<std::filesystem::file_time_type> out;
  for (const std::string& each : {files.ca, files.certificate, files.key}) {
    std::error_code failed;
    out.push_back(each.empty() ? std::filesystem::file_time_type()
                               : std::filesystem::last_write_time(each, failed));
  }
  return out;
}

// The texts that the bridge's configuration points to.
struct bridge_config {
  explicit bridge_config(const session_options& from, const credentials& login)
      : contact_points(joined(from.contact_points, ",")),
        address_map(to_text(from.address_map)),
        user(login.user),
        password(login.password.reveal()) {
    config = sized<millrace_cql_config>();
    config.contact_points = contact_points.c_str();
    config.address_map = address_map.c_str();
    config.local_datacenter = from.datacenter.c_str();
    config.local_rack = from.rack.c_str();
    config.keyspace = from.keyspace.c_str();
    config.user = user.c_str();
    config.password = password.c_str();
    config.tls_ca_file = from.ca_file.c_str();
    config.tls_certificate_file = from.certificate_file.c_str();
    config.tls_key_file = from.key_file.c_str();
    config.application_name = from.application_name.c_str();
    config.application_version = from.application_version.c_str();
    config.tls = from.tls ? 1 : 0;
    config.datacenter_failover = from.datacenter_failover ? 1 : 0;
    config.connect_timeout_ms = to_milliseconds(from.connect_timeout);
    config.keepalive_ms = to_milliseconds(std::max<milliseconds>(from.keepalive, keepalive_min));
  }
  bridge_config(const bridge_config&) = delete;
  bridge_config& operator=(const bridge_config&) = delete;
  ~bridge_config() { wipe(password); }

  std::string contact_points;
  std::string address_map;
  std::string user;
  std::string password;
  millrace_cql_config config;
};

class shared_session final : public session, public control_plane {
 public:
  shared_session(session_handle handle, session_options from, std::shared_ptr<const introduction> as,
                 credentials login)
      : handle_(std::move(handle)),
        options_(std::move(from)),
        preferences_{options_.datacenter, options_.rack, options_.datacenter_failover},
        prepared_(handle_.get(), options_.prepared_max),
        introduction_(std::move(as)),
        login_(std::move(login)),
        file_times_(times_of(files_of(options_))) {
    for (const std::string& point : options_.contact_points) {
      const std::string name = host_name_of(point);
      if (name.empty() || !options_.tls) continue;
      names_.push_back(name);
      for (const std::string& address : addresses_of(name)) name_by_address_.emplace(address, name);
    }
    if (options_.tls || options_.current_credentials)
      renewing_ = std::thread([this] { renew_from_time_to_time(); });
  }
  ~shared_session() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (renewing_.joinable()) renewing_.join();
  }

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
    options.in_flight_max = std::clamp<std::size_t>(options.in_flight_max, 1, in_flight_limit);
    auto counted = std::make_shared<worker_counters>();
    {
      const std::lock_guard lock(mutex_);
      workers_.push_back(counted);
    }
    return std::unique_ptr<stream::store>(
        std::make_unique<worker_session>(worker, *this, std::move(options), std::move(counted), counts));
  }

  void renew() override {
    {
      const std::lock_guard lock(mutex_);
      renewal_wanted_ = true;
    }
    wake_.notify_all();
  }

  statistics stats() const override {
    auto counters = sized<millrace_cql_control_counters>();
    millrace_cql_session_counters(handle_.get(), &counters);
    statistics all{.panics = counters.panics,
                   .prepared = prepared_.size(),
                   .limit_min = UINT64_MAX,
                   .nodes = counters.nodes,
                   .nodes_connected = counters.nodes_connected};
    const std::lock_guard lock(mutex_);
    for (const auto& each : workers_) add(*each, all);
    return all;
  }

 private:
  static void add(const worker_counters& from, statistics& to) {
    const auto now = [](const std::atomic<std::uint64_t>& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    to.requests += now(from.requests);
    to.client_timeouts += now(from.client_timeouts);
    to.in_flight += now(from.in_flight);
    to.connections += now(from.connections);
    to.refused += now(from.refused);
    to.shrunk += now(from.shrunk);
    to.waiting += now(from.waiting);
    to.limit_min = std::min(to.limit_min, now(from.limit_min));
    to.speculative += now(from.speculative);
    to.next_node += now(from.next_node);
    to.prepared_again += now(from.prepared_again);
    to.tablets += now(from.tablets);
    to.tablet_reports += now(from.tablet_reports);
    to.buffer_bytes += now(from.memory);
  }

  std::uint64_t topology_version() const noexcept override {
    return millrace_cql_topology_version(handle_.get());
  }
  void topology(millrace_cql_topology& into) const override {
    millrace_cql_session_topology(handle_.get(), &into);
  }
  prepared_cache& statements() override { return prepared_; }
  const session_options& options() const noexcept override { return options_; }
  const routing_preferences& preferences() const noexcept override { return preferences_; }
  std::shared_ptr<const introduction> introduce() override {
    const std::lock_guard lock(mutex_);
    return introduction_;
  }
  // An even part of what the process may have, for every worker and node.
  std::size_t allowance(std::size_t nodes) const override {
    const std::lock_guard lock(mutex_);
    const std::size_t pairs = std::max<std::size_t>(nodes, 1) * std::max<std::size_t>(live_workers(), 1);
    return std::max<std::size_t>(options_.connections_max / pairs, 1);
  }
  std::size_t live_workers() const {
    return static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(),
                                                  [](const auto& each) { return each.use_count() > 1; }));
  }
  std::pair<std::string, std::uint16_t> translated(const std::string& address,
                                                   std::uint16_t port) const override {
    auto to = translate(options_.address_map, address, port);
    if (const auto found = resolved_.find(to.first); found != resolved_.end()) to.first = found->second;
    return to;
  }
  std::string name_of(const std::string& address) const override {
    const auto found = name_by_address_.find(address);
    return found == name_by_address_.end() ? std::string() : found->second;
  }
  const std::vector<std::string>& names() const override { return names_; }
  nanoseconds keepalive() const override { return std::max<milliseconds>(options_.keepalive, keepalive_min); }

  void renew_from_time_to_time() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait_for(lock, options_.renewal_interval, [this] { return stopping_ || renewal_wanted_; });
      if (stopping_) return;
      renewal_wanted_ = false;
      lock.unlock();
      renew_now();
      lock.lock();
    }
  }

  // New connections use what the files and the source of credentials say now. What cannot be read, or does not
  // work, changes nothing.
  void renew_now() {
    const auto times = times_of(files_of(options_));
    credentials login = login_;
    if (options_.current_credentials) {
      auto now = options_.current_credentials();
      if (!now) return report(now.error());
      login = std::move(*now);
    }
    const bool other_login = login.user != login_.user || login.password.reveal() != login_.password.reveal();
    if (!other_login && times == file_times_) return;
    auto made = std::make_shared<introduction>(*introduce());
    made->user = login.user;
    made->password = std::string(login.password.reveal());
    if (options_.tls) {
      auto tls = tls_settings::load(files_of(options_));
      if (!tls) return report(tls.error());
      made->tls = std::move(*tls);
    }
    file_times_ = times;
    login_ = login;
    {
      const std::lock_guard lock(mutex_);
      introduction_ = std::move(made);
    }
    const bridge_config config(options_, login);
    auto failed = sized<millrace_cql_error>();
    const auto status = millrace_cql_session_renew(handle_.get(), &config.config, &failed);
    if (status != MILLRACE_CQL_OK) return report(to_error(failed));
    if (options_.on_renewal) options_.on_renewal(nullptr);
  }

  void report(const error& why) const {
    if (options_.on_renewal) options_.on_renewal(&why);
  }

  session_handle handle_;
  session_options options_;
  routing_preferences preferences_;
  prepared_cache prepared_;
  std::vector<std::string> names_;  // of the contact points that are names
  std::map<std::string, std::string> name_by_address_;
  std::map<std::string, std::string> resolved_;  // names in the address map
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const worker_counters>> workers_;  // of all workers that there were
  std::shared_ptr<const introduction> introduction_;
  // Of the renewing thread.
  credentials login_;
  std::vector<std::filesystem::file_time_type> file_times_;
  bool stopping_ = false;
  bool renewal_wanted_ = false;
  std::condition_variable wake_;
  std::thread renewing_;
};

// OpenSSL writes to sockets whose peer is gone, and cannot be told not to raise the signal.
void ignore_broken_pipes() {
  struct sigaction now{};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

result<std::shared_ptr<const introduction>> introduction_of(const session_options& options,
                                                            const credentials& login) {
  auto made = std::make_shared<introduction>();
  if (options.tls) {
    ignore_broken_pipes();
    auto tls = tls_settings::load(files_of(options));
    if (!tls) return tls.error();
    made->tls = std::move(*tls);
  }
  made->user = login.user;
  made->password = std::string(login.password.reveal());
  made->keyspace = options.keyspace;
  made->compression = options.compression;
  made->startup = {{"DRIVER_NAME", "millrace"}, {"APPLICATION_NAME", options.application_name}};
  if (!options.application_version.empty()) {
    made->startup.emplace_back("APPLICATION_VERSION", options.application_version);
  }
  return std::shared_ptr<const introduction>(std::move(made));
}

}  // namespace

result<std::unique_ptr<session>> session::open(const session_options& options) {
  invariant(millrace_cql_abi_version() == MILLRACE_CQL_ABI_VERSION,
            "the bridge is the version of its header");
  if (!consistency_number(options.consistency)) {
    return error(errc::config_invalid, "consistency '" + options.consistency +
                                           "' is unknown; expected one of " + consistency_names());
  }
  const credentials login{options.user, options.password};
  auto as = introduction_of(options, login);
  if (!as) return as.error();
  const bridge_config config(options, login);
  millrace_cql_session* opened = nullptr;
  auto failed = sized<millrace_cql_error>();
  if (millrace_cql_session_open(&config.config, &opened, &failed) != MILLRACE_CQL_OK) return to_error(failed);
  return std::unique_ptr<session>(
      std::make_unique<shared_session>(session_handle(opened), options, std::move(*as), login));
}

}  // namespace millrace::cql
