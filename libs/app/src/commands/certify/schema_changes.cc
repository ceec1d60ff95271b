// Changes of the schema under a light load: what is acknowledged is there and right, nothing stops, and what no longer
// fits is refused rather than misread.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include <fmt/format.h>

#include <millrace/cql/composite.h>
#include <millrace/cql/statement.h>
#include <millrace/stream/outcome.h>

#include "phases.h"

namespace millrace::app::certify {
namespace {

constexpr unsigned width = 4;
// A change reaches every node, and every statement, within this time.
constexpr seconds settling{10};
constexpr std::int64_t factor = 7;  // of an amount: what a row must have is known from its key

struct address {
  std::string street;
};
using addresses = std::vector<cql::udt<address>>;

struct growing_row {
  addresses homes;
  std::optional<std::string> note;
};

struct changing_statements {
  explicit changing_statements(const run& in)
      : write(in.text("INSERT INTO {}.certify_growing (id, homes, note) VALUES (?, ?, ?)")),
        read(in.text("SELECT homes, note FROM {}.certify_growing WHERE id = ?")),
        write_other(in.text("INSERT INTO {}.certify_other (id, amount) VALUES (?, ?)")),
        read_other(in.text("SELECT amount FROM {}.certify_other WHERE id = ?")) {}

  cql::statement<void(std::int64_t, addresses, std::string_view)> write;
  cql::statement<growing_row(std::int64_t)> read;
  cql::statement<void(std::int64_t, std::int64_t)> write_other;
  cql::statement<std::optional<std::int64_t>(std::int64_t)> read_other;
};

std::string street_of(std::int64_t id) { return fmt::format("street {}", id); }
std::string note_of(std::int64_t id) { return fmt::format("note {}", id); }

// What the load has seen.
struct observed {
  std::set<std::int64_t> acknowledged;
  std::int64_t next = 0;
  std::uint64_t failed = 0;  // may be repeated, as the engine would
  std::uint64_t ended = 0;   // would end a record, or the process
  std::uint64_t wrong = 0;   // rows that are not what was written
  std::uint64_t missing = 0;
  std::string first;  // of what ended or was wrong
  instant last_success = {};
};

void note_failure(const error& why, observed& into) {
  if (stream::disposition_of(why.code()) == stream::disposition::retry) {
    ++into.failed;
    return;
  }
  ++into.ended;
  if (into.first.empty()) into.first = why.to_string();
}

// Reads a row that was acknowledged, and compares it.
runtime::task<stream::answer<void>> check_one(worker* by, const changing_statements* with, std::int64_t id,
                                              observed* seen) {
  const auto found = co_await with->read(by->context(), id);
  if (!found) {
    note_failure(found.error(), *seen);
    co_return result<void>();
  }
  if (!*found) {
    ++seen->missing;
    if (seen->first.empty()) seen->first = fmt::format("row {} is not there", id);
    co_return result<void>();
  }
  const growing_row& row = ***found;
  const bool right =
      row.homes.size() == 2 && row.homes[1]->street == street_of(id) && row.note && *row.note == note_of(id);
  if (!right) {
    ++seen->wrong;
    if (seen->first.empty()) seen->first = fmt::format("row {} is not what was written", id);
  }
  co_return result<void>();
}

runtime::task<stream::answer<void>> write_one(worker* by, const changing_statements* with, observed* seen) {
  const std::int64_t id = seen->next++;
  const addresses homes{address{"first"}, address{street_of(id)}};
  const std::string note = note_of(id);
  const auto written = co_await with->write(by->context(), id, homes, note);
  if (!written) {
    note_failure(written.error(), *seen);
    co_return result<void>();
  }
  seen->acknowledged.insert(id);
  seen->last_success = by->now();
  co_return co_await check_one(by, with, id, seen);
}

// The load, on a worker of its own, until it is told to stop.
class load_beside {
 public:
  load_beside(worker& by, const changing_statements& with)
      : by_(by), with_(with), thread_([this] { turn(); }) {}
  load_beside(const load_beside&) = delete;
  load_beside& operator=(const load_beside&) = delete;
  ~load_beside() { stop(); }

  observed& stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return seen_;
  }

 private:
  void turn() {
    while (!stopping_) {
      static_cast<void>(by_.run({.width = width, .calls = 100, .time = milliseconds(50)},
                                [this](std::uint64_t) { return write_one(&by_, &with_, &seen_); }));
    }
  }

