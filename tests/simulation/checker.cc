#include "checker.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace scenario {
namespace {

using place = std::pair<std::int32_t, std::int64_t>;  // partition, offset

constexpr std::size_t violations_shown_max = 12;

// What is in the tables and topics so far, by record.
struct effects {
  bool row = false;
  bool latest = false;
  bool emitted = false;
  bool erased = false;
  std::size_t more = 0;           // further emits
  bool letter = false;            // of the whole record
  std::set<std::string> letters;  // by processor
};

class examination {
 public:
  explicit examination(const history& of) : of_(of) {
    for (const logged& l : of.log) log_[l.partition][l.offset] = &l;
  }

  verdict run() {
    for (const std::string& complaint : of_.complaints) violated(complaint);
    for (const event& e : of_.events) step(e);
    at_the_end();
    verdict_.records = of_.log.size();
    return std::move(verdict_);
  }

 private:
  struct holding {
    bool held = false;
    std::int64_t last_commit = -1;
    std::int64_t last_delivered = -1;
    bool began_at_end = false;
    std::optional<std::int64_t> begun_at_ns;  // at the end of the log, and nothing is committed yet
  };
  struct moment {
    std::uint64_t epoch = 0;
    std::int64_t offset = -1;
  };
  using attempt_key = std::tuple<int, std::string, std::int32_t, std::int64_t, std::uint64_t>;
  static attempt_key attempt_of(const event& e) {
    return {e.member, e.processor, e.partition, e.offset, e.epoch};
  }

  void violated(std::string what) {
    const bool known = std::ranges::count(verdict_.violations, what) > 0;
    if (!known && verdict_.violations.size() < violations_shown_max)
      verdict_.violations.push_back(std::move(what));
  }
  static std::string at(const event& e) {
    return " (member " + std::to_string(e.member) + ", partition " + std::to_string(e.partition) +
           ", offset " + std::to_string(e.offset) + ", at " + std::to_string(e.at_ns / 1'000'000) + " ms)";
  }
  [[nodiscard]] const logged* record_at(std::int32_t partition, std::int64_t offset) const {
    const auto p = log_.find(partition);
    if (p == log_.end()) return nullptr;
    const auto r = p->second.find(offset);
    return r == p->second.end() ? nullptr : r->second;
  }

  void step(const event& e) {
    check_begun(e.at_ns);
    holding& h = held_[{e.member, e.partition}];
    switch (e.what) {
      case happening::assigned:
        h = {true, -1, e.offset - 1, false, {}};
        break;
      case happening::began_at_end:
        begins_at_end(e, h);
        break;
      case happening::database_down:
        down_since_ns_ = e.at_ns;
        break;
      case happening::database_up:
        down_since_ns_.reset();
        break;
      case happening::crashed:
        for (auto& [of, each] : held_) {
          if (of.first == e.member) each.begun_at_ns.reset();
        }
        break;
      case happening::revoked:
      case happening::stopped:
      case happening::recovered:
        down_since_ns_.reset();
        break;
      case happening::second_load:
        break;
      case happening::lost:
        h.held = false;
        h.begun_at_ns.reset();
        break;
      case happening::released:
        if (h.began_at_end && h.last_commit < 0 && !committed_.contains(e.partition)) {
          violated("I1 the partition began at the end of its log and is released without a commit" + at(e));
        }
        h.held = false;
        h.begun_at_ns.reset();
        break;
      case happening::delivered:
        h.last_delivered = e.offset;
        delivered_at_ns_[{e.member, e.partition, e.offset}] = e.at_ns;
        break;
      case happening::commit_requested:
        commit_requested(e, h);
        break;
      case happening::committed:
        committed(e);
        break;
      case happening::paused:
      case happening::resumed:
        if (!h.held) violated("I3 a partition that is not held is paused or resumed" + at(e));
        break;
      case happening::dead_letter_sent:
        if (!h.held) violated("I3 a dead letter for a partition that is not held" + at(e));
        dead_letter_sent(e);
        break;
      case happening::work_began:
        ++attempts_[attempt_of(e)];
        work_began(e);
        tried(e);
        break;
      case happening::work_ended:
      case happening::work_failed:
        if (of_.retries.limited && e.what == happening::work_ended) retry_ended_well(e);
        busy_.erase({e.member, e.processor, lane(e)});
        break;
      case happening::row_written:
      case happening::latest_written:
      case happening::emitted:
      case happening::emitted_more:
      case happening::erased:
      case happening::dead_letter_written:
        effect(e);
        break;
    }
  }

