#include <algorithm>
#include <deque>
#include <map>

#include <millrace/app/config_commands.h>
#include <millrace/app/metric_catalogue.h>
#include <millrace/app/preparation.h>
#include <millrace/app/schema_file.h>
#include <millrace/avro/framing.h>
#include <millrace/base/assert.h>
#include <millrace/base/key_hash.h>
#include <millrace/base/text.h>
#include <millrace/config/load.h>
#include <millrace/harness/application_runner.h>

#include "memory_tables.h"
#include "process.h"

namespace millrace::harness {
namespace {

[[noreturn]] void misused(const std::string& what) { invariant_broken(what.c_str()); }

byte_buffer framed(std::int32_t id, bytes_view body) {
  byte_buffer bytes;
  avro::append_frame(id, bytes);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

std::optional<byte_buffer> buffer_of(std::optional<bytes_view> bytes) {
  if (!bytes) return std::nullopt;
  return byte_buffer(bytes->begin(), bytes->end());
}

// Takes the first error of a script; nullopt when it is used up.
std::optional<error> take(std::map<std::string, std::deque<error>, std::less<>>& from,
                          std::string_view name) {
  for (const std::string_view each : {name, std::string_view()}) {
    const auto found = from.find(each);
    if (found == from.end() || found->second.empty()) continue;
    error first = std::move(found->second.front());
    found->second.pop_front();
    return first;
  }
  return std::nullopt;
}

}  // namespace

struct application_runner::state {
  state(app::application of, runner_options with) : application(std::move(of)), options(std::move(with)) {}

  [[nodiscard]] result<void> read_settings();
  [[nodiscard]] result<void> read_schema();
  [[nodiscard]] result<void> declare_metrics();
  void make_surroundings();
  [[nodiscard]] simulation::store_fate fate_of(const simulation::executed_statement& what);
  [[nodiscard]] simulation::produce_fate fate_of(const simulation::produced_record& what);
  [[nodiscard]] std::uint32_t topic_index(std::string_view topic) const;
  [[nodiscard]] std::optional<std::string> waiting() const;
  [[nodiscard]] metrics::snapshot snapshot_with(std::string_view name, bool gauge);
  void need_service(std::string_view name) const {
    if (!services.is_declared(name)) misused("no processor declares the service '" + std::string(name) + "'");
  }
  [[nodiscard]] std::string folded(std::string_view cql) const {
    return cql.empty() ? "" : simulation::folded_cql(cql);
  }

  app::application application;
  runner_options options;
  config::loaded<app::app_config> loaded;
  engine::processor_set processors;
  std::vector<engine::input_options> inputs;
  manual_clock time;
  runtime::loop loop{time};
  simulation::simulated_log log;
  simulation::simulated_services services{loop};
  metrics::catalogue declared;
  metrics::registry counts{declared};
  std::unique_ptr<memory_tables> tables;

  // Scripts, by folded text or topic.
  std::map<std::string, std::deque<error>, std::less<>> statement_errors;
  std::map<std::string, nanoseconds, std::less<>> statement_delays;
  std::map<std::string, std::deque<error>, std::less<>> topic_errors;
  bool database_down = false;
  bool broker_down = false;

  // Observed.
  std::vector<simulation::executed_statement> executed;
  std::vector<simulation::produced_record> written;
  std::vector<simulation::logged_line> logged;
  std::vector<std::string> reported;
  std::vector<std::string> schemas;

