// Lookups against a database that answers on request: what is shared, what is cached, and what a write
// invalidates.
#include <algorithm>
#include <list>
#include <map>
#include <random>
#include <ranges>
#include <stdexcept>

#include <millrace/stream/all.h>
#include <millrace/stream/must.h>

#include "lookup_fixture.h"

namespace millrace::cql {

// A type of the user's own, whose codec throws at what it does not expect.
struct level {
  std::string_view name;
};
template <>
struct codec<level> {
  static std::string cql() { return "text"; }
  static bool fits(const type& column) { return column.is("text"); }
  static void encode(cell_buffer& to, const level& value) { codec<std::string_view>::encode(to, value.name); }
  static cell_fault decode(std::optional<bytes_view> cell, level& to) {
    const cell_fault fault = codec<std::string_view>::decode(cell, to.name);
    if (to.name == "odd") throw std::invalid_argument("no such level");
    return fault;
  }
};

namespace {

using level_lookup = lookup<level(std::string_view)>;

struct level_asked final : runtime::deferred {
  void run() override { finished = true; }
  std::optional<found<level>> got;
  bool finished = false;
  runtime::task<void> task;
};

runtime::task<void> ask_level(const level_lookup* of, stream::context ctx, level_asked* into) {
  into->got.emplace(co_await (*of)(ctx, "ada"));
}

stream::rows_ref level_row(std::string_view name) {
  cell_buffer cells;
  codec<std::string_view>::encode(cells, name);
  return stream::rows_ref(new bytes_answer(byte_buffer(cells.view().begin(), cells.view().end()), 1));
}

using namespace std::chrono_literals;

class lookup_test : public ::testing::Test {
 protected:
  static byte_buffer key_of(std::string_view id) {
    cell_buffer cells;
    codec<std::string_view>::encode(cells, id);
    return {cells.view().begin(), cells.view().end()};
  }
  void write(std::string_view id) { board_.channel("profiles").post(key_of(id)); }