  // I2: never backwards, never past a record that was not delivered. I3: only while held.
  void commit_requested(const event& e, holding& h) {
    if (!h.held) violated("I3 a commit for a partition that is not held" + at(e));
    if (e.offset < h.last_commit) violated("I2 a commit goes back" + at(e));
    if (is_past_undelivered(e, h)) violated("I2 a commit past what was delivered" + at(e));
    h.begun_at_ns.reset();
    h.last_commit = std::max(h.last_commit, e.offset);
    ended_below(e);
  }

  void committed(const event& e) {
    committed_.insert(e.partition);
    ended_below(e);
  }

  [[nodiscard]] bool is_past_undelivered(const event& e, const holding& h) const {
    const auto p = log_.find(e.partition);
    if (p == log_.end()) return false;
    const auto next = p->second.upper_bound(h.last_delivered);
    return next != p->second.end() && next->first < e.offset;
  }

  // What lies before the start of a group that begins at the end of the log is not its work.
  void begins_at_end(const event& e, holding& h) {
    h.began_at_end = true;
    h.begun_at_ns = e.at_ns;
    const auto [first, fresh] = starts_.try_emplace(e.partition, e.offset);
    if (!fresh && e.offset > first->second) restarted_.insert(e.partition);
    std::int64_t& start = first->second;
    start = std::max(start, e.offset);
    proved_below_[e.partition] = std::max(proved_below_[e.partition], start);
  }

  // Where the group began is committed at once: what arrives until then is lost with the member.
  void check_begun(std::int64_t now_ns) {
    for (auto& [of, h] : held_) {
      if (!h.begun_at_ns || now_ns - *h.begun_at_ns <= of_.commits_within_ns) continue;
      h.begun_at_ns.reset();
      violated("I1 partition " + std::to_string(of.second) +
               " began at the end of its log, which is not committed at once (member " +
               std::to_string(of.first) + ")");
    }
  }

  // I1: every record of the log below a commit has ended. What was proved once need not be proved again.
  void ended_below(const event& e) {
    std::int64_t& proved = proved_below_[e.partition];
    const auto p = log_.find(e.partition);
    if (p == log_.end()) return;
    for (auto r = p->second.lower_bound(proved); r != p->second.end() && r->first < e.offset; ++r) {
      if (!ended(*r->second)) {
        violated("I1 offset " + std::to_string(r->first) + " is committed and has not ended" + at(e));
        return;
      }
    }
    proved = std::max(proved, e.offset);
  }

  [[nodiscard]] bool ended(const logged& r) {
    const effects& seen = effects_[{r.partition, r.offset}];
    const bool written = (seen.row && seen.latest) || seen.letters.contains("writing");
    const bool sent = seen.emitted || seen.letters.contains("emitting");
    switch (r.what) {
      case kind::good:
      case kind::redriven_for_former:
        return (written && sent) || seen.letter;
      case kind::tombstone:
        return !of_.tombstones_processed || seen.letters.contains("writing") ||
               (seen.row && seen.latest && seen.erased);
      case kind::skipped:
      case kind::redriven_for_other:
        return true;
      case kind::bad:
        return seen.letters.contains("writing") && sent;
      case kind::undecodable:
      case kind::unknown_schema:
      case kind::too_large:
      case kind::redriven_for_unknown:
        return seen.letter;
      case kind::throws_at_once:
      case kind::throws_late:
        return seen.letters.contains("writing") && seen.letters.contains("emitting");
      case kind::emits_many:
        return written &&
               (seen.letters.contains("emitting") || (seen.emitted && seen.more + 1 >= of_.emits_max));
      case kind::emits_too_many:
        return written && seen.letters.contains("emitting");
      case kind::redriven_for_writing:
        return written;
      case kind::redriven_for_renamed:
        return seen.letters.contains("renamed");
    }
    return false;
  }

