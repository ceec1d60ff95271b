#include "cluster.h"

#include <algorithm>
#include <array>
#include <set>

#include "processors.h"

namespace scenario {

using namespace millrace;

namespace {

constexpr std::int64_t instant_ms = 20;  // how often the cluster acts
constexpr std::int64_t faulty_ms = 20'000;
// A member may be allowed one retry in ten seconds, and a record may need eleven of each processor.
constexpr std::int64_t recovery_ms_max = 1'800'000;
constexpr std::int64_t throwing_max = 4;
constexpr std::int64_t hanging_max = 5;
constexpr std::int64_t partitions_max = 8;
constexpr std::size_t decoded_bytes_max = std::size_t{256} << 10U;

engine::engine_options draw_options(seeded_random& random) {
  engine::engine_options o;
  o.order = static_cast<engine::order_mode>(random.between(0, 2));
  o.in_flight_records_max =
      static_cast<std::size_t>(random.chance(0.3) ? random.between(1, 16) : random.between(16, 256));
  o.partition_window_max = static_cast<std::size_t>(random.chance(0.3) ? random.between(4, 64) : 100'000);
  o.schema_wait_records_max = static_cast<std::size_t>(random.between(1, 64));
  o.retry.attempts_max = static_cast<std::uint32_t>(random.between(2, 12));
  o.retry.backoff_first = milliseconds(random.between(5, 100));
  o.retry.backoff_max = milliseconds(random.between(100, 2'000));
  o.dead_letter_limit.ratio = 1;
  o.breaker.ratio = random.chance(0.3) ? 1.0 : static_cast<double>(random.between(1, 9)) / 10;
  o.breaker.failures_min = static_cast<std::uint32_t>(random.between(2, 60));
  o.breaker.open_max = milliseconds(random.between(500, 10'000));
  // In some runs hardly anything ticks: what waits must be woken.
  o.commit_interval = milliseconds(random.chance(0.2) ? 40'000 : random.between(20, 1'500));
  o.status_interval = milliseconds(random.chance(0.3) ? 3'600'000 : 250);
  o.commit_timeout = milliseconds(random.between(1'000, 5'000));
  o.attempt_timeout = milliseconds(random.chance(0.5) ? random.between(2'000, 15'000) : 0);
  o.drain_timeout = milliseconds(random.between(1'000, 10'000));
  o.revoke_drain_timeout = milliseconds(random.between(200, 5'000));
  o.schema_not_found_grace = milliseconds(500);
  o.partition_pause_after = milliseconds(random.between(0, 300));
  o.partition_stall_after = milliseconds(random.between(200, 2'000));
  if (random.chance(0.3)) o.tombstones = engine::tombstone_policy::skip;
  o.dead_letter_topic = "dead";
  o.decoded_bytes_max = decoded_bytes_max;
  // Rarely thousands, which cost much here.
  o.emits_per_record_max = static_cast<std::size_t>(random.chance(0.03) ? 2'000 : random.between(2, 40));
  o.group = "simulation";
  o.former_groups = {"former"};
  o.other_groups = {"other"};
  o.version = "0";
  return o;
}

std::size_t draw_budget(seeded_random& random) {
  return static_cast<std::size_t>(random.chance(0.3) ? random.between(32, 128) : 4'096) << 10U;
}

engine::retry_budget_policy draw_retries(seeded_random& random) {
  return {.ratio = random.chance(0.2) ? 1.0 : static_cast<double>(random.between(0, 30)) / 100,
          .reserve =
              static_cast<std::uint32_t>(random.chance(0.3) ? random.between(1, 5) : random.between(5, 100)),
          .window = seconds(random.between(1, 10))};
}

runtime::work_limits draw_limits(seeded_random& random) {
  return {.concurrency_max = static_cast<std::uint32_t>(random.chance(0.7) ? random.between(1, 8) : 0),
          .rate_max = random.chance(0.5) ? static_cast<double>(random.between(20, 2'000)) : 0.0};
}

// Of every third run, from numbers of their own: the other runs are as they would be without.
void limit_some(engine::engine_options& to, std::uint64_t seed) {
  if (seed % 3 != 0) return;
  seeded_random random(seed);
  for (const std::string_view name : {"writing", "emitting"}) {
    if (random.chance(0.7))
      to.processors.push_back({.name = std::string(name), .limits = draw_limits(random)});
  }
  if (random.chance(0.5)) to.dependencies.push_back({.name = "database", .limits = draw_limits(random)});
}

}  // namespace

cluster::cluster(std::uint64_t seed)
    : random_(seed),
      faults_(random_, fault_plan(random_)),
      shared_{
          time_, log_, faults_, history_, draw_options(random_), draw_budget(random_), draw_retries(random_)},
      partitions_(static_cast<std::int32_t>(random_.between(1, 5))),
      processes_wanted_(static_cast<std::size_t>(random_.between(1, 3))),
      stumbles_(random_.chance(0.5)),
      throwing_left_(random_.between(0, throwing_max)),
      hanging_left_(random_.chance(0.3) ? random_.between(1, hanging_max) : 0),
      many_emits_left_(random_.chance(0.3) ? random_.between(1, static_cast<std::int64_t>(many_emits_max))
                                           : 0),
      transactions_(random_.chance(0.3)),
      redrives_(random_.chance(0.3)) {
  limit_some(shared_.options, seed);
  shared_.workers = static_cast<std::size_t>(random_.chance(0.6) ? 1 : random_.between(2, 3));
  shared_.cells_max = static_cast<std::size_t>(random_.chance(0.3) ? random_.between(100, 3'000) : 0);
  log_.add_topic("parcels", partitions_);
  if (random_.chance(0.2)) log_.set_topic_id(0, "");
  history_.tombstones_processed = shared_.options.tombstones != engine::tombstone_policy::skip;
  history_.starts_at_end = random_.chance(0.2);
  history_.ordered = static_cast<order>(shared_.options.order);
  history_.attempts_max = shared_.options.retry.attempts_max;
  history_.attempt_timeout_ns = nanoseconds(shared_.options.attempt_timeout).count();
  history_.emits_max = shared_.options.emits_per_record_max;
  history_.limited = !shared_.options.processors.empty() || !shared_.options.dependencies.empty();
  history_.commits_within_ns = 2 * nanoseconds(shared_.options.commit_timeout).count();
  // Probes of a breaker are outside the budget, and the history does not distinguish them. Retries that wait for a limit run
  // later than the budget allowed them.
  const engine::retry_budget_policy& budget = shared_.retries;
  history_.retries = {budget.ratio < 1 && shared_.options.breaker.ratio >= 1 && !history_.limited,
                      static_cast<double>(shared_.workers), budget.ratio, budget.reserve,
                      nanoseconds(budget.window).count()};
}

kind cluster::draw_kind(bool second_load) {
  const std::int64_t d = random_.between(0, 99);
  if (d < 3) return kind::skipped;
  if (d < 5) return kind::tombstone;
  if (d < 7) return kind::bad;
  if (d < 9) return kind::undecodable;
  if (d == 9 && !second_load) return kind::unknown_schema;
  if (d == 10 && !second_load && throwing_left_ > 0) {
    --throwing_left_;
    return random_.chance(0.5) ? kind::throws_at_once : kind::throws_late;
  }
  if (d == 11 && random_.chance(0.2)) return kind::too_large;
  if (d == 12 && many_emits_left_ > 0) {
    --many_emits_left_;
    return random_.chance(0.5) ? kind::emits_many : kind::emits_too_many;
  }
  if ((d == 13 || d == 14) && redrives_) {
    constexpr std::array kinds{kind::redriven_for_writing, kind::redriven_for_renamed,
                               kind::redriven_for_former, kind::redriven_for_other,
                               kind::redriven_for_unknown};
    return kinds[static_cast<std::size_t>(random_.between(0, kinds.size() - 1))];
  }
  return kind::good;
}

std::string_view cluster::draw_good_word(bool second_load) {
  if (second_load) return words::good;
  if (hanging_left_ > 0 && random_.chance(0.02)) {
    --hanging_left_;
    return random_.chance(0.5) ? words::sleeps : words::hangs;
  }
  if (!stumbles_ || !random_.chance(0.04)) return words::good;
  return random_.chance(0.5) ? words::stumbles_at_once : words::stumbles_late;
}

// Producers' clocks are skewed, some have none, and one is set to another century.
timestamp cluster::draw_timestamp() {
  const auto now = std::chrono::time_point_cast<milliseconds>(time_.wall());
  const std::int64_t d = random_.between(0, 99);
  if (d < 2) return timestamp();
  if (d < 4) return now + seconds(random_.between(0, 100LL * 365 * 86'400));
  if (d < 20) return now + milliseconds(random_.between(-5'000, 5'000));
  return now;
}

byte_buffer cluster::value_of(const logged& of, bool second_load) {
  const std::int64_t number = number_of(of.partition, of.offset);
  const bool refused = !second_load && faults_.plan().schema_refused && random_.chance(0.02);
  const std::int32_t schema = refused ? refused_schema : random_.chance(0.1) ? other_schema : known_schema;
  const auto cells =
      static_cast<std::size_t>(shared_.cells_max > 0 && random_.chance(0.3)
                                   ? random_.between(0, static_cast<std::int64_t>(shared_.cells_max))
                                   : 0);
  const auto with_word = [&](std::string_view word) { return framed_visit(schema, number, word, cells); };
  switch (of.what) {
    case kind::skipped:
      return with_word(words::skip);
    case kind::bad:
      return with_word(words::bad);
    case kind::undecodable: {
      byte_buffer cut = framed_visit(schema, number, "cut", 0);
      cut.resize(static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(cut.size()) - 1)));
      return cut;
    }
    case kind::unknown_schema:
      return framed_visit(absent_schema, number, "lost", cells);
    case kind::throws_at_once:
      return with_word(words::throws_at_once);
    case kind::throws_late:
      return with_word(words::throws_late);
    case kind::too_large:
      return framed_visit(schema, number, words::good, decoded_bytes_max / sizeof(cell_bytes) + 1);
    case kind::emits_many:
      return with_word(words::emits_many);
    case kind::emits_too_many:
      return with_word(words::emits_too_many);
    case kind::good:
      return with_word(draw_good_word(second_load));
    case kind::tombstone:
    case kind::redriven_for_writing:
    case kind::redriven_for_renamed:
    case kind::redriven_for_former:
    case kind::redriven_for_other:
    case kind::redriven_for_unknown:
      break;
  }
  return with_word(words::good);
}

simulation::simulated_record cluster::record_of(const logged& of, bool second_load) {
  simulation::simulated_record r;
  r.created = draw_timestamp();
  if (!of.key.empty()) r.key = byte_buffer(as_bytes(of.key).begin(), as_bytes(of.key).end());
  if (of.what != kind::tombstone) r.value = value_of(of, second_load);
  const auto header = [&r](const char* name, std::string_view value) {
    r.headers.emplace_back(name, byte_buffer(as_bytes(value).begin(), as_bytes(value).end()));
  };
  if (of.what == kind::redriven_for_writing) header(engine::redrive_processor_header, "writing");
  if (of.what == kind::redriven_for_renamed) header(engine::redrive_processor_header, renamed_processor);
  if (of.what == kind::redriven_for_former) header(engine::redrive_group_header, "former");
  if (of.what == kind::redriven_for_other) header(engine::redrive_group_header, "other");
  if (of.what == kind::redriven_for_unknown) header(engine::redrive_group_header, "nobody's");
  return r;
}

void cluster::produce_one(bool second_load) {
  const auto partition = static_cast<std::int32_t>(random_.between(0, partitions_ - 1));
  const std::int64_t hole = random_.chance(0.1) ? random_.between(1, 5) : 0;
  logged l{partition, log_.end({0, partition}) + hole, {}, draw_kind(second_load), second_load};
  if (!random_.chance(0.05))
    l.key = random_.chance(0.4) ? "hot" : "key-" + std::to_string(random_.between(0, 30));
  static_cast<void>(log_.append({0, partition}, record_of(l, second_load), hole));
  history_.log.push_back(std::move(l));
}

// A transaction writes a marker to every partition that it wrote to.
void cluster::end_transactions() {
  for (const auto id : log_.partitions(0)) {
    if (random_.chance(0.5)) log_.append_markers(id, random_.between(1, 3));
  }
}

void cluster::produce_some(std::int64_t records, bool second_load) {
  for (std::int64_t i = 0; i < records; ++i) produce_one(second_load);
  if (transactions_) end_transactions();
  for (const auto& m : members_) m->source().wake();
}

void cluster::start_process() {
  const auto started = std::make_shared<process>(shared_, ++last_process_);
  for (std::size_t i = 0; i < shared_.workers; ++i)
    members_.push_back(std::make_unique<member>(shared_, started, ++last_member_, random_.next()));
}

std::size_t cluster::processes_serving() const {
  std::set<int> serving;
  for (const auto& m : members_) {
    if (m->serves()) serving.insert(m->process_number());
  }
  return serving.size();
}

template <class Call>
void cluster::each_worker_of(int process, Call call) {
  for (const auto& m : members_) {
    if (m->process_number() == process) call(*m);
  }
}

void cluster::end_failed_processes() {
  for (const auto& m : members_) {
    if (!m->has_failed()) continue;
    each_worker_of(m->process_number(), [](member& other) {
      if (other.serves()) other.stop();
    });
  }
}

member* cluster::any_serving() {
  std::vector<member*> all;
  for (const auto& m : members_) {
    if (m->serves()) all.push_back(m.get());
  }
  if (all.empty()) return nullptr;
  return all[static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(all.size()) - 1))];
}

// Everything that is to happen at this moment, in any order of the members.
void cluster::one_instant() {
  std::vector<member*> order;
  order.reserve(members_.size());
  for (const auto& m : members_) order.push_back(m.get());
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(i) - 1))]);
  }
  for (member* m : order) m->run();
}

void cluster::dead_letter_the_gone() {
  end_failed_processes();
  for (const auto& m : members_) {
    if (m->serves()) continue;
    // What never returns outlives the engine; the process ends with it.
    if (m->finished()) m->resume_hung();
    // A partition that was given to a member that did not live to hear of it.
    for (const auto id : log_.partitions(0)) {
      const bool heard = std::ranges::count(m->source().held(), id) > 0;
      if (log_.owner(id) == &m->source() && !heard && !m->source().has_news()) log_.give(id, nullptr);
      if (log_.owner(id) == &m->source() && m->gone()) log_.give(id, nullptr);
    }
  }
  std::erase_if(members_, [this](const auto& m) {
    if (!m->gone()) return false;
    std::erase_if(losses_, [&m](const pending_loss& l) { return l.member == m->number(); });
    return true;
  });
}

bool cluster::due(std::int64_t every_ms) {
  return every_ms > 0 && random_.chance(static_cast<double>(instant_ms) / static_cast<double>(every_ms));
}

void cluster::assign_free(double probability) {
  for (const auto id : log_.partitions(0)) {
    if (log_.owner(id) != nullptr || !random_.chance(probability)) continue;
    member* to = any_serving();
    if (to == nullptr) return;
    // The member does not know yet that it lost the partition, or still gives it up. Rarely it never hears of
    // it.
    if (std::ranges::count(to->source().held(), id) > 0 && (faults_.recovered() || !random_.chance(0.05)))
      continue;
    to->source().assign({id});
  }
}

void cluster::tell_losses(bool all) {
  std::erase_if(losses_, [this, all](const pending_loss& l) {
    if (!all && time_.now() < l.tell_at) return false;
    for (const auto& m : members_) {
      if (m->number() == l.member) m->source().lose({l.which});
    }
    return true;
  });
}

void cluster::act() {
  const fault_plan& plan = faults_.plan();
  if (due(plan.spike_every_ms)) switch_spike();
  if (due(plan.clock_jump_every_ms)) time_.jump_wall(seconds(random_.between(-3'600, 3'600)));
  if (partitions_ < partitions_max && due(plan.topic_grows_every_ms)) log_.grow(0, 1), ++partitions_;
  if (plan.eager && due(plan.rebalance_every_ms)) {
    for (const auto& m : members_) {
      if (m->serves()) m->source().revoke(m->source().stable());
    }
  } else if (member* m = any_serving(); m != nullptr && due(plan.rebalance_every_ms)) {
    std::vector<stream::partition_id> some = m->source().stable();
    std::erase_if(some, [this](auto) { return random_.chance(0.5); });
    m->source().revoke(some);
  }
  if (member* m = any_serving(); m != nullptr && due(plan.lose_every_ms)) {
    for (const auto id : m->source().held()) {
      if (!random_.chance(0.5) || log_.owner(id) != &m->source()) continue;
      log_.give(id, nullptr);  // the group has moved on; the member hears of it later
      losses_.push_back({m->number(), id, time_.now() + milliseconds(random_.between(0, 3'000))});
    }
  }
  act_on_processes();
}

void cluster::act_on_processes() {
  const fault_plan& plan = faults_.plan();
  if (member* m = any_serving(); m != nullptr && due(plan.crash_every_ms))
    each_worker_of(m->process_number(), [](member& each) { each.crash(); });
  if (member* m = any_serving(); m != nullptr && due(plan.stop_every_ms))
    each_worker_of(m->process_number(), [](member& each) { each.stop(); });
  if (member* m = any_serving(); m != nullptr && due(plan.producer_lost_every_ms)) m->lose_producer();
}

void cluster::switch_spike() {
  faults_.set_spike(spike_ = !spike_);
  if (!faults_.plan().outages) return;
  history_.events.push_back(
      {time_.now().ns, faults_.database_is_down() ? happening::database_down : happening::database_up});
}

void cluster::run_for(std::int64_t ms, bool faults) {
  const instant end = time_.now() + milliseconds(ms);
  while (time_.now() < end) {
    one_instant();
    dead_letter_the_gone();
    if (faults) act();
    tell_losses(false);
    if (processes_serving() < processes_wanted_ && random_.chance(faults ? 0.1 : 1.0)) start_process();
    assign_free(faults ? 0.3 : 1.0);
    // To the next timer, at most one instant further.
    const instant next_act = time_.now() + milliseconds(instant_ms);
    for (;;) {
      one_instant();
      std::optional<instant> next;
      for (const auto& m : members_) {
        const auto deadline = m->loop().next_deadline();
        if (deadline && (!next || *deadline < *next)) next = deadline;
      }
      if (!next || *next >= next_act) break;
      time_.advance_to(*next);
    }
    time_.advance_to(next_act);
  }
}

// Markers at the end of the log need not be committed.
bool cluster::is_finished(stream::partition_id id) const {
  const auto& records = log_.records(id);
  return records.empty() || log_.committed(id).value_or(0) > records.back().offset;
}

bool cluster::caught_up() const {
  return std::ranges::all_of(log_.partitions(0), [this](stream::partition_id id) { return is_finished(id); });
}

// What was read is looked at when a commit is due.
void cluster::check_lags() {
  run_for(shared_.options.commit_interval.count() + 1'000, false);
  for (const auto& m : members_) m->source().wake();
  one_instant();
  for (const auto& m : members_) {
    if (m->serves()) m->check_lag();
  }
}

void cluster::catch_up() {
  for (std::int64_t waited = 0; waited < recovery_ms_max && !caught_up(); waited += 1'000)
    run_for(1'000, false);
  if (!caught_up())
    history_.complaints.emplace_back("I7 the lag does not reach 0 although everything has recovered");
}

void cluster::recover() {
  faults_.recover();
  // Abandoned attempts keep their places, also those of a limit, and their memory, of which there may be little.
  constexpr std::size_t places_enough = 64;
  constexpr std::size_t bytes_enough = std::size_t{1} << 20U;
  const engine::engine_options& o = shared_.options;
  const bool little =
      o.in_flight_records_max < places_enough || shared_.budget_bytes < bytes_enough || history_.limited;
  if (o.attempt_timeout == milliseconds(0) || little) resume_hung();
  history_.events.push_back({time_.now().ns, happening::recovered});
  tell_losses(true);
  catch_up();
  resume_hung();
}

void cluster::resume_hung() {
  for (const auto& m : members_) m->resume_hung();
}

// Rolling restarts and rebalances that drain, under load: nothing may be repeated.
void cluster::restart_cleanly() {
  // Draining is bounded; here it must suffice.
  run_for(1'000, false);
  history_.events.push_back({time_.now().ns, happening::second_load});
  shared_.second_load = true;
  if (partitions_ < partitions_max && random_.chance(0.2)) log_.grow(0, 1), ++partitions_;
  for (int round = 0; round < 3; ++round) {
    produce_some(random_.between(10, 60), true);
    run_for(random_.between(0, 2) * instant_ms, false);
    if (member* m = any_serving()) {
      if (random_.chance(0.5)) {
        each_worker_of(m->process_number(), [](member& each) {
          if (each.serves()) each.stop();
        });
      } else {
        m->source().revoke(m->source().stable());
      }
    }
    run_for(random_.between(1, 20) * instant_ms, false);
  }
  catch_up();
}

verdict cluster::run() {
  for (std::size_t i = 0; i < processes_wanted_; ++i) start_process();
  for (int burst = 0; burst < 8; ++burst) {
    produce_some(random_.between(5, 80), false);
    run_for(faulty_ms / 8, true);
  }
  recover();
  // Old members with stuck work or abandoned attempts that still run: gone before the second load.
  run_for(30'000, false);
  check_lags();
  restart_cleanly();
  check_lags();
  for (const auto& m : members_) m->stop();
  for (int i = 0; i < 10'000 && !members_.empty(); ++i) {
    one_instant();
    dead_letter_the_gone();
    time_.advance(milliseconds(instant_ms));
  }
  if (!members_.empty()) history_.complaints.emplace_back("I7 a member does not end");
  for (const auto id : log_.partitions(0)) {
    history_.ends[id.partition] = log_.records(id).empty() ? 0 : log_.records(id).back().offset + 1;
    history_.log_ends[id.partition] = log_.end(id);
    if (const auto committed = log_.committed(id)) history_.committed[id.partition] = *committed;
  }
  if (!members_.empty()) {
    for (const auto& m : members_) m->crash();
    for (int i = 0; i < 100 && !members_.empty(); ++i) {
      one_instant();
      dead_letter_the_gone();
      time_.advance(seconds(1));
    }
  }
  return check(history_);
}

}  // namespace scenario
