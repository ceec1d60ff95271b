#include "member.h"

#include <charconv>
#include <stdexcept>

#include <millrace/engine/output.h>
#include <millrace/simulation/parcel.h>

namespace scenario {

using namespace millrace;
using engine::parcel;

namespace {

constexpr std::string_view dead_letters = "dead";
constexpr std::string_view select_profile = "SELECT segment FROM profile WHERE id = ?";
constexpr std::string_view insert_visit = "INSERT INTO visit (number) VALUES (?)";
constexpr std::string_view insert_latest = "INSERT INTO latest (key, number) VALUES (?, ?)";

class statement final : public statements::statement_declaration {
 public:
  explicit statement(std::string_view cql, statements::write_time written = statements::write_time::server)
      : statement_declaration(std::string(cql), {.written = written}) {}
  result<void> check(const std::vector<statements::column>&,
                     const std::vector<statements::column>&) override {
    return {};
  }
};

std::string key_of(const engine::record<parcel>& p) {
  const std::optional<bytes_view> key = p.key();
  return key ? std::string(as_text(*key)) : std::string();
}

// The record a produced one stems from.
struct origin {
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  std::string processor;
};

origin origin_of(const simulation::produced_record& what) {
  if (what.topic == dead_letters) {
    const auto number_in = [&what](std::string_view header) {
      const std::string text = what.header(header).value_or("");
      std::int64_t value = -1;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    };
    return {static_cast<std::int32_t>(number_in("millrace.dlq.partition")), number_in("millrace.dlq.offset"),
            what.header("millrace.dlq.processor").value_or("")};
  }
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = (number << 8U) | static_cast<std::uint64_t>((*what.value)[i]);
  return {static_cast<std::int32_t>(number / 1'000'000), static_cast<std::int64_t>(number % 1'000'000),
          "emitting"};
}

// Words of records on which every attempt throws, or only the first.
constexpr std::string_view throws_at_once = "throw";
constexpr std::string_view throws_late = "throw-late";
constexpr std::string_view stumbles_at_once = "stumble";
constexpr std::string_view stumbles_late = "stumble-late";

// Not of the standard library.
struct refusal {};

void throw_at_once(std::string_view word, stream::context ctx) {
  if (word == throws_at_once || (word == stumbles_at_once && ctx.attempt() == 1)) throw refusal();
}
void throw_late(std::string_view word, stream::context ctx) {
  if (word == throws_late || (word == stumbles_late && ctx.attempt() == 1))
    throw std::out_of_range("no such parcel");
}

// SELECT, INSERT a row of its own, and INSERT the newest row of its key at the record's write time.
class writing final : public engine::processor<parcel> {
 public:
  explicit writing(member* owner) : owner_(*owner) {}

  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    owner_.note(happening::work_began, p->number, name(), key_of(p));
    try {
      const stream::outcome out = co_await work(p, ctx);
      const bool failed = out.what() == stream::outcome::kind::failed;
      owner_.note(failed ? happening::work_failed : happening::work_ended, p->number, name(), key_of(p));
      co_return out;
    } catch (...) {
      owner_.note(happening::work_failed, p->number, name(), key_of(p));
      throw;
    }
  }

 private:
  runtime::task<stream::outcome> work(engine::record<parcel> p, stream::context ctx) {
    if (p->word == "skip") co_return stream::outcome::skipped("by rule");
    throw_at_once(p->word, ctx);
    simulation::execute find(ctx.database(), select_, {simulation::cell(p->number)});
    const result<stream::rows_ref> found = co_await find;
    if (!found) co_return found.error();
    throw_late(p->word, ctx);
    if (p->word == "bad") co_return stream::outcome::dead_letter("bad");
    simulation::execute visit(ctx.database(), visit_, {simulation::cell(p->number)});
    const result<stream::rows_ref> visited = co_await visit;
    if (!visited) co_return visited.error();
    const std::string key = key_of(p);
    simulation::execute latest(ctx.database(), latest_, {simulation::cell(key), simulation::cell(p->number)},
                               ctx.write_time_us() + 1);
    const result<stream::rows_ref> updated = co_await latest;
    if (!updated) co_return updated.error();
    co_return stream::outcome::done();
  }

  member& owner_;
  statement select_{select_profile};
  statement visit_{insert_visit};
  statement latest_{insert_latest, statements::write_time::record};
};

class emitting final : public engine::processor<parcel> {
 public:
  explicit emitting(member* owner) : owner_(*owner) {}

  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    owner_.note(happening::work_began, p->number, name(), key_of(p));
    if (p->word == "skip") {
      owner_.note(happening::work_ended, p->number, name(), key_of(p));
      co_return stream::outcome::skipped("by rule");
    }
    try {
      const stream::outcome out = co_await work(p, ctx);
      const bool failed = out.what() == stream::outcome::kind::failed;
      owner_.note(failed ? happening::work_failed : happening::work_ended, p->number, name(), key_of(p));
      co_return out;
    } catch (...) {
      owner_.note(happening::work_failed, p->number, name(), key_of(p));
      throw;
    }
  }