  // What its processors may do with a record: write rows, emit, or end it as a dead letter although nothing has
  // failed.
  [[nodiscard]] bool may_erase(kind what) const {
    return what == kind::tombstone && of_.tombstones_processed;
  }
  [[nodiscard]] bool may_write(kind what) const {
    return may_erase(what) || what == kind::good || what == kind::emits_many ||
           what == kind::emits_too_many || what == kind::redriven_for_writing ||
           what == kind::redriven_for_former;
  }
  [[nodiscard]] static bool may_emit(kind what) {
    return what == kind::good || what == kind::bad || what == kind::emits_many ||
           what == kind::redriven_for_former;
  }
  [[nodiscard]] static bool is_dead_letter(kind what) {
    return what == kind::bad || what == kind::undecodable || what == kind::unknown_schema ||
           what == kind::too_large || what == kind::emits_too_many || what == kind::redriven_for_renamed ||
           what == kind::redriven_for_unknown;
  }
  [[nodiscard]] bool is_skipped(kind what) const {
    return what == kind::skipped || (what == kind::tombstone && !of_.tombstones_processed) ||
           what == kind::redriven_for_other;
  }

  // I11: what throws is tried as often as any error, no more and no less. After a wait other errors come
  // between.
  void dead_letter_sent(const event& e) {
    blamed_for_outage(e);
    const logged* r = record_at(e.partition, e.offset);
    if (r == nullptr || r->what != kind::throws_at_once || e.processor.empty()) return;
    const std::uint32_t attempts = attempts_[attempt_of(e)];
    if (attempts == of_.attempts_max) return;
    violated("I11 " + std::to_string(attempts) + " attempts of " + std::to_string(of_.attempts_max) +
             " before a dead letter" + at(e));
  }

  // I13: a record that a database failed which was down for all of its life, or of which no replica answered, can
  // still be processed.
  void blamed_for_outage(const event& e) {
    if (!e.key.starts_with("db_")) return;
    const auto taken = delivered_at_ns_.find({e.member, e.partition, e.offset});
    const bool down = down_since_ns_ && taken != delivered_at_ns_.end() && *down_since_ns_ <= taken->second;
    const bool blames_none = e.key == "db_unavailable" || e.key == "db_overloaded";
    if (down || blames_none) violated("I13 a dead letter because of " + e.key + at(e));
  }

  void effect(const event& e) {
    ++verdict_.effects;
    const logged* r = record_at(e.partition, e.offset);
    if (r == nullptr) return violated("I4 an effect of a record that does not exist" + at(e));
    effects& seen = effects_[{e.partition, e.offset}];
    if (e.what == happening::row_written) {
      if (seen.row) repeated(*r, e);
      seen.row = true;
    } else if (e.what == happening::latest_written) {
      seen.latest = true;
    } else if (e.what == happening::emitted) {
      if (seen.emitted && repeats_nothing(*r)) violated("I8 emitted twice without a crash" + at(e));
      seen.emitted = true;
      in_order(e);
    } else if (e.what == happening::erased) {
      if (seen.erased && repeats_nothing(*r)) violated("I8 erased twice without a crash" + at(e));
      seen.erased = true;
      in_order(e);
    } else if (e.what == happening::emitted_more) {
      ++seen.more;
      if (seen.more >= of_.emits_max && repeats_nothing(*r))
        violated("I8 emitted twice without a crash" + at(e));
    } else {
      if (is_skipped(r->what)) violated("I1 a skipped record is dead-lettered" + at(e));
      if (r->second_load && !is_dead_letter(r->what)) violated("I1 dead-lettered without a fault" + at(e));
      if (e.processor.empty()) seen.letter = true;
      seen.letters.insert(e.processor);
    }
    const bool emits = e.what == happening::emitted || e.what == happening::emitted_more;
    const bool writes = e.what == happening::row_written || e.what == happening::latest_written;
    const bool erases = e.what == happening::erased;
    if ((writes && !may_write(r->what)) || (emits && !may_emit(r->what)) || (erases && !may_erase(r->what)))
      violated("I1 a record that must not be processed was" + at(e));
  }

