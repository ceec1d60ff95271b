// Runs one processor without a server: a test feeds records, primes rows by statement text, reads the
// processor's effects and moves the clock.
//
// Example prelude:
//
//   #include <millrace/cql/statement.h>
//   #include <millrace/engine/output.h>
//   #include <millrace/simulation/parcel.h>
//   #include <millrace/stream/must.h>
//
//   class price final : public engine::processor<engine::parcel> {
//    public:
//     runtime::task<stream::outcome> process(engine::record<engine::parcel> parcel, stream::context ctx) override {
//       const auto found = co_await stream::must(select_(ctx, parcel->word));
//       if (!found) co_return stream::outcome::skipped("no price");
//       ctx.emit(priced_, parcel->word, {.number = **found, .word = parcel->word});
//       co_return stream::outcome::done();
//     }
//
//    private:
//     cql::statement<std::int64_t(std::string_view)> select_{"SELECT amount FROM price WHERE word = ?"};
//     engine::output<engine::parcel> priced_{"priced"};
//   };
//
// Example:
//
//   simulation::processor_runner<price> run;
//   run.database().prime("SELECT amount FROM price WHERE word = ?", {{std::int64_t{9}}});
//   run.feed({.number = 1, .word = "tea"}, {.offset = 42, .key = "v1"});
//   invariant(run.last().what() == stream::outcome::kind::done, "the record is done");
//   invariant(run.executed("SELECT amount FROM price WHERE word = ?").front().parameters[0].text() == "tea", "the key");
//   invariant(run.emitted<engine::parcel>("priced").front()->number == 9, "the emit of a record that is done");
//
// There is no engine: no retry, no dead-letter record, no commit. An outcome is what process() or deleted()
// returned, or the error or outcome with which stream::must() ended it, the error errc::processor_threw when an
// exception left it, or errc::answer_ignored when it did not look at the answer of a statement or service. Emits are those of
// records that are done.
// Lookups cache and share as declared, and their requests are executed statements like any other. Write times
// are those of one owner of the partition from its first record on. A record that waits (a slow statement, a
// sleep) continues when the clock is advanced.
//
// Services (service/http_client.h, service/blocking.h) have what http() and blocking() are primed with.
//
// Threads: the test's thread.
// Errors: an unreadable record and a failed prepare() are returned; misuse breaks an invariant. Misuse is also rows
// primed for a text that no statement of the processor has, and rows that do not fit the C++ type of its result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/base/clock.h>
#include <millrace/engine/processor.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/simulation/simulated_services.h>
#include <millrace/simulation/simulated_store.h>
#include <millrace/simulation/typed_record.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/log.h>
#include <millrace/stream/write_clock.h>

namespace millrace::simulation {

// The origin of a fed record. Members that are not set have defaults.
struct record_origin {
  std::string topic = "topic";
  std::int32_t partition = 0;
  std::optional<std::int64_t> offset = {};  // nullopt: one more than the last
  std::optional<std::string> key = {};
  std::optional<timestamp> created = {};  // nullopt: the clock's time
  std::vector<std::pair<std::string, std::string>> headers = {};
  nanoseconds put_off_for{0};  // time for which outcome::again has deferred the record already
};

// A record that a processor emitted.
struct emitted_record {
  std::string topic;
  std::optional<std::string> key;    // nullopt: null
  std::optional<byte_buffer> value;  // without the frame of the wire format; nullopt: a tombstone
  // Those that the processor gave, without those that the engine adds.
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
  std::optional<timestamp> created = {};       // nullopt: the time at which it is produced
  std::optional<std::int32_t> partition = {};  // nullopt: the key decides

  // The last header of that name; nullopt when it is absent or null.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
};

// A line that a processor logged.
struct logged_line {
  stream::log_level level = stream::log_level::info;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;  // values as text
  std::int64_t offset = 0;                                  // of the record

  // The value of a field as text; nullopt without such a field.
  [[nodiscard]] std::optional<std::string> field(std::string_view name) const;
};

// The part of a runner that does not depend on the processor's type.
class processor_runner_base {
 public:
  explicit processor_runner_base(const engine::processor_factory& factory);
  processor_runner_base(const processor_runner_base&) = delete;
  processor_runner_base& operator=(const processor_runner_base&) = delete;
  // A record that still waits when the runner is destroyed breaks an invariant: advance the clock first.
  ~processor_runner_base();

  // Prepares the statements against the metadata of database().describe(). Returns the error of a statement's
  // check(), for example errc::db_type_mismatch, and of simulated_store::check_primed(). Feeding the first record
  // prepares, too; an error then breaks an invariant.
  [[nodiscard]] result<void> prepare();

  // The database and the clock.
  [[nodiscard]] simulated_store& database() noexcept { return store_; }
  [[nodiscard]] manual_clock& time() noexcept { return time_; }
  // Moves the clock and fires every timer on the way at its deadline.
  void advance(nanoseconds by);

  // Feeds a record in the processor's format: `body` is decoded with `writer_schema`. Returns the error of a
  // record that cannot be decoded; it is not counted in outcomes().
  [[nodiscard]] result<void> feed_bytes(std::string_view writer_schema, bytes_view body,
                                        record_origin from = {});

