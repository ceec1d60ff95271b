// Runs a whole application in one process without a server: all its processors under the record engine, with order,
// retries, dead letters, rebalances, restarts, settings, metrics and log lines, on a simulated Kafka, schema registry
// and database. Time is simulated, so that a retry after ten seconds takes no time.
//
// Example prelude:
//
//   #include <millrace/cql/statement.h>
//   #include <millrace/engine/output.h>
//   #include <millrace/simulation/parcel.h>
//   #include <millrace/stream/must.h>
//
//   class receive final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       co_await stream::must(insert_(ctx, parcel->word, parcel->number));
//       ctx.emit(received_, parcel->word, *parcel);
//       co_return stream::outcome::done();
//     }
//
//    private:
//     cql::statement<void(std::string_view, std::int64_t)> insert_{"INSERT INTO parcel (word, number) VALUES (?, ?)"};
//     engine::output<engine::parcel> received_{"received"};
//   };
//
//   constexpr const char* settings = R"(
//   kafka: {bootstrap_servers: none:9092, group: post, topics: [parcels]}
//   registry: {urls: ["http://none"]}
//   cql: {contact_points: [none], keyspace: post}
//   engine: {dead_letter_topic: parcels-dlq}
//   )";
//
// Example:
//
//   harness::application_runner run({.name = "post", .processors = {engine::make<receive>()}},
//                                   {.settings = settings, .schema = "CREATE TABLE parcel (word text PRIMARY KEY, number bigint);"});
//   run.produce<engine::parcel>("parcels", "k", {7, "tea"});
//   run.fail_statement("INSERT INTO parcel (word, number) VALUES (?, ?)", error(errc::timed_out));  // once: it is retried
//   if (const auto idle = run.run_until_idle(); !idle) return idle;
//   invariant(run.query("SELECT number FROM parcel WHERE word = 'tea'").front()[0].bigint() == 7, "the row");
//   invariant(run.emitted<engine::parcel>("received").front()->number == 7, "the emit");
//   invariant(run.dead_letters().empty(), "a retry is no dead letter");
//
// The configuration is the application's own file or a text; addresses in it are not used. Everything that a start
// checks without a server is checked in the same way, by start() or the first call that needs it.
//
// Database: with a schema, the tables of the CQL emulator (emulators/cql_tables.h): statements are prepared, checked and
// executed, rows that one statement writes another reads, and query() shows them. Indexes and views do not exist, and a
// TTL does not expire. Without a schema, statements have the rows of prime(). Primed rows come before tables.
//
// Kafka: topics of the configuration with `partitions` partitions each; a key decides the partition. The members of the
// consumer group (one, until rebalance()) share the thread. Schema registry: accepts every schema.
//
// Services: the servers of http() and the threads of blocking(), which outlive a process of the application. A request
// for which nothing is primed stops the application. Limits of the sections `http` and `blocking` do not apply.
//
// Threads: the test's thread.
// Errors: of start(), run_until_idle() and stop(). Misuse breaks an invariant with the reason: a start that fails in
// another call, a topic that is not configured, a value that is not of the type as which it is read, a query that the
// database refuses, rows that are primed for a statement that no processor has, a service that no processor declares.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/app/application.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/engine/status.h>
#include <millrace/engine/value.h>
#include <millrace/metrics/registry.h>
#include <millrace/simulation/processor_runner.h>
#include <millrace/simulation/simulated_services.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_store.h>
#include <millrace/simulation/typed_record.h>

namespace millrace::harness {

// Options of a run.
struct runner_options {
  std::string config_file = {};       // the application's own; or
  std::string settings = {};          // its text
  std::vector<std::string> set = {};  // "section.key=value" over it
  std::string schema_file = {};       // schema.cql; or
  std::string schema = {};            // its text; neither: the database has primed rows only
  std::int32_t partitions = 4;        // of each topic that is read
  std::uint64_t seed = 1;             // of everything that is random: the same seed gives the same run
};

// Parts of a record beside key and value. Members that are not set have defaults.
struct message_options {
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::optional<std::int32_t> partition = {};  // nullopt: the key decides; without a key, each in turn
  std::optional<timestamp> created = {};       // nullopt: now
};

// The place of a produced record.
struct place {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

// An application and everything around it.
class application_runner {
 public:
  explicit application_runner(app::application app, runner_options options);
  application_runner(const application_runner&) = delete;
  application_runner& operator=(const application_runner&) = delete;
  // Ends like a crash.
  ~application_runner();

  // Reads the configuration and the schema, prepares everything and starts to consume. Called by the first call that
  // needs it. Returns errc::config_invalid with every finding, or the error of a statement or output.
  [[nodiscard]] result<void> start();

  // Appends a record to a topic that the application reads; its schema is registered. Returns its place.
  template <class T>
  place produce(std::string_view topic, std::optional<std::string> key, const T& value,
                message_options with = {}) {
    byte_buffer body;
    if (const auto written = engine::value_traits<T>::encode(value, body); !written)
      invariant_broken(written.error().message().c_str());
    return produce_encoded(topic, std::move(key), engine::value_traits<T>::schema_text(), body,
                           std::move(with));
  }
  // The same with a value that another schema wrote, without a frame.
  place produce_encoded(std::string_view topic, std::optional<std::string> key,
                        std::string_view writer_schema, bytes_view body, message_options with = {});
  // The same with the bytes of the value as they are; nullopt: a tombstone.
  place produce_bytes(std::string_view topic, std::optional<std::string> key, std::optional<bytes_view> value,
                      message_options with = {});

