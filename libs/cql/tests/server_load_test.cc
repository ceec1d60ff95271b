// A real server under load, while its schema changes and while it restarts; tests/integration runs this.
#include "server_load.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <millrace/cql/pages.h>

#include "server_fixture.h"

namespace millrace::cql {
namespace {

struct stored_row {
  std::int64_t id = 0;
  std::string text;
};

// What happens to the server while it has a load.
class loaded_server : public server {
 protected:
  loaded_server() {
    execute("DROP TABLE IF EXISTS types.load");
    execute("DROP TYPE IF EXISTS types.load_place");
    execute("CREATE TYPE types.load_place (street text, number int)");
    make_table("text");
    session_options options = options_of_environment();
    options.keyspace = "types";
    reopen(options);
    load_ = std::make_unique<server_load>(loop_, *run_);
    prepare(load_->insert);
    prepare(load_->select);
    load_->begin();
    make_progress();
  }
  ~loaded_server() override {
    load_->end();
    turn_until([&] { return load_->ended(); });
    load_.reset();
  }
  void make_table(const std::string& type_of_text) {
    execute("CREATE TABLE types.load (id bigint PRIMARY KEY, text " + type_of_text +
            ", places list<frozen<load_place>>)");
  }
  template <typename Done>
  void turn_until(Done done) {
    const instant give_up = loop_.time().now() + timeout;
    while (!done() && loop_.time().now() < give_up) loop_.run_turn(milliseconds(1));
    ASSERT_TRUE(done()) << "nothing happened for too long";
  }
  // Executes while the load goes on, and again while the session has no connection.
  void execute_meanwhile(const std::string& cql) {
    std::atomic<bool> done{false};
    result<void> last;
    std::thread other([&] {
      const auto give_up = std::chrono::steady_clock::now() + timeout;
      do {
        last = session_->execute(cql);
      } while (!last && last.error().code() == errc::db_unavailable &&
               std::chrono::steady_clock::now() < give_up);
      done = true;
    });
    while (!done) loop_.run_turn(milliseconds(1));
    other.join();
    ASSERT_TRUE(last) << cql << ": " << last.error().to_string();
  }
  void make_progress(std::size_t rows = 300) {
    const std::size_t before = load_->rows().size();
    turn_until([&] { return !load_->wrong().empty() || load_->rows().size() >= before + rows; });
    ASSERT_TRUE(load_->wrong().empty()) << ::testing::PrintToString(load_->wrong());
  }
  void stop_load() {
    load_->end();
    turn_until([&] { return load_->ended(); });
    EXPECT_TRUE(load_->wrong().empty()) << ::testing::PrintToString(load_->wrong());
    EXPECT_EQ(store_->in_flight(), 0U);
  }
  void expect_all_rows() {
    statement<pages<stored_row>()> scan("SELECT id, text FROM load");
    prepare(scan);
    std::set<std::int64_t> found;
    pages<stored_row> all = scan(context());
    while (true) {
      const auto page = finish(all.next());
      ASSERT_EQ(why(page), "ok");
      if (page->empty()) break;
      for (const stored_row& each : *page) {
        EXPECT_EQ(each.text, server_load::text_of(each.id));
        found.insert(each.id);
      }
    }
    for (const std::int64_t id : load_->rows()) EXPECT_TRUE(found.contains(id)) << id << " is lost";
  }

  std::unique_ptr<server_load> load_;
};

TEST_F(loaded_server, goes_on_while_tables_and_types_grow_and_a_table_is_made_anew) {
  execute_meanwhile("ALTER TABLE types.load ADD extra text");
  make_progress();
  execute_meanwhile("ALTER TYPE types.load_place ADD zip text");
  make_progress();
  execute_meanwhile("ALTER TABLE types.load DROP extra");
  make_progress();
  execute_meanwhile("DROP TABLE types.load");
  make_table("text");
  load_->begin_life();
  make_progress();
  stop_load();
  expect_all_rows();
}

TEST_F(loaded_server, is_not_misread_nor_miswritten_once_the_table_has_another_type) {
  // Every text is a blob: the server would take it.
  execute_meanwhile("DROP TABLE types.load");
  make_table("blob");
  load_->begin_life();
  load_->expect_refusals();
  const auto refuse_many = [this] {
    load_->forget_errors();
    turn_until([&] {
      const auto found = load_->errors().find(errc::db_type_mismatch);
      return !load_->wrong().empty() || (found != load_->errors().end() && found->second > 50);
    });
  };
  refuse_many();  // some still hear that there is no table
  refuse_many();
  EXPECT_EQ(load_->errors().size(), 1U);
  stop_load();
  statement<std::int64_t()> count("SELECT count(*) FROM types.load");
  prepare(count);
  const auto rows = finish(count(context()));
  ASSERT_EQ(why(rows), "ok");
  EXPECT_EQ(***rows, 0);
}

// The one that runs this test restarts the server while a file is there, and removes the file.
TEST_F(loaded_server, restarts_and_nothing_that_was_acknowledged_is_lost) {
  const std::string request = environment("MILLRACE_CQL_RESTART_FILE");
  if (request.empty()) GTEST_SKIP() << "nobody restarts this server";
  make_progress();
  std::ofstream(request) << "restart";
  turn_until([&] { return !load_->wrong().empty() || !std::filesystem::exists(request); });
  make_progress();
  EXPECT_FALSE(load_->errors().empty()) << "the restart was not noticed";
  execute_meanwhile("CREATE TABLE IF NOT EXISTS types.after_restart (id int PRIMARY KEY)");
  execute_meanwhile("ALTER TABLE types.load ADD since timestamp");
  make_progress();
  stop_load();
  expect_all_rows();
}

}  // namespace
}  // namespace millrace::cql
