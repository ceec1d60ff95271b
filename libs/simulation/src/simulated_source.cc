#include <algorithm>
#include <utility>

#include <millrace/simulation/simulated_source.h>

namespace millrace::simulation {

// The commit of one partition on its way.
struct simulated_source::commit_run final : runtime::timer {
  commit_run(simulated_source& source, asked_commit what, commit_fate how)
      : owner(source), commit(std::move(what)), fate(std::move(how)) {}
  void on_timer() override { owner.answered(*this); }

  simulated_source& owner;
  asked_commit commit;
  commit_fate fate;
};

simulated_source::simulated_source(simulated_log& log, runtime::loop& loop, options settings)
    : log_(log), loop_(loop), options_(std::move(settings)), random_(options_.seed) {}
simulated_source::~simulated_source() = default;

void simulated_source::assign(std::vector<stream::partition_id> partitions) {
  for (const auto id : partitions) log_.give(id, this);
  news_.push_back({news::kind::assign, std::move(partitions), std::nullopt});
  loop_.wake();
}

void simulated_source::revoke(std::vector<stream::partition_id> partitions) {
  news_.push_back({news::kind::revoke, std::move(partitions), std::nullopt});
  loop_.wake();
}

void simulated_source::lose(std::vector<stream::partition_id> partitions) {
  for (const auto id : partitions) {
    if (log_.owner(id) == this) log_.give(id, nullptr);
  }
  news_.push_back({news::kind::lose, std::move(partitions), std::nullopt});
  loop_.wake();
}

void simulated_source::fail(error failure, bool fatal) {
  news_.push_back({news::kind::error, {}, std::move(failure), fatal});
  loop_.wake();
}

void simulated_source::rewind(stream::partition_id which, std::size_t record_index) {
  held_.at(which).next = record_index;
  loop_.wake();
}

std::vector<stream::partition_id> simulated_source::held() const {
  std::vector<stream::partition_id> all;
  all.reserve(held_.size());
  for (const auto& [id, h] : held_) all.push_back(id);
  return all;
}

std::vector<stream::partition_id> simulated_source::stable() const {
  std::vector<stream::partition_id> all;
  for (const auto& [id, h] : held_) {
    if (h.how == grip::assigned) all.push_back(id);
  }
  return all;
}

bool simulated_source::paused(stream::partition_id which) const {
  const auto found = held_.find(which);
  return found != held_.end() && found->second.paused;
}

void simulated_source::note(happening what, stream::partition_id where, std::int64_t offset) const {
  if (options_.on_event) options_.on_event(what, where, offset);
}

void simulated_source::violated(const std::string& what, stream::partition_id where) {
  violations_.push_back(what + " partition " + std::to_string(where.partition));
}

std::size_t simulated_source::poll(stream::source_events& events, std::size_t records_max) {
  if (severed_) return 0;
  const std::vector<stream::commit_result> answers = std::exchange(answers_, {});
  if (!answers.empty()) events.on_committed(answers);
  const std::vector<news> items = std::exchange(news_, {});
  for (const news& item : items) tell(events, item);
  return records_max == 0 ? 0 : deliver(events, records_max);
}

void simulated_source::tell(stream::source_events& events, const news& item) {
  switch (item.what) {
    case news::kind::assign:
      if (!closing_) tell_assigned(events, item.partitions);
      return;
    case news::kind::revoke: {
      std::vector<stream::partition_id> ours;
      for (const auto id : item.partitions) {
        const auto found = held_.find(id);
        if (found == held_.end() || found->second.how == grip::revoking) continue;
        found->second.how = grip::revoking;
        ours.push_back(id);
        note(happening::revoked, id);
      }
      if (!ours.empty() || item.partitions.empty()) events.on_revoked(ours);
      return;
    }
    case news::kind::lose: {
      std::vector<stream::partition_id> ours;
      for (const auto id : item.partitions) {
        if (held_.erase(id) == 0) continue;
        ours.push_back(id);
        note(happening::lost, id);
      }
      if (!ours.empty()) events.on_lost(ours);
      return;
    }
    case news::kind::error:
      return events.on_source_error(*item.failure, item.fatal);
  }
}

bool simulated_source::begins_at_end(stream::partition_id which) const {
  return options_.start_at_end && !log_.committed(which) && !log_.added_later(which);
}

void simulated_source::tell_assigned(stream::source_events& events,
                                     const std::vector<stream::partition_id>& partitions) {
  std::vector<stream::partition_offset> starts;
  for (const auto id : partitions) {
    const std::int64_t begin = begins_at_end(id) ? log_.end(id) : log_.committed(id).value_or(0);
    starts.push_back({id, begin, log_.metadata(id)});
    holding h;
    h.assignment = ++last_assignment_;
    const auto& records = log_.records(id);
    h.next = static_cast<std::size_t>(
        std::lower_bound(records.begin(), records.end(), begin,
                         [](const simulated_record& r, std::int64_t at) { return r.offset < at; }) -
        records.begin());
    held_[id] = h;
    note(happening::assigned, id, begin);
    if (begins_at_end(id)) note(happening::began_at_end, id, begin);
  }
  events.on_assigned(partitions);
  for (const stream::partition_offset& start : starts) {
    using origin = stream::position_origin;
    const bool committed = log_.committed(start.partition).has_value();
    events.on_position(start, committed                        ? origin::committed
                              : begins_at_end(start.partition) ? origin::end
                                                               : origin::beginning);
  }
}

// A client reads past the markers at the log's end, and delivers nothing for them.
void simulated_source::read_markers() {
  for (auto& [id, h] : held_) {
    if (h.how == grip::assigned && !h.paused && h.next == log_.records(id).size()) h.read = log_.end(id);
  }
}

std::size_t simulated_source::deliver(stream::source_events& events, std::size_t records_max) {
  std::vector<stream::partition_id> ready;
  for (const auto& [id, h] : held_) {
    if (h.how == grip::assigned && !h.paused && h.next < log_.records(id).size()) ready.push_back(id);
  }
  const auto most = static_cast<std::int64_t>(std::min(records_max, options_.poll_records_max));
  const auto wanted = static_cast<std::size_t>(random_.between(1, std::max<std::int64_t>(most, 1)));
  std::size_t taken = 0;
  while (taken < wanted && !ready.empty()) {
    const auto pick =
        static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(ready.size()) - 1));
    holding& h = held_[ready[pick]];
    deliver_one(events, ready[pick], h);
    ++taken;
    if (h.next == log_.records(ready[pick]).size()) {
      ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(pick));
    }
  }
  read_markers();
  return taken;
}

