#include <cerrno>
#include <csignal>
#include <ctime>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <system_error>
#include <thread>

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <millrace/app/admin_server.h>
#include <millrace/app/app_config.h>
#include <millrace/app/application.h>
#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>
#include <millrace/app/metric_catalogue.h>
#include <millrace/app/preparation.h>
#include <millrace/metrics/cgroup.h>
#include <millrace/metrics/exposition.h>
#include <millrace/metrics/process.h>

#include "application_log.h"
#include "capacity.h"
#include "connections.h"
#include "credential_renewal.h"
#include "error_hints.h"
#include "exit_guard.h"
#include "front_page.h"
#include "inputs.h"
#include "known_schemas.h"
#include "log.h"
#include "operator_commands.h"
#include "process_metrics.h"
#include "rate_limited_log.h"
#include "readiness.h"
#include "security_checks.h"
#include "services.h"
#include "status_page.h"
#include "subjects.h"
#include "tap.h"
#include "tracing.h"
#include "watchdog.h"
#include "worker.h"

namespace millrace::app {
namespace {

// After the second signal; a worker whose event loop is blocked cannot end.
constexpr seconds abort_obeyed_within{5};
// Beyond the engine's own timeouts of a stop: attempts and requests that do not end, the end of the clients.
constexpr seconds stop_obeyed_within{3};
// After the last line of the log, for the clients of servers that do not answer.
constexpr seconds clients_end_within{5};
// After the workers have ended, for blocking functions, which nobody waits for.
constexpr milliseconds functions_end_within{200};
// Between attempts to reach what does not answer at start-up.
constexpr seconds start_backoff_min{1};
constexpr seconds start_backoff_max{10};
// For a worker's answer to an operator: the admin thread waits for it, and other pages wait meanwhile.
constexpr milliseconds command_timeout{1'000};

int fail(const error& why) {
  log_event(log_level::error, "not_started", {{"error", why.to_string()}});
  return is_config_error(why.code()) ? exit_config : exit_failure;
}

// A worker's loop takes two descriptors and cannot do without.
result<void> check_descriptors() {
  const int first = ::eventfd(0, EFD_CLOEXEC);
  const int second = ::eventfd(0, EFD_CLOEXEC);
  const int failed = errno;
  if (first >= 0) ::close(first);
  if (second >= 0) ::close(second);
  if (second >= 0) return {};
  return error(errc::io_error,
               "no descriptor is left for a worker: " + std::generic_category().message(failed) +
                   "; raise the limit of open files of the process");
}

// The soft limit is low by default for the sake of select(), which is not used here.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Ids of traces, and the jitter of retries, must differ between processes and workers.
std::uint64_t seed_of(unsigned worker) {
  std::random_device device;
  return (std::uint64_t{device()} << 32U | device()) + worker;
}

void log_renewal(const error* why) {
  if (why == nullptr) return log_event(log_level::info, "credential_renewal_recovered", {});
  log_event(log_level::error, "credential_renewal_failed",
            {{"error", why->to_string()}, {"consequence", "the former credentials stay in use"}});
}

// Everything that lives between start-up and exit.
class process {
 public:
  process(const application& app, const run_arguments& arguments, app_config settings,
          engine::processor_set processors)
      : app_(app),
        arguments_(arguments),
        processors_(std::move(processors)),
        settings_(std::move(settings)),
        worker_count_(workers_of(settings_.engine, machine_, 0)),
        counts_(declared_),
        budget_(static_cast<std::size_t>(settings_.engine.memory_max.bytes)),
        retries_(settings_.engine.retry_budget),
        renewal_([this] { return settings_now(); }, log_renewal),
        watchdog_(settings_.engine.stall_timeout),
        tap_(system_clock()) {}
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process() { renewal_.stop(); }  // before the connections, which it changes

  int run();

 private:
  int run_to_end();
  // A worker that is ready to be launched. Destroyed in reverse order: the ports use the worker's loop.
  struct candidate {
    std::unique_ptr<worker> thread;
    worker_ports ports;
    engine::processors work;
    metrics::shard* counts = nullptr;
  };

  // Those that are enabled.
  [[nodiscard]] result<engine::processors> build_processors() const {
    return engine::build(processors_, settings_.engine.processors);
  }
  [[nodiscard]] std::vector<std::string> output_topics() const;
  result<void> start_admin();
  bool wait_for(const error& dependency);
  void size_process();
  result<void> start_workers();
  result<candidate> make_worker();
  // None when no tap or trace is enabled, so that records cost nothing.
  [[nodiscard]] engine::record_observer* observer_of(unsigned worker) const {
    return settings_.tap.enabled || traces_ ? samplers_[worker].get() : nullptr;
  }
  result<void> patiently(const std::function<result<void>()>& step);
  // Of single objects; read once.
  result<void> read_known_schemas(const engine::processors& work);
  [[nodiscard]] result<app_config> settings_now() const;
  // Called by every worker; one line per topic.
  void note_tombstone(const engine::skipped_tombstone& first);
  void supervise();
  void watch();
  // After a signal, whatever user code does.
  [[nodiscard]] nanoseconds stop_takes_at_most() const;
  [[nodiscard]] std::string not_ready();
  int closing();
  void stop_traces();
  [[nodiscard]] process_view view() const;
  [[nodiscard]] std::vector<worker_pulse> pulses() const;
  [[nodiscard]] admin_page page(std::string_view path);
  [[nodiscard]] admin_page order(const admin_request& wanted);

  const application& app_;
  const run_arguments arguments_;
  const engine::processor_set processors_;
  const app_config settings_;
  machine machine_ = this_machine();
  std::atomic<unsigned> worker_count_;  // final when the number of partitions is known
  metrics::catalogue declared_;
  metrics::registry counts_;
  engine::byte_budget budget_;
  engine::retry_budget retries_;
  statements::invalidation_board invalidations_;
  credential_renewal renewal_;
  std::unique_ptr<service::process_services> services_;  // since check(); outlives the workers
  std::vector<engine::input_options> inputs_;
  std::shared_ptr<const known_schemas> known_schemas_;  // of single objects; nullptr: none are read
  std::unique_ptr<connections> connections_;
  std::unique_ptr<trace_exporter> traces_;
  std::vector<std::unique_ptr<record_sampler>> samplers_;  // a worker's each
  mutable std::mutex
      mutex_;  // guards workers_, started_ and waits_for_ against the admin thread, and tombstones_of_
  std::vector<std::unique_ptr<worker>> workers_;
  bool started_ = false;
  std::string waits_for_;
  std::set<std::string, std::less<>> tombstones_of_;  // topics whose first skipped tombstone was logged
  seconds start_backoff_ = start_backoff_min;
  bool stopped_ = false;  // before anything was started
  std::atomic<unsigned> ended_{0};
  const instant began_ = system_clock().now();
  watchdog watchdog_;
  readiness readiness_;
  tap tap_;
  std::vector<metrics::scrape_hook> hooks_;
  std::unique_ptr<admin_server> admin_;  // last: its thread reads the rest
};

// The signals that stop the process.
sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

std::string_view name_of_signal(int number) { return number == SIGTERM ? "SIGTERM" : "SIGINT"; }

// Memory, descriptors or threads that run out on this thread.
int process::run() {
  try {
    return run_to_end();
  } catch (const std::exception& refused) {
    const error why(errc::io_error, std::string("the system refused a resource: ") + refused.what() +
                                        "; raise the limits of open files, threads or memory of the process");
    if (workers_.empty()) return fail(why);
    log_event(log_level::error, "failed", {{"error", why.to_string()}, {"exit", exit_failure}});
    std::_Exit(exit_failure);  // the workers run
  }
}

int process::run_to_end() {
  // Before any thread exists, so that every thread inherits the mask and signals are read in one place.
  const sigset_t signals = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  machine_ = this_machine();
  ::prctl(PR_SET_DUMPABLE, 0);  // a core would hold records and secrets

  use_buckets(settings_.metrics, declared_);
  declare_metrics(declared_);
  // What it refuses, check_start() reports.
  if (const auto work = build_processors()) {
    if (auto own = declare_metrics(work->declared, declared_); !own) return fail(own.error());
  }
  declared_.seal();
  hooks_.push_back(
      metrics::add_process_metrics(counts_, {app_.version, MILLRACE_VERSION, MILLRACE_REVISION}));
  hooks_.push_back(metrics::add_cgroup_metrics(counts_));
  hooks_.push_back(add_engine_metrics(
      counts_,
      {static_cast<double>(settings_.engine.in_flight_records_max), [this] { return worker_count_.load(); },
       static_cast<double>(settings_.engine.memory_max.bytes), settings_.kafka.group,
       settings_.kafka.protocol == kafka::group_protocol::consumer ? "consumer" : "classic"},
      [this] { return pulses(); }, [this] { return readiness_.not_ready_because().empty(); }));
  hooks_.push_back(add_security_check_metrics(counts_, settings_));
  for (const insecure_setting& each : insecure_settings(settings_)) {
    log_event(log_level::warning, "insecure_config",
              {{"setting", std::string(each.setting)}, {"consequence", std::string(each.why)}});
  }
  if (auto checked = check_start(processors_, settings_, worker_count_); !checked)
    return fail(checked.error());
  services_ = std::make_unique<service::process_services>(http_services_of(settings_), settings_.blocking);
  auto inputs = read_inputs(settings_);
  if (!inputs) return fail(inputs.error());
  inputs_ = std::move(*inputs);
  if (auto enough = has_enough_descriptors(machine_, 1); !enough) return fail(enough.error());
  if (auto admin = start_admin(); !admin) return fail(admin.error());
  auto opened = connections::open(settings_, app_.name, app_.version, output_topics(),
                                  {&counts_, &budget_, [this] { return renewal_.read(); }},
                                  [this](const error& why) { return wait_for(why); });
  if (stopped_) return exit_ok;
  if (!opened) return fail(opened.error());
  connections_ = std::move(*opened);
  const auto renewing = renewal_.start([this](const app_config& now) {
    renew_services(*services_, now);
    return connections_->renew(now);
  });
  if (!renewing) return fail(renewing.error());
  size_process();
  if (auto enough = has_enough_descriptors(machine_, worker_count_); !enough) return fail(enough.error());
  if (!settings_.tracing.endpoint.empty()) {
    auto traces =
        trace_exporter::start(settings_.tracing, {app_.name, app_.version, settings_.kafka.group}, counts_);
    if (!traces) return fail(traces.error());
    traces_ = std::move(*traces);
  }
  const auto started = start_workers();
  if (stopped_) return exit_ok;
  if (!started) return fail(started.error());
  supervise();
  return closing();
}

// The number of partitions is known: how many workers run, and what they may use.
void process::size_process() {
  worker_count_ = workers_of(settings_.engine, machine_, connections_->partitions());
  if (const auto idle = idle_workers(settings_.engine, connections_->partitions()))
    log_event(log_level::warning, "idle_workers", {{"consequence", *idle}});
  const memory_plan plan = memory_plan_of(settings_, machine_, worker_count_);
  log_event(log_level::info, "memory_limits",
            {{"total_bytes", plan.total().bytes},
             {"in_flight_bytes", plan.in_flight.bytes},
             {"prefetch_bytes", plan.prefetch.bytes},
             {"producer_bytes", plan.producers.bytes},
             {"schema_bytes", plan.schemas.bytes},
             {"cgroup_bytes", machine_.limits.memory_bytes.value_or(0)}});
  if (const auto excess = excess_of(plan, machine_))
    log_event(log_level::warning, "memory_exceeds_cgroup", {{"consequence", *excess}});
}

// The configuration is read again, so that a password that comes from a file is the one of now.
result<app_config> process::settings_now() const {
  std::ostringstream problems;
  auto now = load_config(arguments_, problems);
  if (!now) return error(errc::config_invalid, "the configuration cannot be read again: " + problems.str());
  return std::move(now->value);
}

// False when it has taken too long, or a signal came.
bool process::wait_for(const error& dependency) {
  const nanoseconds left = settings_.engine.start_timeout - (system_clock().now() - began_);
  if (left <= nanoseconds(0)) return false;
  const auto pause = std::min<nanoseconds>(start_backoff_, left);
  start_backoff_ = std::min(start_backoff_ * 2, start_backoff_max);
  log_event(log_level::warning, "waiting",
            {{"error", dependency.to_string()},
             {"consequence", "the process is not ready and reads nothing from Kafka"},
             {"remaining_seconds", static_cast<std::int64_t>(left / seconds(1))}});
  {
    const std::lock_guard lock(mutex_);
    waits_for_ = dependency.to_string();
  }
  const auto whole = std::chrono::floor<seconds>(pause);
  const timespec timeout{whole.count(), (pause - whole).count()};
  const sigset_t signals = stop_signals();
  const int number = ::sigtimedwait(&signals, nullptr, &timeout);
  stopped_ = number > 0;
  if (stopped_) {
    log_event(log_level::info, "stopped",
              {{"signal", name_of_signal(number)}, {"consequence", "no record was read"}, {"exit", exit_ok}});
  }
  return !stopped_;
}

result<void> process::start_admin() {
  auto started = admin_server::start(
      settings_.admin.address, settings_.admin.port, [this](std::string_view path) { return page(path); },
      [this](const admin_request& wanted) { return order(wanted); });
  if (!started) return started.error();
  admin_ = std::move(*started);
  log_event(log_level::info, "admin_listening",
            {{"address", settings_.admin.address},
             {"port", admin_->port()},
             {"pages", "/ /metrics /healthz /readyz /status"}});
  return {};
}

// Where the processors produce to.
std::vector<std::string> process::output_topics() const {
  std::vector<std::string> topics;
  if (const auto work = build_processors()) {
    for (const statements::output_declaration* output : work->declared.outputs)
      topics.push_back(topic_of(*output, settings_));
  }
  return topics;
}

result<void> process::read_known_schemas(const engine::processors& work) {
  if (known_schemas_ != nullptr) return {};
  return patiently([&]() -> result<void> {
    auto known = collect_schemas(
        work, settings_, [this](const std::string& subject) { return connections_->versions_of(subject); });
    if (!known) return with_hint(known.error(), part::registry);
    known_schemas_ = std::move(*known);
    return {};
  });
}

// Until the step succeeds, cannot succeed any more, or the start has taken too long: the rule of
// connections::open() for what comes after it.
result<void> process::patiently(const std::function<result<void>()>& step) {
  for (;;) {
    auto done = step();
    if (done) return done;
    const bool may_pass = stream::disposition_of(done.error().code()) == stream::disposition::retry;
    if (!may_pass || !wait_for(done.error())) return done;
  }
}

result<process::candidate> process::make_worker() {
  candidate made;
  if (auto left = check_descriptors(); !left) return left.error();
  made.thread = std::make_unique<worker>(system_clock());
  if (auto started = made.thread->start_thread(); !started) return started.error();
  made.counts = &counts_.add_shard();
  made.thread->loop().measure_turns(worker_metrics(made.counts).turns);
  auto ports = connections_->attach(made.thread->loop(), *made.counts);
  if (!ports) return ports.error();
  made.ports = std::move(*ports);
  made.ports.services =
      std::make_unique<service::worker_services>(*services_, made.thread->loop(), made.counts, worker_count_);
  made.ports.lookups.reset(new statements::lookup_room{invalidations_, &budget_, made.counts});
  auto work = build_processors();
  if (!work) return work.error();
  made.work = std::move(*work);
  if (reads_single_objects(settings_)) {
    if (auto known = read_known_schemas(made.work); !known) return known.error();
    made.ports.schemas = with_known_schemas(std::move(made.ports.schemas), known_schemas_);
  }
  const auto prepared =
      prepare(made.work, {*made.ports.store, *made.ports.schemas, *made.ports.lookups}, settings_,
              worker_count_, [this](const auto& step) { return patiently(step); });
  if (!prepared) return prepared.error();
  if (auto bound = made.ports.services->bind(made.work.declared); !bound) return bound.error();
  return made;
}

// First everything that can fail, for all workers; then they join the group, and then they run.
result<void> process::start_workers() {
  const unsigned count = worker_count_;
  const client_memory memory = client_memory_of(settings_, machine_, count);
  std::vector<candidate> made;
  for (unsigned i = 0; i < count; ++i) {
    auto next = make_worker();
    if (!next) return next.error();
    made.push_back(std::move(*next));
  }
  for (unsigned i = 0; i < count; ++i) {
    if (auto joined = connections_->join(made[i].ports, made[i].thread->loop(), i, memory); !joined)
      return joined.error();
  }
  for (unsigned i = 0; i < count; ++i) {
    engine::engine_options options = engine_options_of(settings_, seed_of(i));
    options.version = app_.version;
    options.inputs = inputs_;
    divide_among(options, count);
    auto log = std::make_shared<rate_limited_log>(
        system_clock(), [i](std::string_view event, const error& failure, std::uint64_t suppressed) {
          log_event(log_level::warning, event,
                    {{"error", failure.to_string()}, {"worker", i}, {"suppressed", suppressed}});
        });
    options.on_problem = [log](std::string_view event, const error& failure) { log->note(event, failure); };
    options.on_exception = [log](const engine::processor_exception& thrown) { log->note(thrown); };
    made[i].ports.log = std::make_unique<application_log>(
        settings_.log.level, system_clock(), i,
        [](log_level level, std::span<const log_field> fields) { write_event(level, "app", fields); });
    options.on_tombstone_skipped = [this](const engine::skipped_tombstone& first) { note_tombstone(first); };
    samplers_.push_back(std::make_unique<record_sampler>(tap_, traces_.get(), settings_.tracing, seed_of(i)));
    made[i].thread->launch(std::move(made[i].ports), std::move(options), std::move(made[i].work), budget_,
                           retries_, *made[i].counts, observer_of(i),
                           [this] { ended_.fetch_add(1, std::memory_order_release); });
    const std::lock_guard lock(mutex_);
    workers_.push_back(std::move(made[i].thread));
  }
  const std::lock_guard lock(mutex_);
  started_ = true;
  log_event(log_level::info, "running",
            {{"application", app_.name},
             {"version", app_.version},
             {"workers", count},
             {"group", settings_.kafka.group}});
  return {};
}

void process::note_tombstone(const engine::skipped_tombstone& first) {
  {
    const std::lock_guard lock(mutex_);
    if (!tombstones_of_.emplace(first.topic).second) return;
  }
  log_event(log_level::info, "tombstone_skipped",
            {{"topic", std::string(first.topic)},
             {"partition", first.partition},
             {"offset", first.offset},
             {"consequence",
              "records without a value are skipped (`engine.tombstones`); no further line of "
              "this topic follows"}});
}

// Until every engine has ended: handles signals; one failed worker stops the others.
void process::supervise() {
  const sigset_t signals = stop_signals();
  unsigned received = 0;
  std::optional<instant> aborted_at;
  std::optional<instant> stopped_at;
  while (ended_.load(std::memory_order_acquire) < workers_.size()) {
    timespec timeout{0, 100'000'000};
    const int number = ::sigtimedwait(&signals, nullptr, &timeout);
    if (number > 0) {
      ++received;
      log_event(log_level::info, "signal",
                {{"signal", name_of_signal(number)}, {"action", received == 1 ? "drain" : "abort"}});
      for (auto& w : workers_) received == 1 ? w->request_stop() : w->request_abort();
      if (!stopped_at) stopped_at = system_clock().now();
      if (received > 1 && !aborted_at) aborted_at = system_clock().now();
    } else if (ended_.load(std::memory_order_acquire) > 0) {
      for (auto& w : workers_) w->request_stop();
    }
    watch();
    const instant now = system_clock().now();
    const bool over = (aborted_at && now - *aborted_at > abort_obeyed_within) ||
                      (stopped_at && now - *stopped_at > stop_takes_at_most());
    if (over) {
      log_event(log_level::error, "aborted",
                {{"consequence", "the event loop of a worker is blocked; no further commit is made"},
                 {"exit", exit_failure}});
      std::_Exit(exit_failure);
    }
  }
}

nanoseconds process::stop_takes_at_most() const {
  const engine::engine_options options = engine_options_of(settings_, 0);
  return options.drain_timeout + options.commit_timeout + options.leave_timeout + stop_obeyed_within;
}

void process::watch() {
  readiness_.look(view(), system_clock().now());
  for (const watchdog::finding& f : watchdog_.look(system_clock().now(), pulses())) {
    const auto stuck_seconds = static_cast<double>(f.stuck_for.count()) / 1e9;
    const std::string_view running = f.running.empty() ? "none" : std::string_view(f.running);
    if (f.turns_again) {
      log_event(log_level::warning, "event_loop_recovered",
                {{"worker", f.worker}, {"blocked_seconds", stuck_seconds}, {"entered", running}});
    } else {
      log_event(log_level::error, "event_loop_blocked",
                {{"worker", f.worker},
                 {"blocked_seconds", stuck_seconds},
                 {"entered", running},
                 {"consequence", "its partitions stall and liveness fails"},
                 {"cause", "a processor blocks its thread; it must wait with co_await"}});
    }
  }
}

int process::closing() {
  for (auto& w : workers_) w->join();
  admin_.reset();
  std::optional<error> first_failure;
  engine::record_accounting sum;
  left_behind by_stop;
  bool left_group = true;
  bool left_running = false;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const engine::record_engine& one = workers_[i]->engine();
    const engine::record_accounting& counts = one.counts();
    sum.received += counts.received;
    sum.done += counts.done;
    sum.skipped += counts.skipped;
    sum.dead_lettered += counts.dead_lettered;
    sum.abandoned += counts.abandoned;
    by_stop.abandoned += one.abandoned_by_stop();
    by_stop.uncommitted += one.uncommitted_by_stop();
    left_group = left_group && one.left_group();
    left_running = left_running || workers_[i]->left_running();
    if (const auto& failure = one.failure()) {
      log_event(log_level::error, "failed", {{"worker", i}, {"error", failure->to_string()}});
      if (!first_failure || is_config_error(failure->code())) first_failure = failure;
    }
  }
  const int code = exit_code_of(first_failure, by_stop);
  log_event(log_level::info, "stopped",
            {{"received", sum.received},
             {"done", sum.done},
             {"skipped", sum.skipped},
             {"dead_lettered", sum.dead_lettered},
             {"abandoned", sum.abandoned},
             {"uncommitted", by_stop.uncommitted},
             {"exit", code}});
  if (!end_functions(*services_, functions_end_within)) {
    stop_traces();
    std::_Exit(code);
  }
  if (left_running) {
    log_event(log_level::warning, "left_running",
              {{"consequence",
                "the process ends without attempts that a processor has not finished, or requests that "
                "were not answered; they are accounted for above"}});
    stop_traces();
    std::_Exit(code);
  }
  const exit_guard guard(code, clients_end_within);
  workers_.clear();
  renewal_.stop();
  connections_.reset();
  samplers_.clear();
  stop_traces();
  // Kafka's client is still waiting for the coordinator on threads of its own, under which nothing may be
  // torn down.
  if (!left_group) std::_Exit(code);
  return code;
}

void process::stop_traces() {
  if (!traces_) return;
  const trace_exporter::totals counted = traces_->stop();
  traces_.reset();
  if (counted.dropped == 0) return;
  log_event(log_level::warning, "traces_stopped", {{"sent", counted.sent}, {"dropped", counted.dropped}});
}

std::vector<worker_pulse> process::pulses() const {
  const instant now = system_clock().now();
  std::vector<worker_pulse> all;
  const std::lock_guard lock(mutex_);
  all.reserve(workers_.size());
  for (const auto& w : workers_) all.push_back(w->pulse_at(now));
  return all;
}

process_view process::view() const {
  process_view seen;
  seen.application = app_.name;
  seen.version = app_.version;
  const instant now = system_clock().now();
  const std::lock_guard lock(mutex_);
  seen.started = started_;
  if (!started_) seen.waits_for = waits_for_;
  seen.uptime = now - began_;
  seen.stuck_after = settings_.engine.stall_timeout;
  for (const auto& w : workers_) {
    seen.workers.push_back({w->status(), w->pulse_at(now)});
    w->add_lookups(seen.lookups);
  }
  return seen;
}

// As of now: supervision starts when the workers run.
std::string process::not_ready() {
  readiness_.look(view(), system_clock().now());
  return readiness_.not_ready_because();
}

admin_page process::page(std::string_view path) {
  constexpr std::string_view text = "text/plain; charset=utf-8";
  const auto verdict = [&](const std::string& problem) {
    return problem.empty() ? admin_page{200, std::string(text), "ok\n"}
                           : admin_page{503, std::string(text), problem + "\n"};
  };
  if (path == "/metrics") {
    return {200, std::string(metrics::text_content_type), metrics::to_text(counts_.take_snapshot())};
  }
  if (path == "/healthz") return verdict(not_alive_because(view()));
  if (path == "/readyz") return verdict(not_ready());
  if (path == "/status") return {200, "application/json", status_json(view())};
  if (path == "/") return {200, "text/html; charset=utf-8", std::string(front_page)};
  return {404, std::string(text), "unknown page; expected one of / /metrics /healthz /readyz /status\n"};
}

admin_page process::order(const admin_request& wanted) {
  if (wanted.path.starts_with("/tap")) {
    // What the workers share is there from the moment on at which they run.
    const bool running = view().started;
    return tap_page(wanted, settings_, tap_, [this, running](std::int32_t id) {
      return running ? connections_->schema_text(id) : std::string();
    });
  }
  std::vector<worker_command> workers;
  {
    // A worker lives longer than the admin thread once it is in the list.
    const std::lock_guard lock(mutex_);
    for (const auto& each : workers_) {
      workers.push_back([w = each.get()](const engine::record_name& which, engine::operator_command command) {
        return w->ask(which, command, command_timeout);
      });
    }
  }
  return handle(wanted, settings_.admin.token, workers);
}

}  // namespace

int run(const application& app, const run_arguments& arguments) {
  set_up_log(log_level::info, log_format::logfmt);
  auto settings = load_config(app, arguments, std::cerr);
  if (!settings) return exit_config;
  set_up_log(settings->value.log.level, settings->value.log.format);
  auto processors = processors_of(app, settings->value);
  if (!processors) return fail(processors.error());
  return process(app, arguments, std::move(settings->value), std::move(*processors)).run();
}

int validate(const application& app, const run_arguments& arguments) {
  return validate_config(app, arguments, std::cout, std::cerr);
}

}  // namespace millrace::app