  worker& by_;
  const changing_statements& with_;
  observed seen_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

struct change {
  const char* what;
  std::vector<std::string> cql;
};

bool apply(const run& in, const change& of) {
  for (const std::string& each : of.cql) {
    const auto done = in.main.beside([&] { return in.session.execute(in.text(each)); });
    if (!done) {
      in.to.add(verdict::fail, of.what, each + ": " + done.error().to_string());
      return false;
    }
  }
  return true;
}

// Waits until a write, or a read, of the other table ends as asked.
template <typename Ends>
bool settles(const run& in, const changing_statements& with, std::int64_t& id, const Ends& ends) {
  const instant until = in.main.now() + settling;
  while (in.main.now() < until) {
    ++id;
    if (ends(in.main.finish(with.write_other(in.main.context(), id, id * factor)))) return true;
    in.main.turn_for(milliseconds(20));
  }
  return false;
}

void certify_recreation(const run& in, const changing_statements& with, nanoseconds step) {
  constexpr const char* what = "DROP and CREATE with the same types";
  std::int64_t id = 0;
  if (!apply(in, {what,
                  {"DROP TABLE {}.certify_other",
                   "CREATE TABLE {}.certify_other (id bigint PRIMARY KEY, amount "
                   "bigint)"}})) {
    return;
  }
  if (!settles(in, with, id, [](const result<void>& done) { return done.ok(); })) {
    return in.to.add(verdict::fail, what, "no write succeeds in the table that was created again");
  }
  const std::int64_t first = id + 1;
  std::size_t failed = 0;
  const instant until = in.main.now() + step;
  do {
    ++id;
    if (!in.main.tell(with.write_other(in.main.context(), id, id * factor))) ++failed;
  } while (in.main.now() < until);
  std::size_t wrong = 0;
  for (std::int64_t each = first; each <= id; ++each) {
    const auto found = in.main.tell(with.read_other(in.main.context(), each));
    if (!found || !*found || ***found != each * factor) ++wrong;
  }
  in.to.check(failed == 0 && wrong == 0, what,
              fmt::format("{} rows were written afterwards: {} failed, {} are not as written", id - first + 1,
                          failed, wrong));
}

struct count_statement {
  explicit count_statement(const run& in) : ids(in.text("SELECT id FROM {}.certify_other WHERE id = ?")) {}
  cql::statement<std::optional<std::int64_t>(std::int64_t)> ids;
};

void certify_other_type(const run& in, const changing_statements& with) {
  constexpr const char* what = "DROP and CREATE with another type";
  std::int64_t id = 1'000'000'000;
  if (!apply(in, {what,
                  {"DROP TABLE {}.certify_other",
                   "CREATE TABLE {}.certify_other (id bigint PRIMARY KEY, amount "
                   "double)"}})) {
    return;
  }
  const std::int64_t first = id + 1;
  bool misread = false;
  const bool refused = settles(in, with, id, [&](const result<void>& done) {
    misread = misread || done.ok();
    return !done && done.error().code() == errc::db_type_mismatch;
  });
  const auto read = in.main.finish(with.read_other(in.main.context(), first));
  const bool read_refused = !read && read.error().code() == errc::db_type_mismatch;
  std::size_t rows = 0;
  if (const auto ask = in.main.declare<count_statement>(in); ask) {
    for (std::int64_t each = first; each <= id; ++each) {
      const auto found = in.main.finish((*ask)->ids(in.main.context(), each));
      if (found && *found) ++rows;
    }
  }
  in.to.check(
      refused && read_refused && !misread && rows == 0, what,
      fmt::format("a write {} refused with db_type_mismatch and a read {}; {} rows of the old type were "
                  "written to the new table",
                  refused ? "was" : "was not", read_refused ? "was too" : "was not", rows));
}

void certify_rows(const run& in, const changing_statements& with, observed& seen, instant ended) {
  const std::vector<std::int64_t> rows(seen.acknowledged.begin(), seen.acknowledged.end());
  const std::uint64_t failed_before = seen.failed;
  const load read = in.main.run({.width = 16, .calls = rows.size(), .time = in.budget()},
                                [&](std::uint64_t k) { return check_one(&in.main, &with, rows[k], &seen); });
  const std::uint64_t unread = rows.size() - read.done + seen.failed - failed_before;
  in.to.check(!rows.empty() && seen.missing == 0 && seen.wrong == 0 && unread == 0, "nothing is lost",
              fmt::format("{} rows were acknowledged during the changes: {} missing, {} wrong, {} not read{}",
                          rows.size(), seen.missing, seen.wrong, unread,
                          seen.missing + seen.wrong > 0 ? "; first: " + seen.first : std::string()),
              {{"acknowledged", static_cast<double>(rows.size())}});
  const nanoseconds silence = ended - seen.last_success;
  in.to.check(
      seen.ended == 0 && silence < seconds(5), "nothing stops",
      fmt::format("{} errors of the load would have ended a record or the process, {} would have been "
                  "repeated; the last write succeeded {} ms before the end{}",
                  seen.ended, failed_before, std::chrono::duration_cast<milliseconds>(silence).count(),
                  seen.ended > 0 ? "; first: " + seen.first : std::string()));
}

}  // namespace

void certify_schema_changes(const run& in) {
  in.to.begin("Schema changes under load");
  auto other = worker::attach(in.session, in.main.counts());
  if (!other) return in.to.add(verdict::fail, "second worker", other.error().to_string());
  const auto beside = (*other)->declare<changing_statements>(in);
  const auto with = in.main.declare<changing_statements>(in);
  if (!beside || !with) {
    return in.to.add(verdict::fail, "statements", (beside ? with.error() : beside.error()).to_string());
  }
  load_beside load(**other, **beside);
  const nanoseconds step = in.budget() / 12;
  in.main.turn_for(step);
  for (const change& each :
       {change{"ALTER TABLE ADD", {"ALTER TABLE {}.certify_growing ADD extra text"}},
        change{"ALTER TYPE ADD, nested", {"ALTER TYPE {}.certify_address ADD zip text"}}}) {
    if (apply(in, each)) in.to.add(verdict::pass, each.what, "done under load; its rows are judged below");
    in.main.turn_for(step);
  }
  certify_recreation(in, **with, step);
  certify_other_type(in, **with);
  in.main.turn_for(step);
  observed& seen = load.stop();
  certify_rows(in, **with, seen, in.main.now());
}

}  // namespace millrace::app::certify