 private:
  runtime::task<stream::outcome> work(engine::record<parcel> p, stream::context ctx) {
    ctx.emit(sent_, key_of(p), *p);
    throw_at_once(p->word, ctx);
    simulation::execute find(ctx.database(), select_, {simulation::cell(p->number)});
    const result<stream::rows_ref> found = co_await find;
    if (!found) co_return found.error();
    throw_late(p->word, ctx);
    co_return stream::outcome::done();
  }

  member& owner_;
  statement select_{select_profile};
  engine::output<parcel> sent_{"sent"};
};

}  // namespace

member::member(common& shared, int number, std::uint64_t seed)
    : shared_(shared),
      number_(number),
      loop_(shared.time),
      budget_(shared.budget_bytes),
      retries_(shared.retries),
      registry_(declared_) {
  source_ = std::make_unique<simulation::simulated_source>(
      shared.log, loop_,
      simulation::simulated_source::options{
          .seed = seed,
          .on_event = [this](auto what, auto where, auto offset) { on_source_event(what, where, offset); },
          .commit_fate_of =
              [this](auto, auto) { return shared_.faults.of_commit(shared_.time.now(), commit_lost_at_); },
          .start_at_end = shared_.told.starts_at_end});
  sink_ = std::make_unique<simulation::simulated_sink>(
      loop_, simulation::simulated_sink::options{
                 [this](const simulation::produced_record& what) {
                   on_produced(what);
                   return shared_.faults.of_produced(what.topic == dead_letters);
                 },
                 [this](const simulation::produced_record& what) { on_written(what); }});
  store_ = std::make_unique<simulation::simulated_store>(
      loop_, simulation::simulated_store::options{
                 [this](const simulation::executed_statement& what) {
                   return shared_.faults.of_statement(what.cql != select_profile);
                 },
                 [this](const simulation::executed_statement& what) { on_applied(what); }});
  schemas_ = std::make_unique<simulation::simulated_schemas>(
      loop_,
      simulation::simulated_schemas::options{[this](std::int32_t) { return shared_.faults.of_schema(); }});
  schemas_->add(known_schema, "parcel");
  schemas_->add(other_schema, "parcel");
  engine::engine_options options = shared.options;
  options.seed = seed;
  engine_ = std::make_unique<engine::record_engine>(
      engine::engine_ports{loop_, *source_, *sink_, *store_, *schemas_, budget_, retries_,
                           registry_.add_shard()},
      options, std::move(*engine::build({engine::make<writing>(this), engine::make<emitting>(this)})));
  engine_->start();
}

member::~member() = default;

bool member::serves() const noexcept {
  return !crashed_ && !stopping_ && !engine_->failure() && !engine_->finished();
}

void member::run() {
  loop_.run_pending();
  const engine::record_accounting& books = engine_->counts();
  if (!books.balanced()) complain("I10 the books do not balance");
  if (books.uncommitted > books.done + books.skipped + books.dead_lettered) {
    complain("I10 more records are uncommitted than ended");
  }
  if (!crashed_) check_limits();
  if (!crashed_ && shared_.second_load) check_commit_waits();
  for (const std::string& violation : source_->violations()) complain("I3 " + violation);
  if (engine_->finished() && !end_noted_ && !crashed_) {
    end_noted_ = true;
    if (books.in_flight != 0) complain("I10 records in flight after the end");
    // Without the topic's id the next owner does not learn what is finished beyond an abandoned record.
    const bool remembers = shared_.second_load && !shared_.log.topic_id(0).empty();
    if (remembers && engine_->uncommitted_by_stop() != 0)
      complain("I8 a clean stop left records uncommitted");
    note_at(happening::stopped, -1, -1);
  }
}

// The overdraft of bytes is at most a batch, which is taken by the size of the usual record.
void member::check_limits() {
  if (engine_->in_flight_records() > shared_.options.in_flight_records_max)
    complain("I6 too many records in flight");
  const std::size_t most = shared_.budget_bytes + shared_.budget_bytes / 4;
  if (budget_.in_use() > most) complain("I6 " + std::to_string(budget_.in_use()) + " bytes in flight");
  if (engine_->quiescent() && engine_->status_now().in_flight_bytes != 0)
    complain("I6 bytes are held after the end");
}

