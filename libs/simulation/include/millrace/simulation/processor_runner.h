// Runs one processor with no server: feed it records, prime rows by statement text, read what it did, move
// the clock.
//
//   simulation::processor_runner<enrich_visits> run;
//   run.database().prime("SELECT segment, score FROM visitor_profile WHERE visitor_id = ?", {{"gold", 0.9}});
//   run.feed({.visitor_id = "v1"}, {.key = "v1", .offset = 42});
//   EXPECT_EQ(run.last().what(), stream::outcome::kind::done);
//   EXPECT_EQ(run.executed("INSERT INTO visit ...").front().parameters[0].text(), "v1");
//   EXPECT_EQ(run.emitted<enriched_visit>("enriched")...);
//
// There is no engine: no retry, no dead letter, no commit. An outcome is what process() returned, or the
// error errc::processor_threw when an exception left it; emits are those of records that were done. Lookups
// cache and share as they are declared, and their requests are executed statements like any other; write
// times are those of one owner of the partition from its first record on. A record that waits (a slow
// statement, a sleep) goes on when the clock is advanced.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/engine/processor.h>
#include <millrace/runtime/loop.h>
#include <millrace/simulation/simulated_store.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/write_clock.h>

namespace millrace::simulation {

// Where a fed record came from.
struct record_origin {
  std::string topic = "topic";
  std::int32_t partition = 0;
  std::optional<std::int64_t> offset = {};  // default: one more than the last
  std::optional<std::string> key = {};
  std::optional<timestamp> created = {};  // default: the clock's
  std::vector<std::pair<std::string, std::string>> headers = {};
  nanoseconds put_off_for{0};  // how long outcome::again has put the record off already
};

struct emitted_record {
  std::string topic;
  std::string key;
  byte_buffer value;  // without the frame of the wire format
};

// The part that knows no types.
class processor_runner_base {
 public:
  explicit processor_runner_base(const engine::processor_factory& factory);
  processor_runner_base(const processor_runner_base&) = delete;
  processor_runner_base& operator=(const processor_runner_base&) = delete;
  // Records that still wait when the runner ends break an invariant: advance the clock first.
  ~processor_runner_base();

  // Prepares the statements against what database().describe() says. Feeding does it, too; a mismatch is an
  // error.
  [[nodiscard]] result<void> prepare();

  [[nodiscard]] simulated_store& database() noexcept { return store_; }
  [[nodiscard]] manual_clock& time() noexcept { return time_; }
  // Moves the clock, stopping at every timer on the way.
  void advance(nanoseconds by);

  // Feeds a record in the processor's format: `body` is decoded with `writer_schema`. An error: it does not
  // decode.
  [[nodiscard]] result<void> feed_bytes(std::string_view writer_schema, bytes_view body,
                                        record_origin from = {});

  // In the order in which the records were fed; nullopt while one is still at work.
  [[nodiscard]] const std::vector<std::optional<stream::outcome>>& outcomes() const noexcept {
    return outcomes_;
  }
  // Of the record fed last, which must have ended.
  [[nodiscard]] const stream::outcome& last() const;

  [[nodiscard]] const std::vector<executed_statement>& executed() const noexcept { return store_.executed(); }
  // Since the start; of a lookup by its name.
  [[nodiscard]] statements::lookup_statistics lookups(std::string_view name) const;
  // Those of one statement, by its text.
  [[nodiscard]] std::vector<executed_statement> executed(std::string_view cql) const;
  [[nodiscard]] const std::vector<emitted_record>& emitted() const noexcept { return emitted_; }

 protected:
  struct fed;
  // `value` is what the record holds; `owner` keeps it alive.
  void feed_value(const void* value, std::shared_ptr<const void> owner, record_origin from,
                  stream::record_ref block);
  [[nodiscard]] stream::record_ref make_block(const record_origin& from, std::optional<bytes_view> value);

 private:
  void ended(fed& which);

  manual_clock time_;
  runtime::loop loop_{time_};
  simulated_store store_{loop_, {}};
  stream::block_pool blocks_;
  statements::invalidation_board board_;
  statements::lookup_room room_{board_};
  std::map<std::int32_t, stream::write_clock> writes_;  // by partition
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

  // `arguments` go to the processor's constructor.
  template <class... Arguments>
  explicit processor_runner(Arguments... arguments)
      : processor_runner_base(engine::make<P>(std::move(arguments)...)) {}

  // What the struct views must outlive the record's work.
  void feed(value_type value, record_origin from = {}) {
    auto owned = std::make_shared<const value_type>(std::move(value));
    const void* at = owned.get();
    stream::record_ref block = make_block(from, std::nullopt);
    feed_value(at, std::move(owned), std::move(from), std::move(block));
  }
};

}  // namespace millrace::simulation
