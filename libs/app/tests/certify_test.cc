// `millrace certify` against emulated clusters: what holds passes, and what is made to fail is reported.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <millrace/emulators/cql_emulator.h>

#include "commands/certify/certify_command.h"
#include "commands/certify/report.h"
#include "commands/certify/ring.h"
#include "commands/certify/traces.h"

namespace millrace::app::certify {
namespace {

using emulators::cql_emulator;
using emulators::cql_emulator_options;
using nlohmann::json;

// A self-signed certificate for the addresses of three nodes.
void make_certificate(const std::string& certificate_file, const std::string& key_file) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("nodes"), -1,
                             -1, 0);
  X509_set_issuer_name(made.get(), name);
  X509_EXTENSION* addresses =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3");
  X509_add_ext(made.get(), addresses, -1);
  X509_EXTENSION_free(addresses);
  X509_sign(made.get(), key.get(), EVP_sha256());
  std::FILE* out = std::fopen(certificate_file.c_str(), "we");
  PEM_write_X509(out, made.get());
  (void)std::fclose(out);
  out = std::fopen(key_file.c_str(), "we");
  PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  (void)std::fclose(out);
}

class certify_test : public testing::Test {
 protected:
  ~certify_test() override { std::filesystem::remove_all(folder_); }

  void begin(cql_emulator_options options) {
    auto started = cql_emulator::start(options);
    ASSERT_TRUE(started) << started.error().to_string();
    server_ = std::move(*started);
    given_.cql = server_->contact_point();
    given_.seconds = 1;
    given_.json = true;
    given_.sizes = {
        .requests = 500, .traced = 40, .rows = 1'000, .page_rows = 50, .claims = 20, .overwrites = 200};
  }
  static cql_emulator_options three_nodes() {
    return {.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}}, .tokens_per_node = 8};
  }
  int run() {
    std::ostringstream out;
    std::ostringstream err;
    const int code = run_certify(given_, {out, err});
    said_ = err.str();
    text_ = out.str();
    report_ = given_.json && !text_.empty() ? json::parse(text_) : json();
    return code;
  }
  // "PASS", "FAIL", "NOTE", or "" for a line that is not there.
  std::string verdict_of(const std::string& what) const { return field(what, "verdict"); }
  std::string text_of(const std::string& what) const { return field(what, "text"); }
  std::string field(const std::string& what, const char* name) const {
    for (const json& each : report_.value("lines", json::array())) {
      if (each["what"] == what) return each[name];
    }
    return "";
  }
  void expect_passes(const std::vector<std::string>& lines) const {
    for (const std::string& each : lines)
      EXPECT_EQ(verdict_of(each), "PASS") << each << ": " << text_of(each);
  }
  void expect_all_is_well(int code) const {
    EXPECT_EQ(code, exit_ok) << said_;
    expect_passes({"partitioner",
                   "nodes reachable",
                   "connections",
                   "INSERT by traces",
                   "SELECT by traces",
                   "conditional by traces",
                   "unlogged batch by traces",
                   "paged SELECT by traces",
                   "ALTER TABLE ADD",
                   "ALTER TYPE ADD, nested",
                   "DROP and CREATE with the same types",
                   "DROP and CREATE with another type",
                   "nothing is lost",
                   "nothing stops",
                   "paging",
                   "large value",
                   "unset and null values",
                   "client timestamps",
                   "conditional race",
                   "INSERT",
                   "SELECT",
                   "failures by code",
                   "keyspace dropped"});
    EXPECT_FALSE(server_->table("millrace_certify", "certify_kv")) << "the keyspace is dropped";
  }
  std::string file(const std::string& name, const std::string& content) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/" + name) << content;
    return folder_ + "/" + name;
  }

  std::string folder_ =
      testing::TempDir() + "certify-" + testing::UnitTest::GetInstance()->current_test_info()->name();
  std::unique_ptr<cql_emulator> server_;
  arguments given_;
  std::string said_;
  std::string text_;
  json report_;
};

TEST_F(certify_test, a_cluster_like_cassandra_passes) {
  begin(three_nodes());
  expect_all_is_well(run());
  EXPECT_EQ(verdict_of("shards"), "NOTE");
  EXPECT_EQ(text_of("tablets"), "the keyspace has none");
  EXPECT_NE(text_of("INSERT by traces").find("40 of 40"), std::string::npos) << text_of("INSERT by traces");
}