  // The second load has no faults. What a drain cannot finish in time is repeated all the same.
  [[nodiscard]] bool repeats_nothing(const logged& r) const { return r.second_load && !of_.limited; }

  void repeated(const logged& r, const event& e) {
    ++verdict_.repeated;
    if (repeats_nothing(r)) violated("I8 written twice without a crash" + at(e));
  }

  // I5: two records of a key (or partition) never run together, and start in log order within an
  // assignment.
  [[nodiscard]] std::string lane(const event& e) const {
    if (of_.ordered == order::partition) return std::to_string(e.partition);
    return std::to_string(e.partition) + "/" + e.key;
  }
  // An attempt that took too long goes on until it returns; nobody waits for it.
  struct work {
    std::int64_t began_ns = 0;
    std::int64_t offset = -1;
  };
  [[nodiscard]] bool is_given_up(const event& e, const work& of) const {
    return of_.attempt_timeout_ns > 0 && e.at_ns - of.began_ns >= of_.attempt_timeout_ns;
  }
  void work_began(const event& e) {
    if (of_.ordered == order::unordered || (of_.ordered == order::key && e.key.empty())) return;
    for (const char* processor : {"writing", "emitting"}) {
      const auto other = busy_.find({e.member, processor, lane(e)});
      if (other != busy_.end() && other->second.offset != e.offset && !is_given_up(e, other->second)) {
        violated("I5 offset " + std::to_string(other->second.offset) + " of the same key is running" + at(e));
      }
    }
    busy_[{e.member, e.processor, lane(e)}] = {e.at_ns, e.offset};
    moment& last = started_[{e.member, e.partition, lane(e)}];
    if (e.epoch == last.epoch && e.offset < last.offset) violated("I5 work begins out of order" + at(e));
    last = {e.epoch, e.offset};
  }
  // What an earlier assignment had sent is written before the next one begins to work on the key.
  void in_order(const event& e) {
    if (of_.ordered == order::unordered || (of_.ordered == order::key && e.key.empty())) return;
    if (e.epoch < started_[{e.member, e.partition, lane(e)}].epoch) {
      violated("I5 emitted by an earlier assignment after a later one began" + at(e));
    }
    moment& last = emitted_[{e.member, e.partition, lane(e)}];
    if (e.epoch == last.epoch && e.offset < last.offset) violated("I5 emitted out of order" + at(e));
    last = {e.epoch, e.offset};
  }

  // The retry budget. The engine counts in slots, the oldest of which it forgets as a whole: so what it has
  // taken is counted over eleven twelfths of the window here, what it was given over all of it. It hears of
  // first tries late, some dozens at a time.
  void tried(const event& e) {
    if (!of_.retries.limited) return;
    process_tries& mine = tries_[of_.process_of.at(e.member)];
    const attempt_key attempt = attempt_of(e);
    if (known_attempts_.insert(attempt).second) {
      mine.given.push_back({e.at_ns, of_.retries.ratio});
      return;
    }
    retrying_.insert(attempt);
    mine.taken.push_back(e.at_ns);
    const std::int64_t window = of_.retries.window_ns;
    while (!mine.given.empty() && mine.given.front().first <= e.at_ns - window) mine.given.pop_front();
    while (!mine.taken.empty() && mine.taken.front() <= e.at_ns - window / 12 * 11) mine.taken.pop_front();
    double allowed = of_.retries.reserve + unreported_tries_max * of_.retries.workers * of_.retries.ratio;
    for (const auto& [at_ns, amount] : mine.given) allowed += amount;
    ++verdict_.retries;
    if (static_cast<double>(mine.taken.size()) > allowed + 0.5) {
      violated("more retries fail than the budget allows" + at(e));
    }
  }
  void retry_ended_well(const event& e) {
    if (retrying_.erase(attempt_of(e)) == 0) return;
    tries_[of_.process_of.at(e.member)].given.emplace_back(e.at_ns, 1.0);
  }

