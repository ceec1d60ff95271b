// How nodes are reached: names, certificates and credentials that change, addresses behind a translation.
#include <atomic>
#include <filesystem>

#include <unistd.h>

#include "certificates.h"
#include "session_fixture.h"

namespace millrace::cql {
namespace {

std::string scratch_folder(const std::string& name) {
  const std::string folder = ::testing::TempDir() + "millrace-access-" + name + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  return folder;
}

emulators::cql_emulator_options encrypted(const certificate_files& by) {
  emulators::cql_emulator_options out;
  out.tls_certificate_file = by.certificate;
  out.tls_key_file = by.key;
  return out;
}

struct running final : session_test {
  running(std::unique_ptr<cql_emulator> server, session_options options)
      : session_test(std::move(server), std::move(options)) {}
  void TestBody() override {}
  using session_test::context;
  using session_test::finish;
  using session_test::insert_;
  using session_test::select_;
  using session_test::server_;
  using session_test::session_;
  using session_test::turn_until;
  using session_test::why;
  using session_test::write;

  std::string outcome() { return why(finish(select_(context(), "ada"))); }
};

TEST(access, a_certificate_may_carry_the_name_of_a_contact_point_which_is_sent) {
  const std::string folder = scratch_folder("name");
  const certificate_files named = make_certificates(folder, "named", "DNS:localhost");
  auto server = started(encrypted(named));
  session_options options;
  options.contact_points = {"localhost:" + std::to_string(server->port())};
  options.tls = true;
  options.ca_file = named.authority;
  running all(std::move(server), options);
  all.write("ada", "gold", 1);
  const auto names = all.server_->server_names();
  EXPECT_EQ(names, std::vector<std::string>{"localhost"});
  std::filesystem::remove_all(folder);
}

TEST(access, a_certificate_without_address_and_name_is_refused) {
  const std::string folder = scratch_folder("other");
  const certificate_files other = make_certificates(folder, "other", "DNS:elsewhere.example");
  auto server = started(encrypted(other));
  session_options options = options_for(*server);
  options.contact_points = {"localhost:" + std::to_string(server->port())};
  options.tls = true;
  options.ca_file = other.authority;
  const auto refused = session::open(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::tls_error);
  std::filesystem::remove_all(folder);
}

// The server trusts a new authority for clients; the client's files are replaced while it runs.
TEST(access, certificates_are_read_again_when_their_files_change) {
  const std::string folder = scratch_folder("renewal");
  const certificate_files server_files = make_certificates(folder, "server");
  const certificate_files first = make_certificates(folder, "client");
  auto options_of_server = encrypted(server_files);
  options_of_server.tls_client_ca_file = first.authority;
  auto server = started(options_of_server);
  std::atomic<int> renewals{0};
  session_options options;
  options.tls = true;
  options.ca_file = server_files.authority;
  options.certificate_file = first.certificate;
  options.key_file = first.key;
  options.renewal_interval = milliseconds(20);
  options.on_renewal = [&renewals](const error* why) {
    if (why == nullptr) ++renewals;
  };
  running all(std::move(server), options);
  all.write("ada", "gold", 1);
  // The same authority signs no second one here: the files are written again, which is a change.
  const auto later = std::filesystem::file_time_type::clock::now() + seconds(5);
  std::filesystem::last_write_time(first.certificate, later);
  all.turn_until([&] { return renewals.load() == 1; });
  all.server_->drop_connections();
  all.turn_until([&] { return all.outcome() == "ok"; });
  std::filesystem::remove_all(folder);
}

TEST(access, a_file_that_cannot_be_read_changes_nothing_and_is_reported) {
  const std::string folder = scratch_folder("broken");
  const certificate_files files = make_certificates(folder, "server");
  auto server = started(encrypted(files));
  std::atomic<int> failures{0};
  session_options options;
  options.tls = true;
  options.ca_file = files.authority;
  options.renewal_interval = milliseconds(20);
  options.on_renewal = [&failures](const error* why) {
    if (why != nullptr && why->code() == errc::tls_error) ++failures;
  };
  running all(std::move(server), options);
  std::filesystem::rename(files.authority, files.authority + ".away");
  all.turn_until([&] { return failures.load() > 0; });
  all.server_->drop_connections();
  all.turn_until([&] { return all.outcome() == "ok"; });
  std::filesystem::remove_all(folder);
}

// The password changes in the server and in the configuration; `ask` may ask for the renewal.
template <class Ask>
void expect_rotation_is_noticed(milliseconds renewal_interval, Ask ask) {
  emulators::cql_emulator_options guarded;
  guarded.user = "app";
  guarded.password = "first";
  auto server = started(guarded);
  std::atomic<bool> rotated{false};
  std::atomic<int> renewals{0};
  session_options options;
  options.user = "app";
  options.password = secret("first");
  options.renewal_interval = renewal_interval;
  options.current_credentials = [&rotated]() -> result<credentials> {
    return credentials{"app", secret(rotated ? "second" : "first")};
  };
  options.on_renewal = [&renewals](const error* why) {
    if (why == nullptr) ++renewals;
  };
  running all(std::move(server), options);
  all.write("ada", "gold", 1);
  all.server_->set_password("second");
  rotated = true;
  ask(*all.session_);
  all.turn_until([&] { return renewals.load() == 1; });
  all.server_->drop_connections();
  all.turn_until([&] { return all.outcome() == "ok"; });
}

TEST(access, credentials_are_asked_for_again) {
  expect_rotation_is_noticed(milliseconds(20), [](session&) {});
}

TEST(access, a_renewal_that_is_asked_for_does_not_wait_for_the_interval) {
  expect_rotation_is_noticed(std::chrono::hours(1), [](session& asked) { asked.renew(); });
}

// The cluster announces 127.0.0.1 and 127.0.0.2; both are reached at an address that nobody announces.
TEST(access, nodes_are_reached_where_the_address_map_says) {
  emulators::cql_emulator_options two;
  two.other_nodes = {{"dc1", "rack1"}};
  auto server = started(two);
  const std::string port = std::to_string(server->port());
  session_options options;
  options.address_map = {{"127.0.0.2:" + port, "127.0.0.1:" + port}};
  running all(std::move(server), options);
  for (int k = 0; k < 20; ++k) all.write("key-" + std::to_string(k), "x", 1);
  EXPECT_EQ(all.server_->connections_of(1).front(), 0U);
  EXPECT_EQ(all.session_->stats().connections, 2U);
}

class narrow : public session_test {
 protected:
  narrow() { attach({.in_flight_max = 1}); }
};

TEST_F(narrow, a_deadline_begins_with_the_submission_and_holds_in_the_queue) {
  server_->inject({.kind = fault_kind::no_reply, .on = operation::select});
  finished_flag first;
  finished_flag second;
  auto sent = impatient_(context(), "ada");
  auto queued = impatient_(context(), "ada");
  const std::uint64_t before = server_->counters().of(operation::select);
  sent.start(loop_, first);
  queued.start(loop_, second);
  turn_until([&] { return first.finished && second.finished; });
  EXPECT_EQ(sent.take().error().code(), errc::db_client_timeout);
  const auto late = queued.take();
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().message().find("it was not sent within 50 ms"), std::string::npos)
      << late.error().message();
  EXPECT_EQ(server_->counters().of(operation::select) - before, 1U);
  EXPECT_EQ(store_->in_flight(), 0U);
}

class account_of_test final : public statements::byte_account {
 public:
  explicit account_of_test(std::size_t most) : left_(most), most_(most) {}
  bool try_hold(std::size_t bytes) noexcept override {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void let_go(std::size_t bytes) noexcept override { left_ += bytes; }
  [[nodiscard]] bool all_is_back() const { return left_ == most_; }

 private:
  std::size_t left_;
  std::size_t most_;
};

class accounted : public session_test {
 protected:
  account_of_test memory_{std::size_t{4} << 20U};
};

TEST_F(accounted, large_answers_count_against_the_budget_and_do_not_exceed_it) {
  attach({.memory = &memory_});
  write("large", std::string(std::size_t{1} << 20U, 'x'), 1);
  std::vector<row<profile>> kept;
  std::string refused;
  for (int k = 0; k < 6; ++k) {
    auto found = finish(select_(context(), "large"));
    if (found)
      kept.push_back(std::move(**found));
    else
      refused = found.error().to_string();
  }
  EXPECT_GE(kept.size(), 2U);
  EXPECT_LE(kept.size(), 4U);
  EXPECT_TRUE(refused.starts_with("db_overloaded: ")) << refused;
  EXPECT_NE(refused.find("`engine.memory_max`"), std::string::npos) << refused;
  kept.clear();
  EXPECT_EQ(why(finish(select_(context(), "large"))), "ok");
  store_.reset();
  EXPECT_TRUE(memory_.all_is_back());
}

class serial_reads : public session_test {
 protected:
  static std::unique_ptr<cql_emulator> three() {
    emulators::cql_emulator_options options;
    options.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}};
    auto server = started(options);
    EXPECT_TRUE(
        server->execute("CREATE KEYSPACE copies WITH replication = {'class': 'SimpleStrategy', "
                        "'replication_factor': 3}"));
    EXPECT_TRUE(server->execute("CREATE TABLE copies.profile (id text PRIMARY KEY, segment text)"));
    return server;
  }
  serial_reads() : session_test(three(), {}) {}
};