TEST_F(certify_test, a_cluster_like_scylladb_with_vnodes_passes) {
  auto options = three_nodes();
  options.shards = 2;
  begin(options);
  expect_all_is_well(run());
  EXPECT_EQ(verdict_of("shard-aware port"), "PASS") << text_of("shard-aware port");
  EXPECT_NE(text_of("INSERT by traces").find("and its shard"), std::string::npos);
  EXPECT_NE(text_of("extensions negotiated").find("SCYLLA_RATE_LIMIT_ERROR"), std::string::npos);
}

TEST_F(certify_test, a_cluster_like_scylladb_with_tablets_passes) {
  auto options = three_nodes();
  options.shards = 2;
  options.tablets = true;
  begin(options);
  expect_all_is_well(run());
  EXPECT_EQ(text_of("tablets"), "the keyspace has them");
  expect_passes({"INSERT by corrections", "SELECT by corrections", "paged SELECT by corrections"});
}

TEST_F(certify_test, a_cluster_with_tls_and_passwords_passes) {
  auto options = three_nodes();
  options.shards = 2;
  options.user = "ada";
  options.password = "secret";
  options.tls_certificate_file = file("server.crt", "");
  options.tls_key_file = file("server.key", "");
  make_certificate(options.tls_certificate_file, options.tls_key_file);
  begin(options);
  given_.tls = true;
  given_.ca_file = options.tls_certificate_file;
  given_.user = "ada";
  given_.password_file = file("password", "secret\n");
  expect_all_is_well(run());
  expect_passes({"TLS", "credentials", "shard-aware port"});
}

TEST_F(certify_test, a_shard_aware_port_that_ignores_the_source_port_is_noted) {
  auto options = three_nodes();
  options.shards = 2;
  options.shard_aware_port = emulators::shard_aware_port_mode::ignores_source_port;
  begin(options);
  EXPECT_EQ(run(), exit_ok) << said_;
  EXPECT_EQ(verdict_of("shard-aware port"), "NOTE");
  EXPECT_NE(text_of("shard-aware port").find("was asked for"), std::string::npos);
}

TEST_F(certify_test, failures_of_some_requests_fail_the_run_and_are_counted_by_code) {
  begin(three_nodes());
  server_->inject({.kind = emulators::fault_kind::write_timeout,
                   .on = emulators::operation::insert,
                   .table = "millrace_certify.certify_kv",
                   .probability = 0.3});
  EXPECT_EQ(run(), exit_failure);
  EXPECT_EQ(verdict_of("INSERT"), "FAIL");
  EXPECT_EQ(verdict_of("SELECT"), "PASS") << "reads are not affected";
  EXPECT_EQ(verdict_of("failures by code"), "FAIL");
  EXPECT_NE(text_of("failures by code").find("db_timeout"), std::string::npos) << text_of("failures by code");
  EXPECT_EQ(report_["verdict"], "FAIL");
  EXPECT_NE(std::find(report_["failed"].begin(), report_["failed"].end(), "Latencies: INSERT"),
            report_["failed"].end());
  EXPECT_NE(said_.find("FAIL INSERT"), std::string::npos);
}

