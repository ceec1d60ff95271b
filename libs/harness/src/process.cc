#include "process.h"

#include <algorithm>
#include <utility>

#include <millrace/app/preparation.h>
#include <millrace/base/assert.h>
#include <millrace/kafka/start_position.h>

namespace millrace::harness {

using simulation::simulated_source;
using stream::partition_id;

namespace {

// Of simulated time: for a drain, and for attempts of a process that is gone.
constexpr nanoseconds wait_max = std::chrono::hours(24 * 30);

class collected_log final : public stream::log_sink {
 public:
  explicit collected_log(std::vector<simulation::logged_line>& to)
      : log_sink(stream::log_level::debug), to_(to) {}
  void write(const stream::log_line& line) override {
    simulation::logged_line made{line.level, std::string(line.message), {}, line.offset};
    for (const stream::log_field& each : line.fields)
      made.fields.emplace_back(std::string(each.name), stream::text_of(each.value));
    to_.push_back(std::move(made));
  }

 private:
  std::vector<simulation::logged_line>& to_;
};

}  // namespace

// Destroyed in reverse order: the engine before its ports.
struct process::member {
  member(surroundings& within, statements::invalidation_board& board, statements::byte_account* memory,
         metrics::shard& shard, std::uint64_t seed)
      : counts(shard),
        log(within.logged),
        lookups{board, memory, &shard},
        store(within.loop, within.store),
        sink(within.loop, within.sink),
        source(within.log, within.loop,
               {.seed = seed,
                .on_event = {},
                .commit_fate_of = {},
                .start_at_end = within.settings.kafka.start_from == kafka::start_position::latest}) {}

  metrics::shard& counts;
  collected_log log;
  statements::lookup_room lookups;
  simulation::simulated_store store;
  simulation::simulated_sink sink;
  simulated_source source;
  std::unique_ptr<engine::record_engine> runs;
};

process::process(surroundings& within)
    : within_(within),
      budget_(static_cast<std::size_t>(within.settings.engine.memory_max.bytes)),
      retries_(within.settings.engine.retry_budget),
      schemas_(within.loop) {
  for (std::size_t i = 0; i < within.schemas.size(); ++i)
    schemas_.add(static_cast<std::int32_t>(i + 1), within.schemas[i]);
}

process::~process() { invariant(members_.empty(), "a process ends, or crashes, before it is destroyed"); }

engine::engine_options process::options_of(std::size_t index) {
  engine::engine_options options = app::engine_options_of(within_.settings, within_.seed + started_ + index);
  options.version = within_.application.version;
  options.inputs = within_.inputs;
  std::vector<std::string>& to = within_.reported;
  options.on_problem = [&to](std::string_view event, const error& failure) {
    to.push_back(std::string(event) + ": " + failure.to_string());
  };
  options.on_exception = [&to](const engine::processor_exception& thrown) {
    to.push_back("processor_threw: " + thrown.failure.to_string());
  };
  options.on_tombstone_skipped = [&to](const engine::skipped_tombstone& first) {
    to.push_back("tombstone_skipped: topic " + std::string(first.topic) + " partition " +
                 std::to_string(first.partition) + " offset " + std::to_string(first.offset));
  };
  return options;
}

result<void> process::add_member() {
  auto made = std::make_unique<member>(within_, board_, &budget_, within_.counts.add_shard(),
                                       within_.seed + started_);
  auto work = engine::build(within_.processors, within_.settings.engine.processors);
  if (!work) return work.error();
  for (const auto& [cql, rows] : within_.primed) made->store.prime(cql, rows);
  const auto prepared = app::prepare(*work, {made->store, schemas_, made->lookups}, within_.settings, 1, {});
  if (!prepared) return prepared.error();
  if (auto primed = made->store.check_primed(); !primed) return primed.error();
  within_.services.bind(work->declared);
  note_schemas(*work);
  const engine::engine_ports ports{within_.loop, made->source, made->sink,   made->store, schemas_,
                                   budget_,      retries_,     made->counts, nullptr,     &made->log};
  made->runs = std::make_unique<engine::record_engine>(ports, options_of(members_.size()), std::move(*work));
  made->runs->start();
  members_.push_back(std::move(made));
  ++started_;
  return {};
}

// The registry outlives the process.
void process::note_schemas(const engine::processors& of) {
  for (const statements::output_declaration* each : of.declared.outputs) {
    const auto id = static_cast<std::size_t>(each->schema_id());
    if (id > within_.schemas.size()) within_.schemas.resize(id);
    within_.schemas[id - 1] = std::string(each->schema_text());
    if (each->key_schema_id() < 0) continue;
    const auto of_key = static_cast<std::size_t>(each->key_schema_id());
    if (of_key > within_.schemas.size()) within_.schemas.resize(of_key);
    within_.schemas[of_key - 1] = std::string(each->key_schema_text());
  }
}

std::int32_t process::add_schema(std::string_view text) {
  const auto id = schemas_.register_schema("", text);
  invariant(id.ok(), "the simulated registry accepts every schema");
  if (static_cast<std::size_t>(*id) > within_.schemas.size()) within_.schemas.emplace_back(text);
  return *id;
}

result<void> process::start(std::size_t members) { return resize(members); }

result<void> process::resize(std::size_t members) {
  while (members_.size() > members) {
    leave(*members_.back());
    members_.pop_back();
  }
  while (members_.size() < members) {
    if (auto added = add_member(); !added) return added;
  }
  deal_out();
  return {};
}

// Partition i belongs to member i modulo their number. What moves is drained first.
void process::deal_out() {
  std::map<partition_id, std::size_t> owner;
  const std::size_t topics = app::topics_of(within_.settings).size();
  for (std::uint32_t topic = 0; topic < topics; ++topic) {
    for (const partition_id each : within_.log.partitions(topic))
      owner.emplace(each, owner.size() % members_.size());
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    std::vector<partition_id> leaving;
    for (const partition_id each : members_[i]->source.stable()) {
      if (owner.at(each) != i) leaving.push_back(each);
    }
    if (!leaving.empty()) members_[i]->source.revoke(std::move(leaving));
  }
  run_until(
      [&] {
        for (std::size_t i = 0; i < members_.size(); ++i) {
          for (const partition_id each : members_[i]->source.held()) {
            if (owner.at(each) != i && !members_[i]->runs->finished()) return false;
          }
        }
        return true;
      },
      "revoked partitions are released");
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::vector<partition_id> held = members_[i]->source.held();
    std::vector<partition_id> joining;
    for (const auto& [each, to] : owner) {
      if (to == i && std::find(held.begin(), held.end(), each) == held.end()) joining.push_back(each);
    }
    if (!joining.empty()) members_[i]->source.assign(std::move(joining));
  }
  within_.loop.run_pending();
}