  manual_clock time_;
  statements::invalidation_board board_;
};

TEST_F(lookup_test, sends_one_request_and_answers_from_the_cache_until_the_row_expires) {
  worker_of_test w(time_, board_, {.ttl = 10s});
  EXPECT_EQ(w.look_up("ada", row_of("gold", 7)), "gold");
  EXPECT_EQ(w.look_up("ada", row_of("other", 0)), "gold");
  time_.advance(10s - 1ns);
  EXPECT_EQ(w.look_up("ada", row_of("other", 0)), "gold");
  time_.advance(1ns);
  EXPECT_EQ(w.look_up("ada", row_of("silver", 0)), "silver");
  const statements::lookup_statistics seen = w.statistics();
  EXPECT_EQ(seen.hits, 2U);
  EXPECT_EQ(seen.misses, 2U);
  EXPECT_EQ(seen.entries, 1U);
}

TEST_F(lookup_test, a_throwing_codec_fails_every_waiter_and_no_later_lookup) {
  worker_of_test w(time_, board_, {});
  level_lookup levels("levels", "SELECT level FROM levels WHERE id = ?");
  ASSERT_TRUE(levels.open(w.room, levels.declared()));
  level_asked first;
  level_asked second;
  level_asked third;
  for (level_asked* each : {&first, &second}) {
    each->task = ask_level(&levels, w.context(), each);
    each->task.start(w.loop, *each);
  }
  w.answer(level_row("odd"));
  for (const level_asked* each : {&first, &second}) {
    ASSERT_TRUE(each->finished);
    ASSERT_FALSE(*each->got);
    EXPECT_EQ(each->got->ending().cause()->to_string(),
              "processor_threw: std::invalid_argument: no such level");
  }
  third.task = ask_level(&levels, w.context(), &third);
  third.task.start(w.loop, third);
  w.answer(level_row("even"));
  ASSERT_TRUE(third.finished);
  ASSERT_TRUE(*third.got) << "the answer that could not be read was not cached";
  EXPECT_EQ((*third.got)->name, "even");
}

TEST_F(lookup_test, the_lifetime_of_a_row_begins_with_its_request) {
  worker_of_test w(time_, board_, {.ttl = 10s});
  w.begin("ada");
  time_.advance(9s);
  w.answer(row_of("gold", 7));
  time_.advance(1s);
  EXPECT_EQ(w.look_up("ada", row_of("silver", 0)), "silver");
}

TEST_F(lookup_test, identical_lookups_in_flight_share_one_request) {
  worker_of_test w(time_, board_, {});
  asked& first = w.begin("ada");
  asked& second = w.begin("ada");
  asked& other = w.begin("bob");
  EXPECT_EQ(w.store.waiting.size(), 2U);
  w.answer(row_of("gold", 7));
  EXPECT_EQ(worker_of_test::text_of(first), "gold");
  EXPECT_EQ(worker_of_test::text_of(second), "gold");
  EXPECT_EQ(worker_of_test::text_of(other), "waiting");
  w.answer(no_row());
  EXPECT_EQ(worker_of_test::text_of(other), "default");
  EXPECT_EQ(w.statistics().shared, 1U);
}

TEST_F(lookup_test, an_error_reaches_every_waiter_and_is_not_cached) {
  worker_of_test w(time_, board_, {});
  asked& first = w.begin("ada");
  asked& second = w.begin("ada");
  w.answer(error(errc::db_timeout, "too late"));
  EXPECT_EQ(first.got->ending().cause()->code(), errc::db_timeout);
  EXPECT_EQ(second.got->ending().what(), stream::outcome::kind::failed);
  EXPECT_EQ(w.look_up("ada", row_of("gold", 7)), "gold");
  EXPECT_EQ(w.statistics().misses, 2U);
}

TEST_F(lookup_test, an_invalid_row_is_an_error_and_is_not_cached) {
  worker_of_test w(time_, board_, {});
  const auto two = [] {
    byte_buffer cells = *from_hex("00000001 61 00000008 0000000000000001");
    cells.insert(cells.end(), cells.begin(), cells.end());
    return stream::rows_ref(new bytes_answer(std::move(cells), 2));
  };
  EXPECT_EQ(w.look_up("ada", two()), "statement 'select profile': expected at most one row, received 2 rows");
  const auto null_score = [] {
    return stream::rows_ref(new bytes_answer(*from_hex("00000001 61 ffffffff"), 1));
  };
  EXPECT_EQ(w.look_up("ada", null_score()),
            "statement 'select profile': column '2' is null, and the C++ type is not std::optional");
  EXPECT_EQ(w.statistics().entries, 0U);
}

TEST_F(lookup_test, a_missing_row_is_cached_for_its_own_lifetime) {
  worker_of_test w(time_, board_, {.ttl = 10s, .negative_ttl = 1s});
  EXPECT_EQ(w.look_up("ada", no_row()), "default");
  EXPECT_EQ(w.look_up("ada", row_of("gold", 7)), "default");
  time_.advance(1s);
  EXPECT_EQ(w.look_up("ada", row_of("gold", 7)), "gold");
  EXPECT_EQ(w.statistics().negative_hits, 1U);
  EXPECT_EQ(w.statistics().absent, 2U);
}

TEST_F(lookup_test, without_a_lifetime_nothing_is_cached_and_requests_are_still_shared) {
  worker_of_test w(time_, board_, {.ttl = 0ms, .negative_ttl = 0ms});
  EXPECT_EQ(w.look_up("ada", row_of("gold", 7)), "gold");
  EXPECT_EQ(w.look_up("ada", row_of("silver", 7)), "silver");
  EXPECT_EQ(w.look_up("bob", no_row()), "default");
  w.begin("eve");
  w.begin("eve");
  EXPECT_EQ(w.store.waiting.size(), 1U);
  w.answer(no_row());
  EXPECT_EQ(w.statistics().entries, 0U);
}

TEST_F(lookup_test, the_least_recently_used_row_is_evicted) {
  worker_of_test w(time_, board_, {.entries_max = 2});
  w.look_up("a", row_of("A", 0));
  w.look_up("b", row_of("B", 0));
  EXPECT_EQ(w.look_up("a", row_of("?", 0)), "A");
  w.look_up("c", row_of("C", 0));
  EXPECT_EQ(w.look_up("a", row_of("?", 0)), "A");
  EXPECT_EQ(w.look_up("b", row_of("B2", 0)), "B2") << "b was the least recently used";
  EXPECT_EQ(w.statistics().evictions, 2U);
  EXPECT_EQ(w.statistics().entries, 2U);
}

TEST_F(lookup_test, bytes_are_bounded_and_oversized_rows_are_not_cached) {
  worker_of_test w(time_, board_, {.entries_max = 100, .bytes_max = 2'000});
  const std::string large(3'000, 'x');
  EXPECT_EQ(w.look_up("huge", row_of(large, 0)), large);
  EXPECT_EQ(w.statistics().entries, 0U);
  const std::string half(900, 'y');
  for (const char* key : {"a", "b", "c", "d"}) EXPECT_EQ(w.look_up(key, row_of(half, 0)), half);
  EXPECT_EQ(w.statistics().entries, 1U) << "two of them and their bookkeeping are more than 2,000 bytes";
}

TEST_F(lookup_test, cached_rows_count_against_the_memory_of_the_process) {
  account_of_test account(1'500);
  {
    worker_of_test w(time_, board_, {.entries_max = 64}, &account);
    EXPECT_EQ(account.held, 64 * sizeof(void*)) << "the index";
    EXPECT_EQ(w.look_up("a", row_of(std::string(500, 'a'), 0)), std::string(500, 'a'));
    const std::size_t with_one = account.held;
    EXPECT_GT(with_one, 500 + 64 * sizeof(void*));
    // No room for both: the newer one stays.
    EXPECT_EQ(w.look_up("b", row_of(std::string(500, 'b'), 0)), std::string(500, 'b'));
    EXPECT_EQ(w.statistics().entries, 1U);
    EXPECT_EQ(w.look_up("b", row_of("?", 0)), std::string(500, 'b'));
  }
  EXPECT_EQ(account.held, 0U);
}

TEST_F(lookup_test, a_row_outlives_its_eviction) {
  worker_of_test w(time_, board_, {.entries_max = 1});
  asked& held = w.begin("a");
  w.answer(row_of("as it was", 3));
  w.look_up("b", row_of("B", 0));
  EXPECT_EQ((*held.got)->segment, "as it was");
}

TEST_F(lookup_test, a_write_invalidates_the_row_in_every_worker) {
  worker_of_test here(time_, board_, {});
  worker_of_test there(time_, board_, {});
  here.look_up("ada", row_of("old", 0));
  here.look_up("bob", row_of("untouched", 0));
  there.look_up("ada", row_of("old", 0));
  write("ada");
  EXPECT_EQ(there.look_up("ada", row_of("new", 0)), "new");
  EXPECT_EQ(here.look_up("ada", row_of("new", 0)), "new");
  EXPECT_EQ(here.look_up("bob", row_of("?", 0)), "untouched");
  EXPECT_EQ(there.statistics().invalidations, 1U);
}

TEST_F(lookup_test, an_answer_read_before_a_write_is_not_cached_after_it) {
  worker_of_test w(time_, board_, {});
  asked& before = w.begin("ada");
  write("ada");
  asked& after = w.begin("ada");
  EXPECT_EQ(w.store.waiting.size(), 2U) << "a lookup after the write does not join a request sent before it";
  w.answer(row_of("old", 0));
  EXPECT_EQ(worker_of_test::text_of(before), "old");
  EXPECT_EQ(worker_of_test::text_of(after), "waiting");
  EXPECT_EQ(w.statistics().entries, 0U);
  w.answer(row_of("new", 0));
  EXPECT_EQ(worker_of_test::text_of(after), "new");
  EXPECT_EQ(w.look_up("ada", row_of("?", 0)), "new");
}

TEST_F(lookup_test, an_invalidation_posted_during_a_request_is_applied_before_its_answer_is_cached) {
  worker_of_test w(time_, board_, {});
  w.begin("ada");
  write("ada");  // no lookup until the answer has arrived
  w.answer(row_of("old", 0));
  EXPECT_EQ(w.look_up("ada", row_of("new", 0)), "new");
}

TEST_F(lookup_test, more_invalidations_than_fit_the_inbox_invalidate_everything) {
  worker_of_test w(time_, board_, {});
  w.look_up("ada", row_of("old", 0));
  asked& under_way = w.begin("bob");
  for (int i = 0; i < 10'000; ++i) write("somebody else " + std::to_string(i));
  EXPECT_EQ(w.look_up("ada", no_row()), "waiting") << "bob's answer came first";
  EXPECT_EQ(worker_of_test::text_of(under_way), "default");
  w.answer(row_of("new", 0));
  EXPECT_EQ(w.look_up("bob", row_of("B", 0)), "B") << "what was under way was not kept";
}

TEST_F(lookup_test, a_write_invalidates_on_success_and_on_failure) {
  worker_of_test w(time_, board_, {});
  const statement<void(std::string_view, std::string_view)> insert(
      "INSERT INTO profile (segment, id) VALUES (?, ?)", {.invalidates = {"profiles"}});
  ASSERT_TRUE(statements::connect(w.declared, board_));
  for (const bool fails : {false, true}) {
    w.look_up("ada", row_of("old", 0));
    asked done;
    auto writing = insert(w.context(), "new", "ada");
    writing.start(w.loop, done);
    EXPECT_EQ(w.begin("ada").finished, true) << "until the write is answered the row may be the old one";
    w.answer(fails ? result<stream::rows_ref>(error(errc::db_timeout, "who knows")) : no_row());
    EXPECT_TRUE(done.finished);
    EXPECT_EQ(w.look_up("ada", row_of("new", 0)), "new");
    write("ada");
  }
}

TEST_F(lookup_test, the_miss_policy_decides_about_a_missing_row) {
  const auto ending_with = [this](statements::lookup_options options, nanoseconds put_off = {}) {
    statements::invalidation_board board;
    worker_of_test w(time_, board, std::move(options));
    w.run.put_off = put_off;
    asked& made = w.begin("ada");
    w.answer(no_row());
    EXPECT_FALSE(*made.got);
    return made.got->ending();
  };
  const stream::outcome skipped = ending_with({.on_miss = miss_policy::skip});
  EXPECT_EQ(skipped.what(), stream::outcome::kind::skipped);
  EXPECT_EQ(skipped.cause()->message(), "profiles: no row");
  EXPECT_EQ(ending_with({.on_miss = miss_policy::dead_letter}).what(), stream::outcome::kind::dead_letter);
  const statements::lookup_options late{
      .on_miss = miss_policy::retry, .retry_delay = 2s, .retry_for = 10s, .when_late = miss_policy::skip};
  const stream::outcome again = ending_with(late);
  EXPECT_EQ(again.what(), stream::outcome::kind::again);
  EXPECT_EQ(again.delay(), 2s);
  EXPECT_EQ(ending_with(late, 9s).what(), stream::outcome::kind::again);
  EXPECT_EQ(ending_with(late, 10s).what(), stream::outcome::kind::skipped);
}

TEST_F(lookup_test, lookups_of_one_name_share_a_cache_and_must_have_equal_declarations) {
  worker_of_test w(time_, board_, {.ttl = 10s});
  profile_lookup same("profiles", select_profile, {.ttl = 10s});
  profile_lookup shorter("profiles", select_profile, {.ttl = 9s});
  profile_lookup elsewhere("profiles", "SELECT segment, score FROM other WHERE id = ?", {.ttl = 10s});
  EXPECT_TRUE(same.open(w.room, same.declared()));
  EXPECT_FALSE(shorter.open(w.room, shorter.declared()));
  EXPECT_FALSE(elsewhere.open(w.room, elsewhere.declared()));
  w.look_up("ada", row_of("gold", 7));
  auto call = same(w.context(), "ada");
  ASSERT_TRUE(call.await_ready());
  const auto held = call.await_resume();
  EXPECT_EQ(held->segment, "gold");
}

TEST_F(lookup_test, a_statement_other_than_a_select_by_key_is_refused) {
  worker_of_test w(time_, board_, {});
  const auto why = [&w](std::string_view cql) {
    lookup<std::int64_t(std::int64_t)> made("n", cql);
    const auto opened = made.open(w.room, made.declared());
    return opened ? "opened" : opened.error().message();
  };
  EXPECT_EQ(why("INSERT INTO t (n) VALUES (?)"), "lookup 'n': a lookup must be a SELECT");
  EXPECT_EQ(why("SELECT n FROM t WHERE k > ?"),
            "lookup 'n': every '?' of a lookup must be compared with '=' to a column of its key");
  EXPECT_EQ(why("SELECT n FROM t WHERE k = ?"), "opened");
}

// A cache as one would write it down: a list in order of use.
class naive_cache {
 public:
  struct entry {
    std::string key;
    std::int64_t version = 0;  // -1: no row
    instant expires_at;
  };
  explicit naive_cache(std::size_t entries_max) : entries_max_(entries_max) {}
  const entry* use(const std::string& key, instant now) {
    const auto found = find(key);
    if (found == entries.end()) return nullptr;
    if (now >= found->expires_at) {
      entries.erase(found);
      return nullptr;
    }
    entries.splice(entries.end(), entries, found);
    return &entries.back();
  }
  void keep(entry what) {
    drop(what.key);
    while (entries.size() >= entries_max_) {
      entries.pop_front();
      ++evictions;
    }
    entries.push_back(std::move(what));
  }
  bool drop(const std::string& key) {
    const auto found = find(key);
    if (found == entries.end()) return false;
    entries.erase(found);
    return true;
  }
  std::list<entry> entries;
  std::uint64_t evictions = 0;

 private:
  std::list<entry>::iterator find(const std::string& key) {
    return std::find_if(entries.begin(), entries.end(), [&key](const entry& e) { return e.key == key; });
  }
  std::size_t entries_max_;
};

// Random lookups, writes, answers in any order, failures and time, on two workers: each does what the naive
// cache does, and no lookup returns a row overwritten before it began.
class model_run {
 public:
  explicit model_run(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 2; ++i) workers_.push_back(std::make_unique<side>(time_, board_, options_));
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
    for (auto& each : workers_) {
      while (!each->flights.empty()) answer(*each);
    }
  }

 private:
  static constexpr int keys = 12;
  struct open_lookup {
    asked* what;
    std::int64_t at_least;  // the version when it was begun
  };
  struct flight {
    std::string key;
    std::int64_t read;  // the version this answer carries
    instant asked_at;
    bool stale = false;
    std::vector<open_lookup> waiting = {};
  };
  struct side {
    side(const clock& time, statements::invalidation_board& board, const statements::lookup_options& options)
        : worker(time, board, options), cache(options.entries_max) {}
    worker_of_test worker;
    naive_cache cache;
    std::vector<flight> flights;  // as store.waiting
    statements::lookup_statistics expected;
  };

  std::size_t below(std::size_t n) { return random_() % n; }
  std::string any_key() { return "key-" + std::to_string(below(keys)); }

  void step() {
    side& s = *workers_[below(2)];
    const std::size_t dice = below(100);
    if (dice < 50) return look_up(s, any_key());
    if (dice < 80) return answer(s);
    if (dice < 90) return write(any_key());
    time_.advance(milliseconds(below(700)));
  }

  void write(const std::string& key) {
    std::int64_t& version = table_[key];
    version = below(4) == 0 ? -(std::abs(version) + 1) : std::abs(version) + 1;  // negative: deleted
    cell_buffer cells;
    codec<std::string>::encode(cells, key);
    board_.channel("profiles").post(cells.view());
    for (auto& each : workers_) {
      each->expected.invalidations += each->cache.drop(key) ? 1U : 0U;
      for (flight& f : each->flights) {
        if (f.key != key || f.stale) continue;
        f.stale = true;
        ++each->expected.invalidations;
      }
    }
  }

  void look_up(side& s, const std::string& key) {
    const std::int64_t now_version = table_[key];
    const naive_cache::entry* cached = s.cache.use(key, time_.now());
    asked& made = s.worker.begin(key);
    if (cached != nullptr) {
      ++(cached->version > 0 ? s.expected.hits : s.expected.negative_hits);
      if (cached->version <= 0) ++s.expected.absent;
      ASSERT_TRUE(made.finished) << key;
      return check(made, std::abs(now_version), cached->version);
    }
    ASSERT_FALSE(made.finished) << key;
    auto joined = std::find_if(s.flights.begin(), s.flights.end(),
                               [&](const flight& f) { return f.key == key && !f.stale; });
    ++(joined != s.flights.end() ? s.expected.shared : s.expected.misses);
    if (joined == s.flights.end()) joined = s.flights.insert(joined, {key, now_version, time_.now()});
    joined->waiting.push_back({&made, std::abs(now_version)});
    ASSERT_EQ(s.flights.size(), s.worker.store.waiting.size());
  }

  void answer(side& s) {
    if (s.flights.empty()) return;
    const std::size_t which = below(s.flights.size());
    flight f = s.flights[which];
    s.flights.erase(s.flights.begin() + static_cast<std::ptrdiff_t>(which));
    // The server may have read at any time while the request was under way.
    if (below(2) == 0) f.read = table_[f.key];
    const bool fails = below(10) == 0;
    if (!fails && !f.stale) {
      const milliseconds lifetime = f.read > 0 ? options_.ttl : options_.negative_ttl;
      s.cache.keep({f.key, f.read, f.asked_at + lifetime});
    }
    s.worker.store.answer(which, fails        ? result<stream::rows_ref>(error(errc::db_timeout))
                                 : f.read > 0 ? row_of(f.key, f.read)
                                              : no_row());
    s.worker.loop.run_pending();
    for (const open_lookup& each : f.waiting) {
      ASSERT_TRUE(each.what->finished) << f.key;
      if (fails) {
        EXPECT_EQ(each.what->got->ending().what(), stream::outcome::kind::failed);
        continue;
      }
      if (f.read <= 0) ++s.expected.absent;
      check(*each.what, each.at_least, f.read);
    }
    compare(s);
  }

  void check(const asked& got, std::int64_t at_least, std::int64_t version) {
    EXPECT_GE(std::abs(version), at_least) << "returned a row overwritten before the lookup";
    if (version > 0) {
      ASSERT_TRUE(*got.got);
      EXPECT_EQ((*got.got)->score, version);
    } else {
      EXPECT_TRUE(got.got->is_default());
    }
  }

  void compare(side& s) {
    const statements::lookup_statistics seen = s.worker.statistics();
    EXPECT_EQ(seen.hits, s.expected.hits);
    EXPECT_EQ(seen.negative_hits, s.expected.negative_hits);
    EXPECT_EQ(seen.shared, s.expected.shared);
    EXPECT_EQ(seen.misses, s.expected.misses);
    EXPECT_EQ(seen.absent, s.expected.absent);
    EXPECT_EQ(seen.evictions, s.cache.evictions);
    EXPECT_EQ(seen.invalidations, s.expected.invalidations);
    EXPECT_EQ(seen.entries, s.cache.entries.size());
  }

  std::mt19937_64 random_;
  manual_clock time_;
  statements::invalidation_board board_;
  const statements::lookup_options options_{.entries_max = 5, .ttl = 1'000ms, .negative_ttl = 300ms};
  std::map<std::string, std::int64_t> table_;
  std::vector<std::unique_ptr<side>> workers_;
};

TEST(lookup_model, agrees_with_a_naive_cache) {
  for (std::uint64_t seed = 1; seed <= 150 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    model_run(seed).run(2'000);
  }
}

struct ended_process final : runtime::deferred {
  void run() override { finished = true; }
  bool finished = false;
  runtime::task<std::string> task;
};

runtime::task<std::string> both_of(const profile_lookup* of, stream::context ctx, std::string one,
                                   std::string other) {
  const auto [first, second] = co_await stream::must(stream::all((*of)(ctx, one), (*of)(ctx, other)));
  co_return std::string(first->segment) + " " + std::string(second->segment);
}

runtime::task<std::string> each_of(const profile_lookup* of, stream::context ctx,
                                   std::vector<std::string> keys) {
  const auto look_up = [of, ctx](const std::string& key) { return (*of)(ctx, key); };
  const auto all = co_await stream::must(stream::all(keys | std::views::transform(look_up), 2));
  std::string segments;
  for (const found<profile>& each : all) segments += std::string(each->segment) + " ";
  co_return segments;
}

class together_test : public lookup_test {
 protected:
  // Runs to the end while the database answers every request with the row "gold", "none" (no row) or an error.
  std::string end_of(worker_of_test& w, runtime::task<std::string> work,
                     const std::vector<result<stream::rows_ref>>& answers) {
    ended_process end;
    end.task = std::move(work);
    end.task.start(w.loop, end);
    w.loop.run_pending();
    requests_at_once = w.store.waiting.size();
    for (const auto& each : answers) w.answer(each);
    w.loop.run_pending();
    EXPECT_TRUE(end.finished);
    try {
      return end.task.take();
    } catch (const stream::early_end& early) {
      return early.how().cause()->to_string();
    }
  }
  std::size_t requests_at_once = 0;
};

TEST_F(together_test, two_lookups_at_once_send_two_requests_and_equal_ones_one) {
  worker_of_test w(time_, board_, {});
  EXPECT_EQ(
      end_of(w, both_of(&w.profiles, w.context(), "ada", "bob"), {row_of("gold", 1), row_of("silver", 1)}),
      "gold silver");
  EXPECT_EQ(requests_at_once, 2U);
  EXPECT_EQ(end_of(w, both_of(&w.profiles, w.context(), "cyd", "cyd"), {row_of("iron", 1)}), "iron iron");
  EXPECT_EQ(requests_at_once, 1U);
  EXPECT_EQ(end_of(w, both_of(&w.profiles, w.context(), "ada", "dan"), {row_of("tin", 1)}), "gold tin");
  EXPECT_EQ(requests_at_once, 1U) << "the other is cached";
}

TEST_F(together_test, must_ends_with_the_error_or_the_miss_policy_of_a_lookup) {
  worker_of_test w(time_, board_, {.on_miss = miss_policy::skip});
  EXPECT_EQ(end_of(w, both_of(&w.profiles, w.context(), "ada", "bob"), {no_row(), row_of("silver", 1)}),
            "rejected: profiles: no row");
  EXPECT_EQ(end_of(w, both_of(&w.profiles, w.context(), "ada", "eve"), {error(errc::db_timeout, "late")}),
            "db_timeout: late")
      << "the error of one is not hidden by the cached miss of the other";
}

TEST_F(together_test, a_view_of_keys_is_looked_up_two_at_a_time) {
  worker_of_test w(time_, board_, {});
  EXPECT_EQ(end_of(w, each_of(&w.profiles, w.context(), {"a", "b", "c", "a"}),
                   {row_of("one", 1), row_of("two", 2), row_of("three", 3)}),
            "one two three one ");
  EXPECT_EQ(requests_at_once, 2U);
}

}  // namespace
}  // namespace millrace::cql
