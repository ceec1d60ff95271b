// The schema and the cluster change while a closed loop of writers and readers works as an engine would: what was
// acknowledged is there and right, nothing is a reason to stop, and no record is to blame.
#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <millrace/cql/composite.h>
#include <millrace/runtime/wait.h>
#include <millrace/stream/outcome.h>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

constexpr std::size_t writers = 6;  // and as many readers, of each table
constexpr milliseconds pause_before_retry{5};

struct cluster_kind {
  const char* name;
  unsigned shards;
  bool tablets;
};

struct address {
  std::string street;
  std::int32_t number = 0;
};
using address_list = std::vector<udt<address>>;
using address_map = std::map<std::string, std::tuple<std::int32_t, udt<address>>>;

struct person {
  std::string name;
  address_list homes;
  address_map named;
};

// What the row of an id has, so that a reader needs no copy of what was written.
std::string text_of(std::int64_t id) { return "text " + std::to_string(id * 7'919); }
address address_of(std::int64_t id) {
  return {"Street " + std::to_string(id), static_cast<std::int32_t>(id % 1'000)};
}
address_list homes_of(std::int64_t id) {
  return {udt<address>(address_of(id)), udt<address>(address_of(id + 1))};
}
address_map named_of(std::int64_t id) { return {{"work", {7, udt<address>(address_of(id + 2))}}}; }

bool is_address_of(std::int64_t id, const udt<address>& found) {
  const address expected = address_of(id);
  return found->street == expected.street && found->number == expected.number;
}
bool is_person_of(std::int64_t id, const person& found) {
  if (found.name != text_of(id) || found.homes.size() != 2 || found.named.size() != 1) return false;
  const auto& [first, second] = found.named.begin()->second;
  return is_address_of(id, found.homes[0]) && is_address_of(id + 1, found.homes[1]) && first == 7 &&
         is_address_of(id + 2, second);
}

// The rows of a table that were acknowledged, by id; and of which life of the table: DROP ends one.
class acknowledged {
 public:
  struct row {
    std::int64_t id;
    std::uint32_t life;
  };

  void add(std::int64_t id, std::uint32_t life) { rows_.push_back({id, life}); }
  // One of them, another one each time.
  [[nodiscard]] const row& any() { return rows_[(turn_ += 7'919) % rows_.size()]; }
  [[nodiscard]] const std::deque<row>& rows() const noexcept { return rows_; }

 private:
  std::deque<row> rows_;
  std::size_t turn_ = 0;
};

std::unique_ptr<cql_emulator> three_nodes(const cluster_kind& kind) {
  emulators::cql_emulator_options options;
  options.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}};
  options.tokens_per_node = 8;
  options.shards = kind.shards;
  auto server = started(options);
  const std::string with = kind.tablets ? " AND tablets = {'enabled': true, 'initial': 8}" : "";
  for (const std::string& cql :
       {"CREATE KEYSPACE storm WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}" + with,
        std::string("CREATE TYPE storm.address (street text, number int)"),
        std::string(
            "CREATE TABLE storm.person (id bigint PRIMARY KEY, name text, homes list<frozen<address>>, "
            "named map<text, frozen<tuple<int, frozen<address>>>>)"),
        std::string("CREATE TABLE storm.note (id bigint PRIMARY KEY, text text)"),
        std::string("CREATE TABLE storm.measure (id bigint PRIMARY KEY, amount bigint)")}) {
    const auto done = server->execute(cql);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  for (const operation each : {operation::select, operation::insert, operation::prepare}) {
    server->set_latency(each, {.p50 = microseconds(1'000), .sigma = 0.7});
  }
  return server;
}

struct running final : session_test {
  explicit running(const cluster_kind& kind) : session_test(three_nodes(kind), {}), kind_(kind) {
    prepare_all(write_person_, read_person_, write_note_, read_note_, write_measure_, read_measure_);
  }
  void TestBody() override {}
  using session_test::loop_;
  using session_test::server_;
  using session_test::turn_until;
  template <typename... S>
  void prepare_all(S&... all) {
    (expect_prepared(all), ...);
  }
  void expect_prepared(statements::statement_declaration& what) {
    const auto done = store_->prepare(what);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  void execute(const std::string& cql) {
    const auto done = server_->execute(cql);
    ASSERT_TRUE(done) << cql << ": " << done.error().to_string();
  }

  // The load.
  void begin();
  void end();
  void begin_measures();
  void end_measures();
  void make_progress(std::size_t rows = 60);
  void expect_all_rows();

  // What happens meanwhile.
  void change_the_schema();
  void make_notes_anew();
  void restart_every_node();
  void let_nodes_join_and_leave();
  void move_tablets();
  void wait_for_connections();

  static runtime::task<void> write_people(running* on, std::int64_t first);
  static runtime::task<void> write_notes(running* on, std::int64_t first);
  static runtime::task<void> write_measures(running* on, std::int64_t first);
  static runtime::task<void> read_people(running* on);
  static runtime::task<void> read_notes(running* on);
  static runtime::task<void> read_measures(running* on);
  static runtime::task<void> check_person(running* on, std::int64_t id);

  // Whether the engine would run the record again.
  bool is_retried(const error& why, const char* what);
  void wrong(const std::string& what) {
    if (wrong_.size() < 10) wrong_.push_back(what);
  }

  cluster_kind kind_;
  statement<void(std::int64_t, std::string_view, address_list, address_map)> write_person_{
      "INSERT INTO storm.person (id, name, homes, named) VALUES (?, ?, ?, ?)"};
  statement<person(std::int64_t)> read_person_{"SELECT name, homes, named FROM storm.person WHERE id = ?"};
  statement<void(std::int64_t, std::string_view)> write_note_{
      "INSERT INTO storm.note (id, text) VALUES (?, ?)"};
  statement<std::string(std::int64_t)> read_note_{"SELECT text FROM storm.note WHERE id = ?"};
  statement<void(std::int64_t, std::int64_t)> write_measure_{
      "INSERT INTO storm.measure (id, amount) VALUES (?, ?)"};
  statement<std::int64_t(std::int64_t)> read_measure_{"SELECT amount FROM storm.measure WHERE id = ?"};
  std::unique_ptr<runtime::scope> all_;
  acknowledged people_;
  acknowledged notes_;
  std::uint32_t notes_life_ = 0;
  std::map<errc, std::uint64_t> retries_;
  std::vector<std::string> wrong_;
  bool stopping_ = false;
  // Of the table that gets another type: whether it has it, and what became of the statements since.
  bool measures_differ_ = false;
  std::uint64_t measures_good_ = 0;
  std::map<errc, std::uint64_t> refused_measures_;
};

bool running::is_retried(const error& why, const char* what) {
  ++retries_[why.code()];
  if (stream::disposition_of(why.code()) == stream::disposition::retry) return true;
  wrong(std::string(what) + ": " + why.to_string());
  return false;
}

runtime::task<void> running::write_people(running* on, std::int64_t first) {
  for (std::int64_t id = first; !on->stopping_; id += writers) {
    const std::string name = text_of(id);
    const address_list homes = homes_of(id);
    const address_map named = named_of(id);
    while (true) {
      const auto written = co_await on->write_person_(on->context(), id, name, homes, named);
      if (written) break;
      if (!on->is_retried(written.error(), "write of a person")) co_return;
      co_await runtime::sleep_for(on->loop_, pause_before_retry);
    }
    on->people_.add(id, 0);
  }
}

runtime::task<void> running::write_notes(running* on, std::int64_t first) {
  for (std::int64_t id = first; !on->stopping_; id += writers) {
    const std::string text = text_of(id);
    while (true) {
      const std::uint32_t life = on->notes_life_;
      const auto written = co_await on->write_note_(on->context(), id, text);
      if (written) {
        on->notes_.add(id, life);
        break;
      }
      if (!on->is_retried(written.error(), "write of a note")) co_return;
      co_await runtime::sleep_for(on->loop_, pause_before_retry);
    }
  }
}

runtime::task<void> running::read_people(running* on) {
  while (!on->stopping_) {
    if (on->people_.rows().empty()) {
      co_await runtime::sleep_for(on->loop_, pause_before_retry);
      continue;
    }
    const std::int64_t id = on->people_.any().id;
    const auto found = co_await on->read_person_(on->context(), id);
    if (!found) {
      if (!on->is_retried(found.error(), "read of a person")) co_return;
      co_await runtime::sleep_for(on->loop_, pause_before_retry);
    } else if (!*found) {
      on->wrong("person " + std::to_string(id) + " is lost");
    } else if (!is_person_of(id, ***found)) {
      on->wrong("person " + std::to_string(id) + " is another one");
    }
  }
}

runtime::task<void> running::read_notes(running* on) {
  while (!on->stopping_) {
    if (on->notes_.rows().empty()) {
      co_await runtime::sleep_for(on->loop_, pause_before_retry);
      continue;
    }
    const acknowledged::row row = on->notes_.any();
    const auto found = co_await on->read_note_(on->context(), row.id);
    if (!found) {
      if (!on->is_retried(found.error(), "read of a note")) co_return;
      co_await runtime::sleep_for(on->loop_, pause_before_retry);
    } else if (!*found && row.life == on->notes_life_) {
      on->wrong("note " + std::to_string(row.id) + " is lost");
    } else if (*found && ***found != text_of(row.id)) {
      on->wrong("note " + std::to_string(row.id) + " is another one");
    }
  }
}

// One that was submitted while the table had its first type may have been executed then.
runtime::task<void> running::write_measures(running* on, std::int64_t first) {
  for (std::int64_t id = first; !on->stopping_; id += writers) {
    const bool differed = on->measures_differ_;
    const auto written = co_await on->write_measure_(on->context(), id, id * 3);
    if (written && differed) on->wrong("a bigint was written into the new table");
    if (written) ++on->measures_good_;
    if (!written && differed) ++on->refused_measures_[written.error().code()];
    if (!written && !differed && written.error().code() != errc::db_type_mismatch &&
        !on->is_retried(written.error(), "write of a measure")) {
      co_return;
    }
    if (!written) co_await runtime::sleep_for(on->loop_, pause_before_retry);
  }
}

runtime::task<void> running::read_measures(running* on) {
  for (std::int64_t id = 0; !on->stopping_; id = (id + 1) % 50) {
    const bool differed = on->measures_differ_;
    const auto found = co_await on->read_measure_(on->context(), id);
    if (found && *found && ***found != id * 3) on->wrong("a measure was misread");
    if (found && differed) on->wrong("a double was read as bigint");
    if (!found && differed) ++on->refused_measures_[found.error().code()];
    if (!found && !differed && found.error().code() != errc::db_type_mismatch &&
        !on->is_retried(found.error(), "read of a measure")) {
      co_return;
    }
    if (!found) co_await runtime::sleep_for(on->loop_, pause_before_retry);
  }
}

void running::begin() {
  all_ = std::make_unique<runtime::scope>(loop_, 4 * writers);
  for (std::size_t k = 0; k < writers; ++k) {
    all_->spawn(write_people(this, static_cast<std::int64_t>(k)));
    all_->spawn(write_notes(this, static_cast<std::int64_t>(k)));
    all_->spawn(read_people(this));
    all_->spawn(read_notes(this));
  }
  make_progress();
}

void running::end() {
  stopping_ = true;
  turn_until([&] { return all_->live() == 0; });
  stopping_ = false;
  EXPECT_TRUE(wrong_.empty()) << ::testing::PrintToString(wrong_);
  EXPECT_EQ(store_->in_flight(), 0U);
  loop_.run_turn(nanoseconds(0));
  EXPECT_EQ(session_->stats().in_flight, 0U);
}

// Writers of both tables get on.
void running::make_progress(std::size_t rows) {
  const std::size_t people = people_.rows().size() + rows;
  const std::size_t notes = notes_.rows().size() + rows;
  turn_until(
      [&] { return !wrong_.empty() || (people_.rows().size() >= people && notes_.rows().size() >= notes); });
  ASSERT_TRUE(wrong_.empty()) << ::testing::PrintToString(wrong_);
}

runtime::task<void> running::check_person(running* on, std::int64_t id) {
  const auto found = co_await on->read_person_(on->context(), id);
  if (!found || !*found || !is_person_of(id, ***found)) on->wrong("person " + std::to_string(id));
}

void running::expect_all_rows() {
  const auto has = [this](const char* table, const char* column, std::int64_t id) {
    bool good = false;
    byte_buffer key(8);
    for (unsigned k = 0; k < 8; ++k) {
      key[k] = static_cast<std::byte>(static_cast<std::uint64_t>(id) >> (56 - 8 * k) & 0xFFU);
    }
    const bytes_view parts[] = {key};
    (void)server_->table("storm", table)->visit(parts, [&](const emulators::emulated_row& row) {
      const auto cell = row.cell(column);
      const std::string expected = text_of(id);
      good = cell && std::equal(cell->bytes.begin(), cell->bytes.end(), as_bytes(expected).begin(),
                                as_bytes(expected).end());
    });
    return good;
  };
  for (const acknowledged::row& each : people_.rows()) {
    ASSERT_TRUE(has("person", "name", each.id)) << each.id;
  }
  std::size_t notes = 0;
  for (const acknowledged::row& each : notes_.rows()) {
    if (each.life != notes_life_) continue;  // the DROP took it
    ++notes;
    ASSERT_TRUE(has("note", "text", each.id)) << each.id;
  }
  EXPECT_GT(notes, 100U);
  // Every hundredth part in full, with the types as they are now.
  const std::deque<acknowledged::row>& people = people_.rows();
  for (std::size_t first = 0; first < people.size(); first += people.size() / 100 + 1) {
    finish(check_person(this, people[first].id));
  }
  EXPECT_TRUE(wrong_.empty()) << ::testing::PrintToString(wrong_);
}

void running::change_the_schema() {
  execute("ALTER TABLE storm.person ADD nickname text");
  make_progress();
  execute("ALTER TYPE storm.address ADD zip text");
  make_progress();
  execute("ALTER TABLE storm.note ADD language text");
  execute("ALTER TYPE storm.address ADD country text");
  make_progress();
  execute("ALTER TABLE storm.person DROP nickname");
  make_progress();
}

void running::make_notes_anew() {
  execute("DROP TABLE storm.note");
  // Some find that it is gone: people are written meanwhile, and notes wait.
  const std::size_t people = people_.rows().size() + 60;
  turn_until([&] { return !wrong_.empty() || people_.rows().size() >= people; });
  execute("CREATE TABLE storm.note (id bigint PRIMARY KEY, text text)");
  ++notes_life_;
  make_progress();
  // And at once.
  execute("DROP TABLE storm.note");
  execute("CREATE TABLE storm.note (id bigint PRIMARY KEY, text text)");
  ++notes_life_;
  make_progress();
}

// Every member has the connections that it is to have.
void running::wait_for_connections() {
  turn_until([&] {
    if (!wrong_.empty()) return true;
    for (unsigned node = 0; node < 3; ++node) {
      for (const std::uint64_t each : server_->connections_of(node)) {
        if (each == 0) return false;
      }
    }
    return true;
  });
  make_progress();
}

void running::restart_every_node() {
  for (unsigned node = 0; node < 3; ++node) {
    server_->stop_node(node);
    make_progress();
    server_->forget_prepared();
    if (node == 1 && kind_.shards > 0) {
      ASSERT_TRUE(server_->set_shards(node, kind_.shards + 1));
    }
    server_->start_node(node);
    wait_for_connections();
  }
}

void running::let_nodes_join_and_leave() {
  const auto joined = server_->add_node({"dc1", "rack1"});
  ASSERT_TRUE(joined) << joined.error().to_string();
  turn_until([&] { return !wrong_.empty() || server_->connections_of(*joined).front() > 0; });
  make_progress();
  ASSERT_TRUE(server_->remove_node(*joined));
  make_progress();
  ASSERT_TRUE(server_->replace_node(2));
  wait_for_connections();
}

void running::move_tablets() {
  if (!kind_.tablets) return;
  for (const char* table : {"person", "note"}) {
    ASSERT_TRUE(server_->split_tablets("storm", table));
    make_progress();
    // From shard to shard: every node has every tablet.
    for (const auto& each : server_->tablets("storm", table)) {
      const auto& of = each.replicas.front();
      ASSERT_TRUE(server_->move_tablet("storm", table, each.last_token, of.node, of.node, 1 - of.shard % 2));
    }
    make_progress();
  }
}

class storm : public ::testing::TestWithParam<cluster_kind> {};

TEST_P(storm, of_changes_loses_nothing_stops_nothing_and_blames_no_record) {
  running all(GetParam());
  all.begin();
  for (int round = 0; round < 2; ++round) {
    all.change_the_schema();
    if (::testing::Test::HasFatalFailure() || round == 1) break;
    all.make_notes_anew();
    all.move_tablets();
    all.restart_every_node();
    all.let_nodes_join_and_leave();
    all.execute("ALTER TYPE storm.address RENAME zip TO postcode");
    all.execute("ALTER TYPE storm.address RENAME country TO land");
  }
  all.make_progress();
  all.end();
  all.expect_all_rows();
  EXPECT_GT(all.retries_[errc::db_unavailable], 0U) << "the test did not meet a table that was gone";
}

TEST_P(storm, in_which_a_table_gets_another_type_writes_nothing_wrong) {
  running all(GetParam());
  all.all_ = std::make_unique<runtime::scope>(all.loop_, 2 * writers);
  for (std::size_t k = 0; k < writers; ++k) {
    all.all_->spawn(running::write_measures(&all, static_cast<std::int64_t>(k)));
    all.all_->spawn(running::read_measures(&all));
  }
  all.turn_until([&] { return all.measures_good_ > 200; });
  all.execute("DROP TABLE storm.measure");
  all.turn_until([&] { return !all.wrong_.empty() || all.retries_[errc::db_unavailable] > 2 * writers; });
  all.execute("CREATE TABLE storm.measure (id bigint PRIMARY KEY, amount double)");
  all.measures_differ_ = true;
  // What joined a description that was asked for before the CREATE still hears that the table is gone.
  const auto refuse_many = [&all] {
    all.refused_measures_.clear();
    all.turn_until(
        [&] { return !all.wrong_.empty() || all.refused_measures_[errc::db_type_mismatch] > 20 * writers; });
  };
  refuse_many();
  refuse_many();
  all.end();
  EXPECT_EQ(all.refused_measures_.size(), 1U) << "only db_type_mismatch";
  EXPECT_EQ(all.server_->table("storm", "measure")->counts().writes, 0U);
}

INSTANTIATE_TEST_SUITE_P(clusters, storm,
                         ::testing::Values(cluster_kind{"cassandra", 0, false},
                                           cluster_kind{"vnodes", 2, false},
                                           cluster_kind{"tablets", 2, true}),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace millrace::cql