void simulated_source::deliver_one(stream::source_events& events, stream::partition_id from, holding& h) {
  const simulated_record& r = log_.records(from)[h.next++];
  h.read = r.offset + 1;
  std::vector<stream::header_view> headers;
  headers.reserve(r.headers.size());
  for (const auto& [name, value] : r.headers) {
    stream::header_view view{name, std::nullopt};
    if (value) view.value = bytes_view(*value);
    headers.push_back(view);
  }
  stream::record_view view{from, r.offset, r.created, std::nullopt, std::nullopt, headers};
  if (r.key) view.key = bytes_view(*r.key);
  if (r.value) view.value = bytes_view(*r.value);
  note(happening::delivered, from, r.offset);
  events.on_record(view);
}

void simulated_source::commit(std::span<const stream::partition_offset> offsets) {
  wait_to_commit(offsets);
  if (commits_.empty()) send_commits();
}

void simulated_source::commit_again(std::span<const stream::partition_offset> offsets) {
  wait_to_commit(offsets);
  give_up_commits();
  send_commits();
}

void simulated_source::wait_to_commit(std::span<const stream::partition_offset> offsets) {
  for (const stream::partition_offset& wanted : offsets) {
    note(happening::commit_requested, wanted.partition, wanted.offset);
    const auto found = held_.find(wanted.partition);
    if (found == held_.end()) {
      if (!severed_) violated("commit of a", wanted.partition);
      continue;
    }
    const auto waiting =
        std::find_if(waiting_commits_.begin(), waiting_commits_.end(),
                     [&wanted](const asked_commit& c) { return c.at.partition == wanted.partition; });
    if (waiting == waiting_commits_.end()) {
      waiting_commits_.push_back({wanted, found->second.assignment});
    } else {
      *waiting = {wanted, found->second.assignment};
    }
  }
}

