#include "member.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "processors.h"

namespace scenario {

using namespace millrace;

namespace {

constexpr std::string_view dead_letters = "dead";
constexpr std::string_view more_emits = "more";
constexpr std::string_view tombstones = "gone";
// A stop and a revocation end at a turn of the loop.
constexpr milliseconds late_by_max{100};
// A commit that failed shortly before its partition is given up leaves time for another one, unless there is less
// than this in all.
constexpr milliseconds short_commit_time{600};
constexpr seconds commit_fault_remembered{10};
constexpr std::size_t emit_bytes_max = 512;
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
  if (what.topic == tombstones) {
    const std::string id = what.header(engine::emit_id_header).value_or("");
    origin of{-1, -1, "writing"};
    const std::size_t at = id.find('/') + 1;
    const char* const end = id.data() + id.size();
    const char* const rest = std::from_chars(id.data() + at, end, of.partition).ptr;
    if (rest != end) std::from_chars(rest + 1, end, of.offset);
    return of;
  }
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = (number << 8U) | static_cast<std::uint64_t>((*what.value)[i]);
  return {static_cast<std::int32_t>(number / 1'000'000), static_cast<std::int64_t>(number % 1'000'000),
          "emitting"};
}

}  // namespace

member::member(common& shared, std::shared_ptr<process> of, int number, std::uint64_t seed)
    : shared_(shared),
      process_(std::move(of)),
      number_(number),
      slots_{0, &process_->slot_bytes},
      loop_(shared.time),
      registry_(declared_) {
  shared_.told.process_of[number] = process_->number;
  source_ = std::make_unique<simulation::simulated_source>(
      shared.log, loop_,
      simulation::simulated_source::options{
          .seed = seed,
          .on_event = [this](auto what, auto where, auto offset) { on_source_event(what, where, offset); },
          .commit_fate_of = [this](auto, auto) { return fate_of_commit(); },
          .start_at_end = shared_.told.starts_at_end});
  sink_ = std::make_unique<simulation::simulated_sink>(
      loop_, simulation::simulated_sink::options{
                 [this](const simulation::produced_record& what) {
                   on_produced(what);
                   return shared_.faults.of_produced(what.topic == dead_letters, what.value.has_value());
                 },
                 [this](const simulation::produced_record& what) { on_written(what); }});
  store_ = std::make_unique<simulation::simulated_store>(
      loop_, simulation::simulated_store::options{
                 [this](const simulation::executed_statement& what) {
                   return shared_.faults.of_statement(what.cql != select_profile);
                 },
                 [this](const simulation::executed_statement& what) { on_applied(what); }});
  schemas_ = std::make_unique<simulation::simulated_schemas>(
      loop_, simulation::simulated_schemas::options{
                 [this](std::int32_t id) { return shared_.faults.of_schema(id); }});
  schemas_->add(known_schema, "parcel");
  schemas_->add(other_schema, "parcel");
  schemas_->add(refused_schema, "parcel");
  engine::engine_options options = shared.options;
  options.seed = seed;
  engine_ = std::make_unique<engine::record_engine>(
      engine::engine_ports{loop_, *source_, *sink_, *store_, *schemas_, process_->budget, process_->retries,
                           registry_.add_shard()},
      options, build_processors(*this));
  engine_->start();
}

member::~member() = default;

bool member::serves() const noexcept {
  return !crashed_ && !stopping_ && !engine_->failure() && !engine_->finished();
}

void member::run() {
  slots_of_running_member() = &slots_;
  loop_.run_pending();
  check_books();
  if (!crashed_) {
    if (sink_->failure() != nullptr && serves()) complain("I15 the engine goes on without a producer");
    if (const auto& failure = engine_->failure(); failure && failure->code() == errc::registry_unauthorized)
      complain("I16 one schema that the registry refuses ends the engine");
    check_limits();
    check_deadlines();
    if (shared_.second_load) check_commit_waits();
  }
  for (const std::string& violation : source_->violations()) complain("I3 " + violation);
  if (engine_->finished() && !end_noted_ && !crashed_) check_end();
}

void member::check_books() {
  const engine::record_accounting& books = engine_->counts();
  if (!books.balanced()) complain("I10 the books do not balance");
  if (books.uncommitted > books.done + books.skipped + books.dead_lettered) {
    complain("I10 more records are uncommitted than ended");
  }
}

void member::check_end() {
  end_noted_ = true;
  if (engine_->counts().in_flight != 0) complain("I10 records in flight after the end");
  // Without the topic's id the next owner does not learn what is finished beyond an abandoned record.
  const bool remembers = shared_.second_load && !shared_.log.topic_id(0).empty();
  if (remembers && engine_->uncommitted_by_stop() != 0) complain("I8 a clean stop left records uncommitted");
  note_at(happening::stopped, -1, -1);
}