  // Runs until every record is finished and committed, moving the clock from timer to timer. Returns the error of an
  // application that stopped by itself, and errc::timed_out with the oldest unfinished record when that takes longer
  // than `limit` of simulated time.
  [[nodiscard]] result<void> run_until_idle(nanoseconds limit = std::chrono::hours(1));
  // Moves the clock, and runs everything that falls due.
  void advance(nanoseconds by);
  // The wall clock.
  [[nodiscard]] timestamp now() const;

  // Changes the number of members of the group. Members join or leave as on a deployment; partitions that move are
  // drained, committed and taken over, which may take simulated time.
  void rebalance(std::size_t members);
  // Every member loses its partitions without having been asked, as after a pause longer than the session timeout, and
  // receives them again. Records in flight are abandoned and delivered again.
  void lose_partitions();
  // The process is gone without a commit; another one starts. Records above the committed offsets are delivered again.
  void crash_and_restart();
  // Stops as SIGTERM does. Returns the failure of the application, or errc::cancelled when records were left behind.
  // A later call starts a new process.
  [[nodiscard]] result<void> stop();

  // The next `times` executions of a statement fail with `failure`, without effect; "": of any statement.
  void fail_statement(std::string_view cql, const error& failure, std::size_t times = 1);
  // Every execution of a statement takes so long from now on.
  void delay_statement(std::string_view cql, nanoseconds time);
  // The next `times` records to a topic are refused by the broker.
  void fail_topic(std::string_view topic, const error& failure, std::size_t times = 1);
  // While true, no statement is executed, or no record is acknowledged: an outage.
  void set_database_down(bool down);
  void set_broker_down(bool down);

  // The server, or the threads, of a service that a processor declares.
  [[nodiscard]] simulation::simulated_http& http(std::string_view name);
  [[nodiscard]] simulation::simulated_blocking& blocking(std::string_view name);

  // Sets the rows of a statement, instead of those of the tables. The text is that of a statement of a processor, and
  // the rows fit the C++ type of its result.
  void prime(std::string_view cql, std::vector<simulation::row> rows);
  // Executes a statement without parameters on the tables, for initial rows: a second before now, so that records
  // overwrite it.
  void execute(std::string_view cql);
  // The rows of a SELECT without parameters.
  [[nodiscard]] std::vector<simulation::row> query(std::string_view cql);
  // The executions of a statement since the beginning; "": of all. Texts are compared with white space folded.
  [[nodiscard]] std::vector<simulation::executed_statement> executed(std::string_view cql = {}) const;

  // The records of an output, as structs, in the order in which they were written. `output` is the declared name.
  template <class T>
  [[nodiscard]] std::vector<simulation::typed_record<T>> emitted(std::string_view output) const {
    std::vector<simulation::typed_record<T>> all;
    for (const simulation::produced_record& each : emitted(output)) {
      simulation::typed_record<T>& made = all.emplace_back(untyped<T>(each));
      if (!each.value) continue;
      const auto [schema, body] = unframed(*each.value);
      auto value = simulation::decode_record<T>(schema, body);
      if (!value) invariant_broken(value.error().message().c_str());
      made.value = std::move(*value);
    }
    return all;
  }
  // The same as bytes, with every header.
  [[nodiscard]] std::vector<simulation::produced_record> emitted(std::string_view output) const;
  // The records of the dead-letter topic. header("millrace.dlq.message") is the reason, "millrace.dlq.code" the error.
  [[nodiscard]] std::vector<simulation::produced_record> dead_letters() const;

  // The total of a counter, of the application or of Millrace, or the number of observations of a histogram: of the
  // series with these labels, or of all, since the beginning. A name that is not declared breaks an invariant.
  [[nodiscard]] std::uint64_t counted(std::string_view name, metrics::label_filter labels = {});
  // The value of a gauge.
  [[nodiscard]] double gauged(std::string_view name, metrics::label_filter labels = {});
  // The lines that processors logged, in order: every level, without a rate limit.
  [[nodiscard]] const std::vector<simulation::logged_line>& logged() const;
  // What Millrace itself reported: failed commits, exceptions, skipped tombstones.
  [[nodiscard]] const std::vector<std::string>& reported() const;
  // The record accounting of the members that run.
  [[nodiscard]] engine::record_accounting accounting() const;
  // The committed offset of a partition; nullopt without a commit.
  [[nodiscard]] std::optional<std::int64_t> committed(std::string_view topic, std::int32_t partition) const;
  // The configuration. start() has succeeded.
  [[nodiscard]] const app::app_config& settings() const;

 private:
  struct state;

  template <class T>
  [[nodiscard]] static simulation::typed_record<T> untyped(const simulation::produced_record& from) {
    const auto text = [](const std::optional<byte_buffer>& bytes) {
      return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
    };
    simulation::typed_record<T> made{text(from.key), {}, from.created, from.partition, nullptr};
    for (const auto& [name, value] : from.headers) made.headers.emplace_back(name, text(value));
    return made;
  }
  // The writer's schema and the body of a framed value.
  [[nodiscard]] std::pair<std::string_view, bytes_view> unframed(bytes_view framed) const;
  void need_start();

  std::unique_ptr<state> state_;
};

}  // namespace millrace::harness