  // Feeds a record without a value to deleted(). A processor that does not override it skips the record.
  void feed_tombstone(record_origin from = {});
  // Sets the decoded key of the records that follow, for a processor whose input has a type of keys; it is that
  // type. The objects that it views must outlive the records' processing. nullptr: a null key.
  template <class K>
  void set_key(K key) {
    auto owned = std::make_shared<const K>(std::move(key));
    key_value_ = std::shared_ptr<const void>(owned, owned.get());
    invariant(&engine::value_traits<K>::format() == key_type(),
              "the key is of the type that the input declares");
  }
  void set_key(std::nullptr_t) noexcept { key_value_ = nullptr; }

  // The outcomes in the order in which the records were fed; nullopt while a record is in flight.
  [[nodiscard]] const std::vector<std::optional<stream::outcome>>& outcomes() const noexcept {
    return outcomes_;
  }
  // The outcome of the record that was fed last, which must have ended.
  [[nodiscard]] const stream::outcome& last() const;
  // Returns the reaction of the processor's classify() to an error.
  [[nodiscard]] stream::reaction classified(const error& cause) const;

  // Every executed statement, in order.
  [[nodiscard]] const std::vector<executed_statement>& executed() const noexcept { return store_.executed(); }
  // The statistics of a lookup by its name, since the start.
  [[nodiscard]] statements::lookup_statistics lookups(std::string_view name) const;
  // The executions of one statement by its text.
  [[nodiscard]] std::vector<executed_statement> executed(std::string_view cql) const;
  // The server, or the threads, of a service that the processor declares; another name breaks an invariant.
  [[nodiscard]] simulated_http& http(std::string_view name);
  [[nodiscard]] simulated_blocking& blocking(std::string_view name);
  // The total of a counter of the processor, or the number of observations of a histogram: of the series with
  // these labels, or of all. 0 when nothing was counted; a name that the processor does not declare, or of a
  // gauge, breaks an invariant.
  [[nodiscard]] std::uint64_t counted(std::string_view name, metrics::label_filter labels = {});
  // The value of a gauge of the processor: of the series with these labels, or of all. A name that the processor
  // does not declare as a gauge breaks an invariant.
  [[nodiscard]] double gauged(std::string_view name, metrics::label_filter labels = {});
  // The lines that the processor logged, in order: every level, without a rate limit, also of attempts that
  // failed.
  [[nodiscard]] const std::vector<logged_line>& logged() const noexcept { return log_.lines; }
  // The emitted records, in order.
  [[nodiscard]] const std::vector<emitted_record>& emitted() const noexcept { return emitted_; }
  // The records that were emitted to `topic`, as structs. A value that is not a T breaks an invariant.
  template <class T>
  [[nodiscard]] std::vector<typed_record<T>> emitted(std::string_view topic) const {
    std::vector<typed_record<T>> found;
    for (const emitted_record& each : emitted_) {
      if (each.topic != topic) continue;
      typed_record<T>& made =
          found.emplace_back(typed_record<T>{each.key, each.headers, each.created, each.partition, nullptr});
      if (!each.value) continue;
      auto value = decode_record<T>(engine::value_traits<T>::schema_text(), *each.value);
      if (!value) invariant_broken(value.error().message().c_str());
      made.value = std::move(*value);
    }
    return found;
  }

 protected:
  struct fed;
  // `value` is what the record holds, nullptr for a tombstone; `owner` keeps it alive.
  void feed_value(const void* value, std::shared_ptr<const void> owner, record_origin from,
                  stream::record_ref block);
  [[nodiscard]] stream::record_ref make_block(const record_origin& from, std::optional<bytes_view> value);

 private:
  struct collected_log final : stream::log_sink {
    collected_log() : log_sink(stream::log_level::debug) {}
    void write(const stream::log_line& line) override;
    std::vector<logged_line> lines;
  };

  void ended(fed& which);
  // The type of the keys of the processor's inputs; nullptr: they are bytes.
  [[nodiscard]] const engine::value_format* key_type() const noexcept;
  // A metric that the processor declares.
  [[nodiscard]] const metrics::family& declared_metric(std::string_view name) const;

  manual_clock time_;
  runtime::loop loop_{time_};
  simulated_store store_{loop_, {}};
  simulated_services services_{loop_};
  stream::block_pool blocks_;
  statements::invalidation_board board_;
  statements::lookup_room room_{board_};
  std::map<std::int32_t, stream::write_clock> writes_;  // by partition
  metrics::catalogue declared_;
  metrics::registry counts_{declared_};
  collected_log log_;
  std::shared_ptr<const void> key_value_;
  engine::processors built_;
  bool prepared_ = false;
  std::int64_t next_offset_ = 0;
  std::deque<std::unique_ptr<fed>> at_work_;
  std::vector<std::optional<stream::outcome>> outcomes_;
  std::vector<emitted_record> emitted_;
};

template <class P>
class processor_runner : public processor_runner_base {
 public:
  using value_type = typename P::value_type;

  // `arguments` are passed to the processor's constructor.
  template <class... Arguments>
  explicit processor_runner(Arguments... arguments)
      : processor_runner_base(engine::make<P>(std::move(arguments)...)) {}

  // Feeds a record with this value. The objects that the struct views must outlive the record's processing.
  void feed(value_type value, record_origin from = {}) {
    auto owned = std::make_shared<const value_type>(std::move(value));
    const void* at = owned.get();
    stream::record_ref block = make_block(from, std::nullopt);
    feed_value(at, std::move(owned), std::move(from), std::move(block));
  }
};

}  // namespace millrace::simulation