// The overdraft of bytes is at most a batch of each worker, which is taken by the size of the usual record, and
// what its records emit.
void member::check_limits() {
  if (engine_->in_flight_records() > shared_.options.in_flight_records_max)
    complain("I6 too many records in flight");
  const std::size_t batch =
      simulation::simulated_source::options().poll_records_max * shared_.cells_max * sizeof(cell_bytes);
  const std::size_t emits =
      (shared_.options.in_flight_records_max + many_emits_max * shared_.options.emits_per_record_max) *
      emit_bytes_max;
  const std::size_t most =
      shared_.budget_bytes + shared_.workers * (shared_.budget_bytes / 4 + batch + emits);
  const std::size_t in_use = process_->budget.in_use();
  if (in_use > most) complain("I6 " + std::to_string(in_use) + " bytes in flight");
  if (process_->slot_bytes > in_use) {
    complain("I6 decoded values hold " + std::to_string(process_->slot_bytes) + " bytes, of which " +
             std::to_string(in_use) + " are counted");
  }
  if (engine_->quiescent() && engine_->status_now().in_flight_bytes > slots_.bytes)
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

// A stop and a revocation end within their timeouts, whatever user code and the ports do.
void member::check_deadlines() {
  const engine::engine_options& o = shared_.options;
  const instant now = shared_.time.now();
  if (!ends_until_ && (stopping_ || engine_->failure())) {
    ends_at_ = now;
    ends_until_ = now + o.drain_timeout + o.commit_timeout + o.leave_timeout + late_by_max;
  }
  if (ends_until_ && now > *ends_until_ && !engine_->finished()) complain("I14 a stop takes too long");
  const nanoseconds longest =
      o.revoke_drain_timeout + std::min(o.commit_timeout, o.revoke_drain_timeout) + late_by_max;
  for (const auto& [partition, at] : revoked_at_) {
    if (now - at > longest) complain("I14 the revocation of a partition takes too long");
  }
  if (!revoked_at_.empty() || ends_until_) note_positions();
}

void member::note_positions() {
  for (const engine::partition_status& p : engine_->status_now().partitions) {
    if (p.position) positions_[p.partition] = *p.position;
  }
}

// What was finished when the partition was given up is committed, unless a commit failed meanwhile.
void member::check_final_commit(stream::partition_id given_up) {
  const auto known = positions_.find(given_up.partition);
  if (known == positions_.end() || shared_.log.owner(given_up) != source_.get()) return;
  const engine::engine_options& o = shared_.options;
  instant since = revoked_at_.at(given_up.partition);
  if (ends_at_) since = std::min(since, *ends_at_);
  if (std::min(o.commit_timeout, o.revoke_drain_timeout) < short_commit_time)
    since = since + -nanoseconds(commit_fault_remembered);
  if (commit_fault_at_ && *commit_fault_at_ >= since) return;
  const std::int64_t committed = shared_.log.committed(given_up).value_or(0);
  const bool repeats = std::ranges::any_of(shared_.log.records(given_up), [&](const auto& r) {
    return r.offset >= committed && r.offset < known->second;
  });
  if (repeats) {
    complain("I8 partition " + std::to_string(given_up.partition) + " is given up at " +
             std::to_string(known->second) + " and committed to " + std::to_string(committed));
  }
}

void member::check_lag() {
  for (const engine::partition_status& p : engine_->status_now().partitions) {
    if (p.lag.value_or(0) == 0 && p.time_lag_seconds.value_or(0) == 0) continue;
    complain("I7 partition " + std::to_string(p.partition) + " has a lag of " + std::to_string(*p.lag) +
             " although everything is finished");
  }
}

simulation::commit_fate member::fate_of_commit() {
  const simulation::commit_fate fate = shared_.faults.of_commit(shared_.time.now(), commit_lost_at_);
  if (fate.failure || fate.never_answered) commit_fault_at_ = shared_.time.now();
  return fate;
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
  resume_hung();
}

void member::lose_producer() { sink_->fail(error(errc::produce_failed, "the producer cannot go on")); }

void member::resume_hung() {
  for (const std::coroutine_handle<> each : std::exchange(hung_, {})) loop_.resume_later(each);
  loop_.wake();
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
      positions_.erase(where.partition);
      revoked_at_.erase(where.partition);
      return note_at(happening::assigned, where.partition, offset);
    case from::began_at_end:
      return note_at(happening::began_at_end, where.partition, offset);
    case from::revoked:
      revoked_at_[where.partition] = shared_.time.now();
      return note_at(happening::revoked, where.partition, offset);
    case from::lost:
      revoked_at_.erase(where.partition);
      return note_at(happening::lost, where.partition, offset);
    case from::delivered:
      return note_at(happening::delivered, where.partition, offset);
    case from::commit_requested:
      return note_at(happening::commit_requested, where.partition, offset);
    case from::committed:
      return note_at(happening::committed, where.partition, offset);
    case from::released:
      if (!crashed_) check_final_commit(where);
      revoked_at_.erase(where.partition);
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
  if (what.topic != dead_letters) return;
  note_at(happening::dead_letter_sent, of.partition, of.offset, of.processor,
          what.header("millrace.dlq.code").value_or(""));
}

// The id of an emit is the same whenever its record is processed again.
void member::check_emit_id(const simulation::produced_record& what, std::int32_t partition,
                           std::int64_t offset) {
  if (what.topic == dead_letters) return;
  const bool gone = what.topic == tombstones;
  const std::string prefix = "parcels/" + std::to_string(partition) + "/" + std::to_string(offset) +
                             (gone ? "/writing/" : "/emitting/");
  const std::string id = what.header(engine::emit_id_header).value_or("");
  const bool first = what.topic != more_emits;
  if (!id.starts_with(prefix) || (id == prefix + "0") != first)
    complain("I4 an emit has the id '" + id + "'");
  if (gone && what.value) complain("I4 a tombstone has a value");
}

void member::on_written(const simulation::produced_record& what) {
  const origin of = origin_of(what);
  check_emit_id(what, of.partition, of.offset);
  const bool letter = what.topic == dead_letters;
  const happening how = letter                     ? happening::dead_letter_written
                        : what.topic == more_emits ? happening::emitted_more
                        : what.topic == tombstones ? happening::erased
                                                   : happening::emitted;
  note_at(how, of.partition, of.offset, of.processor,
          letter ? std::string() : std::string(as_text(*what.key)), epochs_of_produced_.at(what.number));
}

}  // namespace scenario