void process::run_until(const std::function<bool()>& holds, const char* what) {
  const instant end = within_.time.now() + wait_max;
  within_.loop.run_pending();
  while (!holds()) {
    const auto next = within_.loop.next_deadline();
    invariant(next.has_value() && *next <= end, what);
    within_.time.advance_to(*next);
    within_.loop.run_pending();
  }
}

void process::leave(member& which) {
  which.runs->request_stop();
  run_until([&which] { return which.runs->finished() && which.runs->quiescent(); },
            "a member that leaves ends, with every attempt");
}

void process::lose_partitions() {
  for (const auto& each : members_) {
    std::vector<partition_id> held = each->source.held();
    if (!held.empty()) each->source.lose(std::move(held));
  }
  within_.loop.run_pending();
  deal_out();
}

void process::crash() {
  schemas_.sever();
  for (const auto& each : members_) {
    each->source.sever();
    each->store.sever();
    each->sink.sever();
    each->runs->abort();
  }
  run_until(
      [this] {
        return std::all_of(members_.begin(), members_.end(), [](const auto& each) {
          return each->runs->finished() && each->runs->quiescent();
        });
      },
      "every attempt of a process that is gone ends");
  members_.clear();
}

result<void> process::end() {
  for (const auto& each : members_) each->runs->request_stop();
  for (const auto& each : members_) leave(*each);
  std::optional<error> failed;
  std::uint64_t left = 0;
  for (const auto& each : members_) {
    if (each->runs->failure() && !failed) failed = each->runs->failure();
    left += each->runs->abandoned_by_stop() + each->runs->uncommitted_by_stop();
  }
  members_.clear();
  if (failed) return *failed;
  if (left > 0) return error(errc::cancelled, std::to_string(left) + " records were left behind by the stop");
  return {};
}

void process::prime(std::string_view cql, const std::vector<simulation::row>& rows) {
  for (const auto& each : members_) each->store.prime(cql, rows);
}

result<void> process::check_primed() {
  for (const auto& each : members_) {
    if (auto fits = each->store.check_primed(); !fits) return fits;
  }
  return {};
}

void process::wake() { within_.loop.wake(); }

std::optional<error> process::failure() const {
  for (const auto& each : members_) {
    if (each->runs->failure()) return each->runs->failure();
    if (each->runs->finished()) return error(errc::cancelled, "a member of the group has stopped");
  }
  return std::nullopt;
}

engine::record_accounting process::accounting() const {
  engine::record_accounting sum;
  for (const auto& each : members_) {
    const engine::record_accounting& one = each->runs->counts();
    sum.received += one.received;
    sum.done += one.done;
    sum.skipped += one.skipped;
    sum.dead_lettered += one.dead_lettered;
    sum.abandoned += one.abandoned;
    sum.in_flight += one.in_flight;
    sum.uncommitted += one.uncommitted;
  }
  return sum;
}

std::string process::oldest() const {
  for (const auto& each : members_) {
    for (const engine::partition_status& partition : each->runs->status_now().partitions) {
      if (!partition.oldest) continue;
      const engine::oldest_record& of = *partition.oldest;
      std::string text = "topic " + partition.topic + " partition " + std::to_string(partition.partition) +
                         " offset " + std::to_string(of.offset) + " is in stage " + of.stage;
      if (!of.processor.empty()) text += " of processor '" + of.processor + "'";
      text += ", attempt " + std::to_string(of.attempt);
      if (!of.last_error.empty()) text += ", last error: " + of.last_error;
      return text;
    }
  }
  return {};
}

}  // namespace millrace::harness