// The broker handles the requests of a connection in order: what is given up was applied before what follows,
// or never is.
void simulated_source::give_up_commits() {
  for (const auto& run : commits_) {
    const bool applied = run->fate.applied_although || (!run->fate.failure && !run->fate.never_answered);
    if (applied && !severed_) static_cast<void>(apply(run->commit));
  }
  commits_.clear();
}

bool simulated_source::still_held(const asked_commit& commit) const {
  const auto found = held_.find(commit.at.partition);
  return found != held_.end() && found->second.assignment == commit.assignment;
}

// Commits requested for an assignment that has ended meanwhile are not sent.
void simulated_source::send_commits() {
  if (severed_) return;
  for (const asked_commit& asked : std::exchange(waiting_commits_, {})) {
    if (!still_held(asked)) continue;
    commit_fate fate = options_.commit_fate_of ? options_.commit_fate_of(asked.at.partition, asked.at.offset)
                                               : commit_fate{};
    commits_.push_back(std::make_unique<commit_run>(*this, asked, std::move(fate)));
    if (!commits_.back()->fate.never_answered) loop_.start(*commits_.back(), commits_.back()->fate.delay);
  }
}

// The broker knows by the generation that an assignment has ended, also when the member has the partition
// again.
bool simulated_source::apply(const asked_commit& what) {
  if (!still_held(what) || !log_.commit(what.at, this)) return false;
  note(happening::committed, what.at.partition, what.at.offset);
  return true;
}

void simulated_source::answered(commit_run& run) {
  const asked_commit what = run.commit;
  const commit_fate fate = std::move(run.fate);
  std::erase_if(commits_, [&run](const auto& c) { return c.get() == &run; });
  if (severed_) return;
  std::optional<error> failure = fate.failure;
  const bool held = still_held(what);
  if ((!failure || fate.applied_although) && !apply(what)) {
    failure = error(errc::broker_fenced, "another member owns the partition");
  }
  // Nobody may mistake it for an answer to the next assignment.
  if (held) {
    for (int i = 0; i < (fate.answered_twice ? 2 : 1); ++i) {
      answers_.push_back({what.at.partition, what.at.offset, failure});
    }
  }
  loop_.wake();
  if (commits_.empty()) send_commits();
}

void simulated_source::release(std::span<const stream::partition_id> partitions) {
  for (const auto id : partitions) {
    const auto found = held_.find(id);
    if (found == held_.end() || found->second.how != grip::revoking) {
      if (!severed_) violated("release of a not revoked", id);
      continue;
    }
    held_.erase(found);
    note(happening::released, id);
    if (log_.owner(id) == this) log_.give(id, nullptr);
  }
}

void simulated_source::pause(stream::partition_id partition) {
  note(happening::paused, partition);
  const auto found = held_.find(partition);
  if (found == held_.end()) {
    if (!severed_) violated("pause of a", partition);
    return;
  }
  found->second.paused = true;
}

void simulated_source::resume(stream::partition_id partition) {
  note(happening::resumed, partition);
  const auto found = held_.find(partition);
  if (found == held_.end()) {
    if (!severed_) violated("resume of a", partition);
    return;
  }
  found->second.paused = false;
  loop_.wake();
}

void simulated_source::close() {
  closing_ = true;
  std::vector<stream::partition_id> rest = stable();
  if (!rest.empty()) news_.push_back({news::kind::revoke, std::move(rest), std::nullopt});
  loop_.wake();
}

bool simulated_source::closed() const noexcept {
  return severed_ || (options_.leaves && closing_ && held_.empty());
}

std::string_view simulated_source::topic_name(std::uint32_t topic) const noexcept {
  return log_.topic_name(topic);
}

std::string_view simulated_source::topic_id(std::uint32_t topic) const noexcept {
  return log_.topic_id(topic);
}

std::optional<std::int64_t> simulated_source::high_watermark(stream::partition_id partition) const noexcept {
  return log_.end(partition);
}

std::optional<std::int64_t> simulated_source::read_position(stream::partition_id partition) const {
  const auto found = held_.find(partition);
  return found == held_.end() ? std::nullopt : found->second.read;
}

}  // namespace millrace::simulation
