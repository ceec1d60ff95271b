#include "checker.h"

#include <algorithm>
#include <deque>
#include <map>
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
    holding& h = held_[{e.member, e.partition}];
    switch (e.what) {
      case happening::assigned:
        h = {true, -1, -1};
        begins(e, h);
        break;
      case happening::revoked:
      case happening::crashed:
      case happening::stopped:
      case happening::recovered:
      case happening::second_load:
        break;
      case happening::lost:
        h.held = false;
        break;
      case happening::released:
        if (of_.starts_at_end && h.last_commit < 0 && !committed_.contains(e.partition)) {
          violated("I1 the partition began at the end of its log and is released without a commit" + at(e));
        }
        h.held = false;
        break;
      case happening::delivered:
        h.last_delivered = e.offset;
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
      case happening::dead_letter_written:
        effect(e);
        break;
    }
  }

  // I2: never backwards, never past what was delivered. I3: only while held.
  void commit_requested(const event& e, holding& h) {
    if (!h.held) violated("I3 a commit for a partition that is not held" + at(e));
    if (e.offset < h.last_commit) violated("I2 a commit goes back" + at(e));
    if (e.offset > h.last_delivered + 1) violated("I2 a commit past what was delivered" + at(e));
    h.last_commit = std::max(h.last_commit, e.offset);
    ended_below(e);
  }

  void committed(const event& e) {
    committed_.insert(e.partition);
    ended_below(e);
  }

  // What lies before the start of a group that begins at the end of the log is not its work.
  void begins(const event& e, holding& h) {
    if (!of_.starts_at_end || committed_.contains(e.partition)) return;
    h.last_delivered = e.offset - 1;
    const auto [first, fresh] = starts_.try_emplace(e.partition, e.offset);
    if (!fresh && e.offset > first->second) restarted_.insert(e.partition);
    std::int64_t& start = first->second;
    start = std::max(start, e.offset);
    proved_below_[e.partition] = std::max(proved_below_[e.partition], start);
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
        return (written && sent) || seen.letter;
      case kind::skipped:
      case kind::tombstone:
        return true;
      case kind::bad:
        return seen.letters.contains("writing") && sent;
      case kind::undecodable:
      case kind::unknown_schema:
        return seen.letter;
      case kind::throws_at_once:
      case kind::throws_late:
        return seen.letters.contains("writing") && seen.letters.contains("emitting");
    }
    return false;
  }

  // I11: what throws is tried as often as any error, no more and no less. After a wait other errors come
  // between.
  void dead_letter_sent(const event& e) {
    const logged* r = record_at(e.partition, e.offset);
    if (r == nullptr || r->what != kind::throws_at_once || e.processor.empty()) return;
    const std::uint32_t attempts = attempts_[attempt_of(e)];
    if (attempts == of_.attempts_max) return;
    violated("I11 " + std::to_string(attempts) + " attempts of " + std::to_string(of_.attempts_max) +
             " before a dead letter" + at(e));
  }

  void effect(const event& e) {
    ++verdict_.effects;
    const logged* r = record_at(e.partition, e.offset);
    if (r == nullptr) return violated("I4 an effect of a record that does not exist" + at(e));
    effects& seen = effects_[{e.partition, e.offset}];
    const bool expected_dead_letter =
        r->what == kind::bad || r->what == kind::undecodable || r->what == kind::unknown_schema;
    if (e.what == happening::row_written) {
      if (seen.row) repeated(*r, e);
      seen.row = true;
    } else if (e.what == happening::latest_written) {
      seen.latest = true;
    } else if (e.what == happening::emitted) {
      if (seen.emitted && r->second_load) violated("I8 emitted twice without a crash" + at(e));
      seen.emitted = true;
      in_order(e);
    } else {
      if (r->what == kind::skipped || r->what == kind::tombstone) {
        violated("I1 a skipped record is dead-lettered" + at(e));
      }
      if (r->second_load && !expected_dead_letter) violated("I1 dead-lettered without a fault" + at(e));
      if (e.processor.empty()) seen.letter = true;
      seen.letters.insert(e.processor);
    }
    if ((e.what == happening::row_written || e.what == happening::emitted) && r->what != kind::good &&
        !(r->what == kind::bad && e.what == happening::emitted)) {
      violated("I1 a record that must not be processed was" + at(e));
    }
  }

  void repeated(const logged& r, const event& e) {
    ++verdict_.repeated;
    if (r.second_load) violated("I8 written twice without a crash" + at(e));
  }

  // I5: two records of a key (or partition) never run together, and start in log order within an
  // assignment.
  [[nodiscard]] std::string lane(const event& e) const {
    if (of_.ordered == order::partition) return std::to_string(e.partition);
    return std::to_string(e.partition) + "/" + e.key;
  }
  void work_began(const event& e) {
    if (of_.ordered == order::unordered || (of_.ordered == order::key && e.key.empty())) return;
    for (const char* processor : {"writing", "emitting"}) {
      const auto other = busy_.find({e.member, processor, lane(e)});
      if (other != busy_.end() && other->second != e.offset) {
        violated("I5 offset " + std::to_string(other->second) + " of the same key is running" + at(e));
      }
    }
    busy_[{e.member, e.processor, lane(e)}] = e.offset;
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
    member_tries& mine = tries_[e.member];
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
    double allowed = of_.retries.reserve + unreported_tries_max * of_.retries.ratio;
    for (const auto& [at_ns, amount] : mine.given) allowed += amount;
    ++verdict_.retries;
    if (static_cast<double>(mine.taken.size()) > allowed + 0.5) {
      violated("more retries fail than the budget allows" + at(e));
    }
  }
  void retry_ended_well(const event& e) {
    if (retrying_.erase(attempt_of(e)) == 0) return;
    tries_[e.member].given.emplace_back(e.at_ns, 1.0);
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
      if (committed != end) {
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
      if (r.what != kind::good || r.offset < start_of(r.partition)) continue;
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

  struct member_tries {
    std::deque<std::pair<std::int64_t, double>> given;  // when, how much
    std::deque<std::int64_t> taken;
  };
  static constexpr double unreported_tries_max = 64;

  const history& of_;
  verdict verdict_;
  std::map<int, member_tries> tries_;
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
  std::map<std::tuple<int, std::string, std::string>, std::int64_t> busy_;
  std::map<std::tuple<int, std::int32_t, std::string>, moment> started_;
  std::map<std::tuple<int, std::int32_t, std::string>, moment> emitted_;
};

}  // namespace

verdict check(const history& of) { return examination(of).run(); }

}  // namespace scenario