TEST_F(serial_reads, go_to_one_replica_as_conditional_statements_do) {
  statements::statement_options serially;
  serially.consistency = "SERIAL";
  statement<std::string(std::string_view)> read("SELECT segment FROM copies.profile WHERE id = ?", serially);
  statement<applied<>(std::string_view, std::string_view)> claim(
      "INSERT INTO copies.profile (id, segment) VALUES (?, ?) IF NOT EXISTS");
  statement<std::string(std::string_view)> plain("SELECT segment FROM copies.profile WHERE id  = ?");
  for (statements::statement_declaration* each : {static_cast<statements::statement_declaration*>(&read),
                                                  static_cast<statements::statement_declaration*>(&claim),
                                                  static_cast<statements::statement_declaration*>(&plain)}) {
    ASSERT_TRUE(store_->prepare(*each));
  }
  const auto nodes_used = [&](auto run) {
    const auto before = server_->counters();
    for (int k = 0; k < 12; ++k) run();
    const auto now = server_->counters();
    int used = 0;
    for (std::size_t node = 0; node < 3; ++node) {
      if (now.requests_of_node[node] - before.requests_of_node[node] >= 3) ++used;
    }
    return used;
  };
  EXPECT_EQ(nodes_used([&] { EXPECT_EQ(why(finish(claim(context(), "ada", "x"))), "ok"); }), 1);
  EXPECT_EQ(nodes_used([&] { EXPECT_EQ(why(finish(read(context(), "ada"))), "ok"); }), 1);
  EXPECT_EQ(nodes_used([&] { EXPECT_EQ(why(finish(plain(context(), "ada"))), "ok"); }), 3);
}

}  // namespace
}  // namespace millrace::cql
