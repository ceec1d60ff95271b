// Lookups and write times over the whole path: store, bridge, driver and the emulators's CQL emulator.
#include <algorithm>
#include <map>
#include <random>

#include <millrace/cql/batch.h>
#include <millrace/cql/session.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/stream/write_clock.h>

#include "lookup_fixture.h"

namespace millrace::cql {
namespace {

using emulators::cql_emulator;
using emulators::operation;

constexpr seconds timeout{20};

class lookup_session_test : public ::testing::Test {
 protected:
  lookup_session_test() {
    for (const char* cql :
         {"CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
          "CREATE TABLE app.profile (id text PRIMARY KEY, segment text, score bigint)",
          "INSERT INTO app.profile (id, segment, score) VALUES ('ada', 'old', 1)"}) {
      EXPECT_TRUE(server_->execute(cql));
    }
    session_options options;
    options.contact_points = {server_->contact_point()};
    options.keyspace = "app";
    options.consistency = "ONE";
    session_ = std::move(*session::open(options));
    store_ = std::move(*session_->attach(loop_, {}, nullptr));
    run_ = std::make_unique<execution_of_test>(loop_, *store_);
    for (statements::statement_declaration* each : declared_.statements) {
      const auto prepared = store_->prepare(*each);
      EXPECT_TRUE(prepared) << prepared.error().to_string();
    }
    EXPECT_TRUE(profiles_.open(room_, profiles_.declared()));
    const auto connected = statements::connect(declared_, board_);
    EXPECT_TRUE(connected) << connected.error().to_string();
  }
  ~lookup_session_test() override { store_.reset(); }

  stream::context context() { return stream::context(*run_); }
  template <typename Done>
  void turn_until(Done done) {
    const instant give_up = loop_.time().now() + timeout;
    while (!done() && loop_.time().now() < give_up) loop_.run_turn(milliseconds(10));
    ASSERT_TRUE(done()) << "nothing happened for too long";
  }
  asked& begin(const std::string& key) {
    asked& made = *asked_.emplace_back(std::make_unique<asked>());
    made.task = ask(&profiles_, context(), key, &made);
    made.task.start(loop_, made);
    return made;
  }
  std::string segment_of(const std::string& key) {
    asked& made = begin(key);
    turn_until([&] { return made.finished; });
    return *made.got ? std::string((*made.got)->segment) : "nothing";
  }