// Runs `disturb` all the time, on a thread of its own.
class disturbance {
 public:
  explicit disturbance(std::function<void()> disturb)
      : thread_([this, disturb = std::move(disturb)] {
          while (!stopping_) {
            disturb();
            std::this_thread::sleep_for(milliseconds(1));
          }
        }) {}
  disturbance(const disturbance&) = delete;
  disturbance& operator=(const disturbance&) = delete;
  ~disturbance() {
    stopping_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

TEST_F(certify_test, requests_that_do_not_reach_their_shard_fail) {
  begin({.shards = 2, .tablets = true});
  unsigned shard = 0;
  {
    const disturbance moves([&] {
      shard = 1 - shard;
      for (const auto& each : server_->tablets("millrace_certify", "certify_kv")) {
        static_cast<void>(
            server_->move_tablet("millrace_certify", "certify_kv", each.last_token, 0, 0, shard));
      }
    });
    EXPECT_EQ(run(), exit_failure);
  }
  EXPECT_EQ(verdict_of("INSERT by corrections"), "FAIL") << text_of("INSERT by corrections");
  EXPECT_EQ(verdict_of("paged SELECT by corrections"), "PASS") << "of another table";
}

TEST_F(certify_test, acknowledged_rows_that_vanish_are_lost) {
  begin({});
  {
    const disturbance deletes([&] {
      static_cast<void>(server_->execute("DELETE FROM millrace_certify.certify_growing WHERE id = 3"));
    });
    EXPECT_EQ(run(), exit_failure);
  }
  EXPECT_EQ(verdict_of("nothing is lost"), "FAIL") << text_of("nothing is lost");
  EXPECT_NE(text_of("nothing is lost").find("row 3 is not there"), std::string::npos);
}

TEST_F(certify_test, a_node_that_cannot_be_reached_fails) {
  begin(three_nodes());
  server_->stop_node(2);
  EXPECT_EQ(run(), exit_failure);
  EXPECT_EQ(verdict_of("nodes reachable"), "FAIL");
  EXPECT_NE(text_of("nodes reachable").find("127.0.0.3"), std::string::npos) << text_of("nodes reachable");
}

TEST_F(certify_test, a_keyspace_that_it_did_not_make_is_left_alone) {
  begin({});
  ASSERT_TRUE(
      server_->execute("CREATE KEYSPACE millrace_certify WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}"));
  ASSERT_TRUE(server_->execute("CREATE TABLE millrace_certify.mine (id int PRIMARY KEY)"));
  EXPECT_EQ(run(), exit_config);
  EXPECT_NE(said_.find("--use-existing"), std::string::npos) << said_;
  EXPECT_FALSE(server_->table("millrace_certify", "certify_marker"));
  given_.use_existing = true;
  EXPECT_EQ(run(), exit_ok) << said_;
  EXPECT_TRUE(server_->table("millrace_certify", "mine"));
  EXPECT_FALSE(server_->table("millrace_certify", "certify_kv"));
  EXPECT_FALSE(server_->table("millrace_certify", "certify_marker"));
}

TEST_F(certify_test, tables_of_its_names_that_it_did_not_make_are_left_alone) {
  begin({});
  ASSERT_TRUE(
      server_->execute("CREATE KEYSPACE mine WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}"));
  ASSERT_TRUE(server_->execute("CREATE TABLE mine.certify_kv (id int PRIMARY KEY)"));
  given_.keyspace = "mine";
  given_.use_existing = true;
  EXPECT_EQ(run(), exit_config);
  EXPECT_TRUE(server_->table("mine", "certify_kv"));
}

TEST_F(certify_test, a_kept_keyspace_is_used_again_and_then_dropped) {
  begin({});
  given_.keep = true;
  EXPECT_EQ(run(), exit_ok) << said_;
  EXPECT_TRUE(server_->table("millrace_certify", "certify_kv"));
  given_.keep = false;
  EXPECT_EQ(run(), exit_ok) << said_;
  EXPECT_FALSE(server_->table("millrace_certify", "certify_kv"));
}

TEST_F(certify_test, a_cluster_of_several_datacentres_needs_one_of_them) {
  begin({.other_nodes = {{"dc2", "rack1"}}});
  EXPECT_EQ(run(), exit_config);
  EXPECT_NE(said_.find("dc1, dc2"), std::string::npos) << said_;
  given_.datacenter = "dc2";
  EXPECT_EQ(run(), exit_ok) << said_;
}

TEST_F(certify_test, wrong_passwords_and_silent_servers_are_named) {
  begin({.user = "ada", .password = "secret"});
  given_.user = "ada";
  given_.password_file = file("password", "wrong\n");
  EXPECT_EQ(run(), exit_failure);
  EXPECT_NE(said_.find("db_unauthorized"), std::string::npos) << said_;
  given_.password_file = file("password", "secret\n");
  EXPECT_EQ(run(), exit_ok) << said_;
  EXPECT_EQ(verdict_of("credentials"), "PASS");
}

TEST_F(certify_test, a_keyspace_that_may_not_be_made_says_what_to_grant) {
  begin({});
  server_->inject({.kind = emulators::fault_kind::unauthorized, .on = emulators::operation::schema});
  EXPECT_EQ(run(), exit_failure);
  EXPECT_NE(said_.find("grant the user CREATE ON ALL KEYSPACES"), std::string::npos) << said_;
}

TEST_F(certify_test, traces_that_may_not_be_read_are_noted_with_what_to_grant) {
  begin(three_nodes());
  server_->inject({.kind = emulators::fault_kind::unauthorized, .on = {}, .table = "system_traces.sessions"});
  server_->inject({.kind = emulators::fault_kind::unauthorized,
                   .on = emulators::operation::system,
                   .table = "system_traces.sessions"});
  EXPECT_EQ(run(), exit_ok) << said_;
  EXPECT_EQ(verdict_of("INSERT by traces"), "NOTE") << text_of("INSERT by traces");
  EXPECT_NE(text_of("INSERT by traces").find("grant SELECT"), std::string::npos)
      << text_of("INSERT by traces");
}

TEST_F(certify_test, arguments_that_do_not_fit_are_refused) {
  given_.cql = "127.0.0.1";
  for (const char* name : {"", "9lives", "Upper", "a b", "drop;"}) {
    given_.keyspace = name;
    EXPECT_EQ(run(), exit_config) << name;
  }
  given_.keyspace = "fine";
  given_.user = "ada";
  EXPECT_EQ(run(), exit_config) << "no password";
  given_.user = "";
  given_.ca_file = "ca.pem";
  EXPECT_EQ(run(), exit_config) << "no --tls";
  given_.ca_file = "";
  given_.cql = "127.0.0.1:70000";
  EXPECT_EQ(run(), exit_config) << "no such port";
}

TEST(certify_report, is_markdown_with_the_failures_first) {
  report of;
  of.begin("One");
  of.check(true, "holds", "12 | 13");
  of.check(false, "does not", "a\nb");
  const std::string text = of.to_markdown("About.");
  EXPECT_NE(text.find("# millrace certify: FAIL"), std::string::npos);
  EXPECT_NE(text.find("* One: does not: a b"), std::string::npos);
  EXPECT_NE(text.find("| PASS | holds | 12 \\| 13 |"), std::string::npos) << text;
}

TEST(certify_ring, takes_a_rack_again_only_for_copies_beyond_the_racks) {
  // Tokens 0, 10, 20, 30 of nodes 0 to 3; 0 and 1 share a rack.
  const ring of({{"dc1", "a", {0}}, {"dc1", "a", {10}}, {"dc1", "b", {20}}, {"dc2", "a", {30}}});
  const auto replicas = [&of](std::int64_t token, replication by) { return of.replicas(token, by).value(); };
  using nodes = std::vector<std::size_t>;
  EXPECT_EQ(replicas(10, {{"class", "SimpleStrategy"}, {"replication_factor", "2"}}), (nodes{1, 2}));
  EXPECT_EQ(replicas(11, {{"class", "SimpleStrategy"}, {"replication_factor", "2"}}), (nodes{2, 3}));
  EXPECT_EQ(replicas(31, {{"class", "SimpleStrategy"}, {"replication_factor", "1"}}), (nodes{0}));
  EXPECT_EQ(replicas(-5, {{"class", "NetworkTopologyStrategy"}, {"dc1", "2"}}), (nodes{0, 2}));
  EXPECT_EQ(replicas(-5, {{"class", "NetworkTopologyStrategy"}, {"dc1", "3"}, {"dc2", "1"}}),
            (nodes{0, 1, 2, 3}));
  EXPECT_FALSE(of.replicas(0, {{"class", "LocalStrategy"}}));
  EXPECT_FALSE(of.replicas(0, {{"class", "NetworkTopologyStrategy"}, {"dc1", "[a, b]"}}));
}

TEST(certify_traces, the_shard_is_read_from_the_name_of_the_thread) {
  EXPECT_EQ(shard_of_thread("shard 12"), 12U);
  EXPECT_EQ(shard_of_thread("shard 3/sl:default"), 3U);
  EXPECT_FALSE(shard_of_thread("Native-Transport-Requests-1"));
  EXPECT_FALSE(shard_of_thread("shard"));
}

}  // namespace
}  // namespace millrace::app::certify