  [[nodiscard]] std::int64_t start_of(std::int32_t partition) const {
    const auto found = starts_.find(partition);
    return found == starts_.end() ? 0 : found->second;
  }

  void at_the_end() {
    for (const auto& [partition, end] : of_.ends) {
      if (end == 0) continue;
      const auto found = of_.committed.find(partition);
      const std::int64_t committed = found == of_.committed.end() ? -1 : found->second;
      if (committed < end || committed > of_.log_ends.at(partition)) {
        violated("I7 partition " + std::to_string(partition) + " is committed to " +
                 std::to_string(committed) + " of " + std::to_string(end) +
                 " although everything has recovered");
      }
    }
    if (of_.log.empty() || verdict_.effects == 0) violated("a run that processed nothing proves nothing");
    final_table();
  }

  // I4: the row of a key is that of its last record that was to be written. A record that ended as a dead
  // letter may or may not have written its row.
  void final_table() {
    std::map<std::pair<std::int32_t, std::string>, std::int64_t> surely;
    for (const logged& r : of_.log) {
      if (!may_write(r.what) || r.offset < start_of(r.partition)) continue;
      // A member ended before the first commit of the group: it may have written rows at times that nobody
      // knows.
      if (restarted_.contains(r.partition)) continue;
      const effects& seen = effects_[{r.partition, r.offset}];
      if (seen.letters.contains("writing") && !seen.latest) continue;
      std::int64_t& last = surely.try_emplace({r.partition, r.key}, -1).first->second;
      last = std::max(last, r.offset);
    }
    for (const auto& [key, offset] : surely) {
      const auto row = of_.latest.find(key);
      if (row != of_.latest.end() && row->second == offset) continue;
      violated("I4 the row of key " + key.second + " holds offset " +
               std::to_string(row == of_.latest.end() ? -1 : row->second) + ", not " +
               std::to_string(offset));
    }
  }

  struct process_tries {
    std::deque<std::pair<std::int64_t, double>> given;  // when, how much
    std::deque<std::int64_t> taken;
  };
  static constexpr double unreported_tries_max = 64;

  const history& of_;
  verdict verdict_;
  std::map<int, process_tries> tries_;  // by process
  std::set<attempt_key> known_attempts_;
  std::map<attempt_key, std::uint32_t> attempts_;
  std::set<attempt_key> retrying_;
  std::map<std::int32_t, std::map<std::int64_t, const logged*>> log_;
  std::map<std::pair<int, std::int32_t>, holding> held_;
  std::map<place, effects> effects_;
  std::map<std::int32_t, std::int64_t> proved_below_;
  std::map<std::int32_t, std::int64_t> starts_;  // of a group that begins at the end of the log
  std::set<std::int32_t> restarted_;             // of them, those that began once more without a commit
  std::set<std::int32_t> committed_;             // partitions
  std::optional<std::int64_t> down_since_ns_;    // the database
  std::map<std::tuple<int, std::int32_t, std::int64_t>, std::int64_t> delivered_at_ns_;  // member and place
  std::map<std::tuple<int, std::string, std::string>, work> busy_;
  std::map<std::tuple<int, std::int32_t, std::string>, moment> started_;
  std::map<std::tuple<int, std::int32_t, std::string>, moment> emitted_;
};

}  // namespace

verdict check(const history& of) { return examination(of).run(); }

}  // namespace scenario