  std::unique_ptr<cql_emulator> server_ = std::move(*cql_emulator::start());
  statements::invalidation_board board_;
  statements::lookup_room room_{board_};
  std::unique_ptr<session> session_;
  runtime::loop loop_{system_clock()};
  std::unique_ptr<stream::store> store_;
  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  std::unique_ptr<execution_of_test> run_;
  profile_lookup profiles_{"profiles", select_profile, {.ttl = seconds(3'600)}};
  statement<void(std::string_view, std::int64_t, std::string_view)> update_{
      "UPDATE profile SET segment = ?, score = ? WHERE id = ?",
      {.written = statements::write_time::record, .invalidates = {"profiles"}}};
  statement<void(std::string_view)> remove_{
      "DELETE FROM profile WHERE id = ?",
      {.written = statements::write_time::record, .invalidates = {"profiles"}}};
  std::vector<std::unique_ptr<asked>> asked_;
};

TEST_F(lookup_session_test, many_lookups_of_a_key_are_one_request_until_a_write_invalidates_it) {
  for (int i = 0; i < 50; ++i) begin("ada");
  EXPECT_EQ(segment_of("ada"), "old");
  EXPECT_EQ(server_->counters().of(operation::select), 1U);
  run_->write_time = system_clock().wall().time_since_epoch().count() + 1'000'000;
  asked done;
  auto writing = update_(context(), "new", 2, "ada");
  writing.start(loop_, done);
  turn_until([&] { return done.finished; });
  EXPECT_EQ(segment_of("ada"), "new");
  EXPECT_EQ(segment_of("ada"), "new");
  EXPECT_EQ(server_->counters().of(operation::select), 2U);
}

TEST_F(lookup_session_test, a_batch_writes_at_the_records_time_and_invalidates_rows) {
  EXPECT_EQ(segment_of("ada"), "old");
  const std::int64_t now_us = system_clock().wall().time_since_epoch().count() + 1'000'000;
  run_->write_time = now_us;
  batch writes(context());
  EXPECT_TRUE(writes.add(update_, std::string_view("new"), std::int64_t{2}, std::string_view("ada")));
  EXPECT_TRUE(writes.add(update_, std::string_view("newer"), std::int64_t{3}, std::string_view("ada")));
  EXPECT_FALSE(writes.add(remove_, std::string_view("ada"))) << "a deletion is a moment before other writes";
  EXPECT_EQ(writes.size(), 2U);
  asked done;
  auto writing = writes.run();
  writing.start(loop_, done);
  turn_until([&] { return done.finished; });
  EXPECT_EQ(segment_of("ada"), "newer");

  // An earlier record's deletion comes too late.
  run_->write_time = now_us - 2;
  EXPECT_TRUE(writes.add(remove_, std::string_view("ada")));
  asked again;
  auto removing = writes.run();
  removing.start(loop_, again);
  turn_until([&] { return again.finished; });
  EXPECT_EQ(segment_of("ada"), "newer");
}

TEST_F(lookup_session_test, requests_in_flight_when_the_store_ends_are_cancelled_for_every_waiter) {
  server_->set_latency(operation::select, {seconds(60), 0});
  asked& first = begin("ada");
  asked& second = begin("ada");
  loop_.run_turn(milliseconds(10));
  store_.reset();
  loop_.run_turn(milliseconds(0));
  EXPECT_EQ(first.got->ending().cause()->code(), errc::cancelled);
  EXPECT_EQ(second.got->ending().cause()->code(), errc::cancelled);
}

// Records of a few keys, some deleting, many in one millisecond; their writes arrive in any order, some
// twice.
TEST_F(lookup_session_test, the_last_record_of_a_key_wins_in_whatever_order_the_writes_arrive) {
  struct effect {
    std::string key;
    std::int64_t score = 0;  // 0: a deletion
    std::int64_t at_us = 0;
  };
  std::mt19937_64 random(5);
  stream::write_clock clock;
  const std::int64_t now_us = system_clock().wall().time_since_epoch().count();
  std::vector<effect> effects;
  std::map<std::string, std::int64_t> expected;
  for (std::int64_t n = 1; n <= 1'500; ++n) {
    const timestamp created(milliseconds(now_us / 1'000 - static_cast<std::int64_t>(random() % 3)));
    effect e{"key-" + std::to_string(random() % 5), random() % 4 == 0 ? 0 : n, clock.next(created, now_us)};
    expected[e.key] = e.score;
    effects.push_back(e);
    if (random() % 3 == 0) effects.push_back(e);
  }
  std::shuffle(effects.begin(), effects.end(), random);
  std::vector<std::unique_ptr<asked>> finished;
  std::vector<runtime::task<stream::answer<void>>> tasks;
  for (const effect& e : effects) {
    run_->write_time = e.at_us;
    tasks.push_back(e.score == 0 ? remove_(context(), e.key) : update_(context(), "s", e.score, e.key));
    tasks.back().start(loop_, *finished.emplace_back(std::make_unique<asked>()));
  }
  turn_until([&] {
    return std::all_of(finished.begin(), finished.end(), [](const auto& each) { return each->finished; });
  });
  for (const auto& [key, score] : expected) {
    asked& made = begin(key);
    turn_until([&] { return made.finished; });
    EXPECT_EQ((*made.got)->score, score) << key;
    EXPECT_EQ(made.got->is_default(), score == 0) << key;
  }
}

}  // namespace
}  // namespace millrace::cql