// One answer at a time may be lost: what is finished is still committed, within the engine's timeouts. It
// looks whether a commit is due when something happens, and at least that often.
void member::check_commit_waits() {
  const engine::engine_options& o = shared_.options;
  const nanoseconds longest = nanoseconds(o.commit_interval) +
                              std::min(o.status_interval, o.commit_interval) + o.commit_timeout +
                              2 * nanoseconds(commit_answer_max);
  for (const engine::partition_status& p : engine_->status_now().partitions) {
    if (!p.position || p.state != "open") continue;
    commit_wait& wait = commit_waits_.try_emplace(p.epoch, commit_wait{*p.position, {}}).first->second;
    if (p.committed.value_or(-1) > wait.committed) {
      wait.committed = *p.committed;
      wait.since.reset();
    }
    if (*p.position <= wait.committed) {
      wait.since.reset();
    } else if (!wait.since) {
      wait.since = shared_.time.now();
    } else if (shared_.time.now() - *wait.since > longest) {
      complain("I12 partition " + std::to_string(p.partition) + " waits too long for its commit");
    }
  }
}

void member::stop() {
  stopping_ = true;
  engine_->request_stop();
}

void member::crash() {
  note_at(happening::crashed, -1, -1);
  crashed_ = true;
  for (const auto id : source_->held()) {
    if (shared_.log.owner(id) == source_.get()) shared_.log.give(id, nullptr);
  }
  source_->sever();
  sink_->sever();
  store_->sever();
  schemas_->sever();
  engine_->abort();
}

void member::complain(const std::string& what) {
  constexpr std::size_t complaints_max = 20;
  if (shared_.told.complaints.size() >= complaints_max || crashed_) return;
  shared_.told.complaints.push_back(what + " (member " + std::to_string(number_) + ")");
}

void member::note(happening what, std::int64_t number, std::string_view processor, std::string_view key) {
  note_at(what, static_cast<std::int32_t>(number / 1'000'000), number % 1'000'000, std::string(processor),
          std::string(key));
}

void member::note_at(happening what, std::int32_t partition, std::int64_t offset, std::string processor,
                     std::string key, std::uint64_t epoch) {
  if (crashed_) return;
  shared_.told.events.push_back({shared_.time.now().ns, what, number_, partition, offset,
                                 std::move(processor), std::move(key),
                                 epoch != 0 ? epoch : epoch_of(partition)});
}

std::uint64_t member::epoch_of(std::int32_t partition) const {
  const auto found = epochs_.find(partition);
  return found == epochs_.end() ? 0 : found->second;
}

void member::on_source_event(simulation::simulated_source::happening what, stream::partition_id where,
                             std::int64_t offset) {
  using from = simulation::simulated_source::happening;
  switch (what) {
    case from::assigned:
      ++epochs_[where.partition];
      return note_at(happening::assigned, where.partition, offset);
    case from::revoked:
      return note_at(happening::revoked, where.partition, offset);
    case from::lost:
      return note_at(happening::lost, where.partition, offset);
    case from::delivered:
      return note_at(happening::delivered, where.partition, offset);
    case from::commit_requested:
      return note_at(happening::commit_requested, where.partition, offset);
    case from::committed:
      return note_at(happening::committed, where.partition, offset);
    case from::released:
      return note_at(happening::released, where.partition, offset);
    case from::paused:
      return note_at(happening::paused, where.partition, offset);
    case from::resumed:
      return note_at(happening::resumed, where.partition, offset);
  }
}

void member::on_applied(const simulation::executed_statement& what) {
  if (what.cql == insert_visit) {
    return note(happening::row_written, what.parameters[0].bigint(), "writing", {});
  }
  if (what.cql != insert_latest) return;
  const std::int64_t number = what.parameters[1].bigint();
  const auto partition = static_cast<std::int32_t>(number / 1'000'000);
  const std::string key = what.parameters[0].text();
  // The cell of the newest write timestamp wins, as in the database.
  std::int64_t& newest = shared_.told.latest_written_us.try_emplace({partition, key}, -1).first->second;
  if (*what.write_timestamp_us >= newest) {
    newest = *what.write_timestamp_us;
    shared_.told.latest[{partition, key}] = number % 1'000'000;
  }
  note_at(happening::latest_written, partition, number % 1'000'000, "writing", key);
}

void member::on_produced(const simulation::produced_record& what) {
  const origin of = origin_of(what);
  epochs_of_produced_[what.number] = epoch_of(of.partition);
  if (what.topic == dead_letters) note_at(happening::dead_letter_sent, of.partition, of.offset, of.processor);
}

void member::on_written(const simulation::produced_record& what) {
  const origin of = origin_of(what);
  const bool letter = what.topic == dead_letters;
  note_at(letter ? happening::dead_letter_written : happening::emitted, of.partition, of.offset, of.processor,
          letter ? std::string() : std::string(as_text(*what.key)), epochs_of_produced_.at(what.number));
}

}  // namespace scenario