  std::size_t members = 1;
  std::int32_t next_partition = 0;
  std::map<std::string, std::vector<simulation::row>> primed;
  bool prepared = false;
  std::unique_ptr<surroundings> within;
  std::unique_ptr<process> running;
};

result<void> application_runner::state::read_settings() {
  if (options.config_file.empty() && options.settings.empty())
    return error(errc::config_invalid, "runner_options name neither a config_file nor settings");
  config::inputs from;
  from.file = options.config_file.empty() ? "settings" : options.config_file;
  if (options.config_file.empty()) from.text = options.settings;
  from.environment = config::process_environment();
  from.set = options.set;
  loaded = app::read_config(application, from);
  if (!loaded.ok()) return config::to_error(loaded.diagnostics);
  auto made = app::processors_of(application, loaded.value);
  if (!made) return made.error();
  processors = std::move(*made);
  auto read = app::read_inputs(loaded.value);
  if (!read) return read.error();
  inputs = std::move(*read);
  return app::check_start(processors, loaded.value, 1);
}

result<void> application_runner::state::read_schema() {
  if (options.schema_file.empty() && options.schema.empty()) return {};
  const std::string keyspace = loaded.value.cql ? loaded.value.cql->keyspace : std::string();
  auto file = options.schema_file.empty() ? app::schema_file::of(options.schema, "schema", keyspace)
                                          : app::schema_file::read(options.schema_file, keyspace);
  if (!file) return file.error();
  auto found = file->diagnostics();
  if (found.empty()) found = file->check(processors, loaded.value);
  if (config::has_errors(found)) return config::to_error(found);
  auto made = memory_tables::make(file->schema(), keyspace);
  if (!made) return made.error();
  tables = std::move(*made);
  return {};
}

result<void> application_runner::state::declare_metrics() {
  app::use_buckets(loaded.value.metrics, declared);
  app::declare_metrics(declared);
  const auto work = engine::build(processors);
  if (!work) return work.error();
  if (auto own = app::declare_metrics(work->declared, declared); !own) return own;
  declared.seal();
  return {};
}

void application_runner::state::make_surroundings() {
  for (const std::string& topic : app::topics_of(loaded.value)) log.add_topic(topic, options.partitions);
  within.reset(new surroundings{
      application,
      loaded.value,
      processors,
      inputs,
      time,
      loop,
      log,
      services,
      counts,
      {[this](const simulation::executed_statement& what) { return fate_of(what); },
       [this](const simulation::executed_statement& what) { executed.push_back(what); }, tables.get()},
      {[this](const simulation::produced_record& what) { return fate_of(what); },
       [this](const simulation::produced_record& what) { written.push_back(what); }},
      primed,
      schemas,
      logged,
      reported,
      options.seed});
}

simulation::store_fate application_runner::state::fate_of(const simulation::executed_statement& what) {
  simulation::store_fate fate;
  if (const auto slow = statement_delays.find(what.cql); slow != statement_delays.end())
    fate.until_applied = slow->second;
  fate.failure = take(statement_errors, what.cql);
  if (database_down) fate.failure = error(errc::db_unavailable, "the test holds the database down");
  return fate;
}

simulation::produce_fate application_runner::state::fate_of(const simulation::produced_record& what) {
  simulation::produce_fate fate;
  fate.failure = take(topic_errors, what.topic);
  if (broker_down) fate.failure = error(errc::broker_unavailable, "the test holds the broker down");
  return fate;
}

std::uint32_t application_runner::state::topic_index(std::string_view topic) const {
  const std::vector<std::string> topics = app::topics_of(loaded.value);
  const auto found = std::find(topics.begin(), topics.end(), topic);
  if (found == topics.end())
    misused("'" + std::string(topic) +
            "' is not a topic that the application reads: " + joined(topics, ", "));
  return static_cast<std::uint32_t>(found - topics.begin());
}

// A partition with records that are not committed, as text.
std::optional<std::string> application_runner::state::waiting() const {
  const std::vector<std::string> topics = app::topics_of(loaded.value);
  for (std::uint32_t topic = 0; topic < topics.size(); ++topic) {
    for (const stream::partition_id each : log.partitions(topic)) {
      if (log.committed(each).value_or(0) == log.end(each)) continue;
      return "topic " + topics[topic] + " partition " + std::to_string(each.partition) +
             " is committed up to offset " + std::to_string(log.committed(each).value_or(0)) + " of " +
             std::to_string(log.end(each));
    }
  }
  return std::nullopt;
}

metrics::snapshot application_runner::state::snapshot_with(std::string_view name, bool gauge) {
  const metrics::family* const found = declared.find(name);
  if (found == nullptr) misused("no metric is called '" + std::string(name) + "'");
  const bool is_gauge = found->kind == metrics::kind::gauge;
  if (is_gauge != gauge)
    misused("'" + std::string(name) + "' is " + (is_gauge ? "a gauge: gauged()" : "no gauge: counted()"));
  return counts.take_snapshot();
}

application_runner::application_runner(app::application app, runner_options options)
    : state_(std::make_unique<state>(std::move(app), std::move(options))) {}

application_runner::~application_runner() {
  if (state_->running) state_->running->crash();
}

result<void> application_runner::start() {
  if (state_->running) return {};
  if (!state_->prepared) {
    if (auto read = state_->read_settings(); !read) return read;
    if (auto read = state_->read_schema(); !read) return read;
    if (auto made = state_->declare_metrics(); !made) return made;
    state_->make_surroundings();
    state_->prepared = true;
  }
  auto made = std::make_unique<process>(*state_->within);
  if (auto started = made->start(state_->members); !started) {
    made->crash();
    return started;
  }
  state_->running = std::move(made);
  return {};
}

void application_runner::need_start() {
  if (auto started = start(); !started)
    misused("the application does not start: " + started.error().to_string());
}

place application_runner::produce_encoded(std::string_view topic, std::optional<std::string> key,
                                          std::string_view writer_schema, bytes_view body,
                                          message_options with) {
  need_start();
  const byte_buffer value = framed(state_->running->add_schema(writer_schema), body);
  return produce_bytes(topic, std::move(key), bytes_view(value), std::move(with));
}

place application_runner::produce_bytes(std::string_view topic, std::optional<std::string> key,
                                        std::optional<bytes_view> value, message_options with) {
  need_start();
  const std::uint32_t index = state_->topic_index(topic);
  const std::int32_t partitions = state_->options.partitions;
  simulation::simulated_record record;
  if (key) record.key = buffer_of(as_bytes(*key));
  record.value = buffer_of(value);
  for (const auto& [name, text] : with.headers) record.headers.emplace_back(name, buffer_of(as_bytes(text)));
  record.created = with.created.value_or(now());
  std::int32_t partition = 0;
  if (with.partition) {
    partition = *with.partition;
    if (partition < 0 || partition >= partitions)
      misused("the topic has no partition " + std::to_string(partition));
  } else if (key) {
    partition =
        static_cast<std::int32_t>(key_hash(as_bytes(*key), 0) % static_cast<std::uint64_t>(partitions));
  } else {
    partition = state_->next_partition++ % partitions;
  }
  const std::int64_t offset = state_->log.append({index, partition}, std::move(record));
  state_->running->wake();
  return {partition, offset};
}

result<void> application_runner::run_until_idle(nanoseconds limit) {
  if (auto started = start(); !started) return started;
  if (auto primed = state_->running->check_primed(); !primed) return primed;
  const instant end = state_->time.now() + limit;
  for (;;) {
    state_->loop.run_pending();
    if (auto failed = state_->running->failure()) return *failed;
    const auto waits = state_->waiting();
    if (!waits) return {};
    const auto next = state_->loop.next_deadline();
    if (!next || *next > end) {
      const std::string oldest = state_->running->oldest();
      return error(errc::timed_out,
                   "not idle within the limit of simulated time: " + (oldest.empty() ? *waits : oldest));
    }
    state_->time.advance_to(*next);
  }
}

void application_runner::advance(nanoseconds by) {
  need_start();
  if (auto primed = state_->running->check_primed(); !primed) misused(primed.error().to_string());
  const instant end = state_->time.now() + by;
  state_->loop.run_pending();
  while (const auto next = state_->loop.next_deadline()) {
    if (*next > end) break;
    state_->time.advance_to(*next);
    state_->loop.run_pending();
  }
  state_->time.advance_to(end);
  state_->loop.run_pending();
}

timestamp application_runner::now() const {
  return std::chrono::time_point_cast<milliseconds>(state_->time.wall());
}

void application_runner::rebalance(std::size_t members) {
  invariant(members > 0, "a group has a member");
  need_start();
  state_->members = members;
  if (auto moved = state_->running->resize(members); !moved) misused(moved.error().to_string());
}

void application_runner::lose_partitions() {
  need_start();
  state_->running->lose_partitions();
}

void application_runner::crash_and_restart() {
  need_start();
  state_->running->crash();
  state_->running.reset();
  need_start();
}

result<void> application_runner::stop() {
  need_start();
  auto ended = state_->running->end();
  state_->running.reset();
  return ended;
}

void application_runner::fail_statement(std::string_view cql, const error& failure, std::size_t times) {
  auto& script = state_->statement_errors[state_->folded(cql)];
  script.insert(script.end(), times, failure);
}

void application_runner::delay_statement(std::string_view cql, nanoseconds time) {
  state_->statement_delays[state_->folded(cql)] = time;
}

void application_runner::fail_topic(std::string_view topic, const error& failure, std::size_t times) {
  auto& script = state_->topic_errors[std::string(topic)];
  script.insert(script.end(), times, failure);
}

void application_runner::set_database_down(bool down) { state_->database_down = down; }
void application_runner::set_broker_down(bool down) { state_->broker_down = down; }

simulation::simulated_http& application_runner::http(std::string_view name) {
  need_start();
  state_->need_service(name);
  return state_->services.http(name);
}

simulation::simulated_blocking& application_runner::blocking(std::string_view name) {
  need_start();
  state_->need_service(name);
  return state_->services.blocking(name);
}

void application_runner::prime(std::string_view cql, std::vector<simulation::row> rows) {
  if (state_->running) state_->running->prime(cql, rows);
  if (state_->within) state_->within->primed[std::string(cql)] = rows;
  state_->primed[std::string(cql)] = std::move(rows);
}

void application_runner::execute(std::string_view cql) {
  need_start();
  if (!state_->tables) misused("execute() needs a schema: runner_options::schema_file or schema");
  const std::int64_t at_us = (state_->time.wall() - seconds(1)).time_since_epoch().count();
  if (auto done = state_->tables->execute_text(cql, at_us); !done) misused(done.error().to_string());
}

std::vector<simulation::row> application_runner::query(std::string_view cql) {
  need_start();
  if (!state_->tables) misused("query() needs a schema: runner_options::schema_file or schema");
  auto found = state_->tables->execute(cql, {}, 0);
  if (!found) misused(std::string(cql) + ": " + found.error().to_string());
  return std::move(found->rows);
}

std::vector<simulation::executed_statement> application_runner::executed(std::string_view cql) const {
  const std::string wanted = state_->folded(cql);
  std::vector<simulation::executed_statement> found;
  for (const simulation::executed_statement& each : state_->executed) {
    if (wanted.empty() || each.cql == wanted) found.push_back(each);
  }
  return found;
}

std::vector<simulation::produced_record> application_runner::emitted(std::string_view output) const {
  const auto& routes = state_->loaded.value.engine.outputs;
  const auto routed = routes.find(std::string(output));
  const std::string_view topic = routed == routes.end() ? output : std::string_view(routed->second);
  std::vector<simulation::produced_record> found;
  for (const simulation::produced_record& each : state_->written) {
    if (each.topic == topic) found.push_back(each);
  }
  return found;
}

std::vector<simulation::produced_record> application_runner::dead_letters() const {
  std::vector<simulation::produced_record> found;
  for (const simulation::produced_record& each : state_->written) {
    if (each.topic == state_->loaded.value.engine.dead_letter_topic) found.push_back(each);
  }
  return found;
}

std::pair<std::string_view, bytes_view> application_runner::unframed(bytes_view framed_value) const {
  const auto split = avro::split_frame(framed_value);
  if (!split) misused("the value has no schema id");
  const auto id = static_cast<std::uint32_t>(split->schema_id);
  if (id == 0 || id > state_->schemas.size()) misused("no schema has the id " + std::to_string(id));
  return {state_->schemas[id - 1], split->datum};
}

std::uint64_t application_runner::counted(std::string_view name, metrics::label_filter labels) {
  need_start();
  const metrics::snapshot now = state_->snapshot_with(name, false);
  if (state_->declared.find(name)->kind == metrics::kind::histogram)
    return now.histogram(name, labels).count();
  return static_cast<std::uint64_t>(now.value(name, labels).value_or(0));
}

double application_runner::gauged(std::string_view name, metrics::label_filter labels) {
  need_start();
  return state_->snapshot_with(name, true).value(name, labels).value_or(0);
}

const std::vector<simulation::logged_line>& application_runner::logged() const { return state_->logged; }
const std::vector<std::string>& application_runner::reported() const { return state_->reported; }

engine::record_accounting application_runner::accounting() const {
  return state_->running ? state_->running->accounting() : engine::record_accounting{};
}

std::optional<std::int64_t> application_runner::committed(std::string_view topic,
                                                          std::int32_t partition) const {
  return state_->log.committed({state_->topic_index(topic), partition});
}

const app::app_config& application_runner::settings() const { return state_->loaded.value; }

}  // namespace millrace::harness
