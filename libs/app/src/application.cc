#include <csignal>
#include <ctime>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <sys/prctl.h>

#include <millrace/app/admin_server.h>
#include <millrace/app/app_config.h>
#include <millrace/app/application.h>
#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>
#include <millrace/app/metric_catalogue.h>
#include <millrace/avro/schema.h>
#include <millrace/metrics/cgroup.h>
#include <millrace/metrics/exposition.h>
#include <millrace/metrics/process.h>
#include <millrace/registry/subject.h>

#include "connections.h"
#include "error_hints.h"
#include "front_page.h"
#include "log.h"
#include "lookups.h"
#include "operator_commands.h"
#include "process_metrics.h"
#include "rate_limited_log.h"
#include "readiness.h"
#include "security_checks.h"
#include "status_page.h"
#include "tap.h"
#include "tracing.h"
#include "watchdog.h"
#include "worker.h"

namespace millrace::app {
namespace {

// After the second signal; a worker whose event loop is blocked cannot end.
constexpr seconds abort_obeyed_within{5};
// Between attempts to reach what does not answer at start-up.
constexpr seconds start_backoff_min{1};
constexpr seconds start_backoff_max{10};
// For a worker's answer to an operator: the admin thread waits for it, and other pages wait meanwhile.
constexpr milliseconds command_timeout{1'000};

int fail(const error& why) {
  log_event(log_level::error, "not_started", {{"error", why.to_string()}});
  return is_config_error(why.code()) ? exit_config : exit_failure;
}

[[nodiscard]] unsigned worker_count(const app_config& settings) {
  if (settings.engine.workers != 0) return settings.engine.workers;
  const unsigned cores = std::thread::hardware_concurrency();
  return cores <= 2 ? 1 : cores - 1;
}

// Ids of traces must differ between processes and workers.
std::uint64_t seed_of(unsigned worker) {
  std::random_device device;
  return (std::uint64_t{device()} << 32U | device()) + worker;
}

// Everything that lives between start-up and exit.
class process {
 public:
  process(const application& app, app_config settings)
      : app_(app),
        settings_(std::move(settings)),
        counts_(declared_),
        budget_(static_cast<std::size_t>(settings_.engine.memory_max.bytes)),
        retries_(settings_.engine.retry_budget),
        watchdog_(settings_.engine.stall_timeout),
        tap_(system_clock()) {}

  int run();

 private:
  // A worker that is ready to be launched. Destroyed in reverse order: the ports use the worker's loop.
  struct candidate {
    std::unique_ptr<worker> thread;
    worker_ports ports;
    engine::processors work;
    metrics::shard* counts = nullptr;
  };

  [[nodiscard]] std::string topic_of(const statements::output_declaration& output) const;
  [[nodiscard]] result<std::vector<std::string>> output_topics() const;
  result<void> start_admin();
  bool wait_for(const error& dependency);
  result<void> start_workers();
  result<candidate> make_worker();
  // None when no tap or trace is enabled, so that records cost nothing.
  [[nodiscard]] engine::record_observer* observer_of(unsigned worker) const {
    return settings_.tap.enabled || traces_ ? samplers_[worker].get() : nullptr;
  }
  result<void> prepare(const worker_ports& ports, engine::processors& work);
  [[nodiscard]] result<std::string> subject_for(const statements::output_declaration& output) const;
  void supervise();
  void watch();
  [[nodiscard]] std::string not_ready();
  int closing();
  [[nodiscard]] process_view view() const;
  [[nodiscard]] std::vector<worker_pulse> pulses() const;
  [[nodiscard]] admin_page page(std::string_view path);
  [[nodiscard]] admin_page order(const admin_request& wanted);

  const application& app_;
  const app_config settings_;
  metrics::catalogue declared_;
  metrics::registry counts_;
  engine::byte_budget budget_;
  engine::retry_budget retries_;
  statements::invalidation_board invalidations_;
  std::unique_ptr<connections> connections_;
  std::unique_ptr<trace_exporter> traces_;
  std::vector<std::unique_ptr<record_sampler>> samplers_;  // a worker's each
  mutable std::mutex mutex_;  // guards workers_, started_ and waits_for_ against the admin thread
  std::vector<std::unique_ptr<worker>> workers_;
  bool started_ = false;
  std::string waits_for_;
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

int process::run() {
  // Before any thread exists, so that every thread inherits the mask and signals are read in one place.
  const sigset_t signals = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0);  // a core would hold records and secrets

  use_buckets(settings_.metrics, declared_);
  declare_metrics(declared_);
  declared_.seal();
  hooks_.push_back(
      metrics::add_process_metrics(counts_, {app_.version, MILLRACE_VERSION, MILLRACE_REVISION}));
  hooks_.push_back(metrics::add_cgroup_metrics(counts_));
  hooks_.push_back(add_engine_metrics(
      counts_,
      {static_cast<double>(settings_.engine.in_flight_records_max) * worker_count(settings_),
       static_cast<double>(settings_.engine.memory_max.bytes), settings_.kafka.group,
       settings_.kafka.protocol == kafka::group_protocol::consumer ? "consumer" : "classic"},
      [this] { return pulses(); }, [this] { return readiness_.not_ready_because().empty(); }));
  hooks_.push_back(add_security_check_metrics(counts_, settings_));
  for (const insecure_setting& each : insecure_settings(settings_)) {
    log_event(log_level::warning, "insecure_config",
              {{"setting", std::string(each.setting)}, {"consequence", std::string(each.why)}});
  }
  const auto outputs = output_topics();
  if (!outputs) return fail(outputs.error());
  if (auto admin = start_admin(); !admin) return fail(admin.error());
  auto opened = connections::open(settings_, app_.name, app_.version, *outputs, counts_,
                                  [this](const error& why) { return wait_for(why); });
  if (stopped_) return exit_ok;
  if (!opened) return fail(opened.error());
  connections_ = std::move(*opened);
  if (!settings_.tracing.endpoint.empty()) {
    auto traces =
        trace_exporter::start(settings_.tracing, {app_.name, app_.version, settings_.kafka.group}, counts_);
    if (!traces) return fail(traces.error());
    traces_ = std::move(*traces);
  }
  if (auto started = start_workers(); !started) return fail(started.error());
  supervise();
  return closing();
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

std::string process::topic_of(const statements::output_declaration& output) const {
  const auto to = settings_.engine.outputs.find(output.name());
  return to == settings_.engine.outputs.end() ? output.name() : to->second;
}

// Where the processors produce to. An entry of `engine.outputs` that none of them declares is an error: what
// it was meant for would go elsewhere.
result<std::vector<std::string>> process::output_topics() const {
  const auto work = engine::build(app_.processors);
  if (!work) return work.error();
  std::vector<std::string> topics;
  std::set<std::string> names;
  for (const statements::output_declaration* output : work->declared.outputs) {
    topics.push_back(topic_of(*output));
    names.insert(output->name());
  }
  for (const auto& [name, topic] : settings_.engine.outputs) {
    if (names.contains(name)) continue;
    std::string known;
    for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
    return error(errc::config_invalid, "`engine.outputs` has '" + name +
                                           "', which is not an output; the outputs of " + app_.name +
                                           " are: " + (known.empty() ? "none" : known));
  }
  return topics;
}

// Under which subject the schema of an output is registered.
result<std::string> process::subject_for(const statements::output_declaration& output) const {
  const auto naming =
      settings_.registry ? settings_.registry->subject_naming : registry::subject_naming::topic;
  std::string record_name;
  if (naming != registry::subject_naming::topic) {
    const auto schema = avro::schema::parse(output.schema_text());
    if (!schema) return schema.error();
    record_name = schema->root().name;
  }
  return registry::subject_of(naming, output.topic(), registry::record_part::value, record_name);
}

result<void> process::prepare(const worker_ports& ports, engine::processors& work) {
  for (statements::statement_declaration* statement : work.declared.statements) {
    if (auto prepared = ports.store->prepare(*statement); !prepared) {
      return with_hint(prepared.error(), part::statement);
    }
  }
  for (statements::output_declaration* output : work.declared.outputs) {
    output->route_to(topic_of(*output));
    const auto subject = subject_for(*output);
    if (!subject) return subject.error().in("output '" + output->name() + "'");
    auto id = ports.schemas->register_schema(*subject, output->schema_text());
    if (!id) return with_hint(id.error().in("output '" + output->name() + "'"), part::registry);
    output->registered_as(*id);
  }
  return open_lookups(work.declared, *ports.lookups,
                      {settings_.lookups, worker_count(settings_), budget_.bytes_max()});
}

result<process::candidate> process::make_worker() {
  candidate made;
  made.thread = std::make_unique<worker>(system_clock());
  made.counts = &counts_.add_shard();
  made.thread->loop().measure_turns(worker_metrics(made.counts).turns);
  auto ports = connections_->attach(made.thread->loop(), *made.counts);
  if (!ports) return ports.error();
  made.ports = std::move(*ports);
  made.ports.lookups.reset(new statements::lookup_room{invalidations_, &budget_, made.counts});
  auto work = engine::build(app_.processors);
  if (!work) return work.error();
  made.work = std::move(*work);
  if (auto prepared = prepare(made.ports, made.work); !prepared) return prepared.error();
  return made;
}

// First everything that can fail, for all workers; then they join the group, and then they run.
result<void> process::start_workers() {
  const unsigned count = worker_count(settings_);
  std::vector<candidate> made;
  for (unsigned i = 0; i < count; ++i) {
    auto next = make_worker();
    if (!next) return next.error();
    made.push_back(std::move(*next));
  }
  for (unsigned i = 0; i < count; ++i) {
    if (auto joined = connections_->join(made[i].ports, made[i].thread->loop(), *made[i].counts, i); !joined)
      return joined.error();
  }
  for (unsigned i = 0; i < count; ++i) {
    engine::engine_options options = engine_options_of(settings_, i + 1);
    options.version = app_.version;
    auto log = std::make_shared<rate_limited_log>(
        system_clock(), [i](std::string_view event, const error& failure, std::uint64_t suppressed) {
          log_event(log_level::warning, event,
                    {{"error", failure.to_string()}, {"worker", i}, {"suppressed", suppressed}});
        });
    options.on_problem = [log](std::string_view event, const error& failure) { log->note(event, failure); };
    options.on_exception = [log](const engine::processor_exception& thrown) { log->note(thrown); };
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

// Until every engine has ended: handles signals; one failed worker stops the others.
void process::supervise() {
  const sigset_t signals = stop_signals();
  unsigned received = 0;
  std::optional<instant> aborted_at;
  while (ended_.load(std::memory_order_acquire) < workers_.size()) {
    timespec timeout{0, 100'000'000};
    const int number = ::sigtimedwait(&signals, nullptr, &timeout);
    if (number > 0) {
      ++received;
      log_event(log_level::info, "signal",
                {{"signal", name_of_signal(number)}, {"action", received == 1 ? "drain" : "abort"}});
      for (auto& w : workers_) received == 1 ? w->request_stop() : w->request_abort();
      if (received > 1 && !aborted_at) aborted_at = system_clock().now();
    } else if (ended_.load(std::memory_order_acquire) > 0) {
      for (auto& w : workers_) w->request_stop();
    }
    watch();
    if (aborted_at && system_clock().now() - *aborted_at > abort_obeyed_within) {
      log_event(log_level::error, "aborted",
                {{"consequence", "the event loop of a worker is blocked; no further commit is made"},
                 {"exit", exit_failure}});
      std::_Exit(exit_failure);
    }
  }
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
  workers_.clear();
  connections_.reset();
  samplers_.clear();
  traces_.reset();
  // Kafka's client is still waiting for the coordinator on threads of its own, under which nothing may be
  // torn down.
  if (!left_group) std::_Exit(code);
  return code;
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
  auto settings = load_config(arguments, std::cerr);
  if (!settings) return exit_config;
  set_up_log(settings->value.log.level, settings->value.log.format);
  return process(app, std::move(settings->value)).run();
}

int validate(const run_arguments& arguments) { return validate_config(arguments, std::cout, std::cerr); }

}  // namespace millrace::app
