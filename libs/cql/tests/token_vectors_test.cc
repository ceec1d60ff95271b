// Tokens, shards and replicas as the official drivers compute them. The vectors come from
//
// * ScyllaDB's Rust driver, scylla 1.9.0: src/routing/locator/test.rs (the ring of seven nodes and its replicas) and
//   src/routing/sharding.rs;
// * ScyllaDB's Python driver, scylla-driver 3.29.12: what its Murmur3Token, its routing keys and its _ShardingInfo
//   compute of these inputs.
#include <array>
#include <set>
#include <string>
#include <vector>

#include "node.h"
#include "session_fixture.h"
#include "token.h"

namespace millrace::cql {
namespace {

std::string repeated(std::string_view what, int times) {
  std::string out;
  for (int k = 0; k < times; ++k) out += what;
  return out;
}

std::string hex(std::string_view digits) {
  const byte_buffer bytes = from_hex(digits).value_or(byte_buffer());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(token_vectors, of_single_keys_are_those_of_the_drivers) {
  const std::vector<std::pair<std::string, std::int64_t>> vectors{
      {"", 0},
      {"123", -7468325962851647638},
      {"9223372036854775807", 7162290910810015547},
      {"a", -8839064797231613815},
      {"100000", 2739050094959918959},
      {"Zażółć gęślą jaźń", -8460064924617417115},
      {hex("00"), 5048724184180415669},
      {hex("80"), -5284281814142962636},
      {hex("ffffffffffffffff"), 7071048584287372947},  // bigint -1
      {hex("8000000000000000"), 9204767954415360687},  // the smallest bigint, and double -0.0
      {hex("80000000"), -420533958509279465},          // the smallest int
      {repeated(hex("00ff10fa99"), 10), 5837342703291459765},
      {repeated(hex("fe"), 8), -8927430733708461935},
      {repeated(hex("10"), 8), 1446172840243228796},
      {repeated(hex("00"), 16), 5457549051747178710},
      // Around the blocks of 16 bytes, where the bytes of the rest are sign-extended as Java does.
      {repeated(hex("ff"), 15), -2195530867418009455},
      {repeated(hex("ff"), 16), -2824192546314762522},
      {repeated(hex("ff"), 17), -4128212798341382003},
      {repeated(hex("7f80"), 20) + hex("c3"), -6109049906415318337},
      {hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0"), -7660497021261453191}};
  for (const auto& [key, token] : vectors)
    EXPECT_EQ(murmur3_token(as_bytes(key)), token) << to_hex(as_bytes(key));
}

byte_buffer cells(const std::vector<std::string>& values) {
  byte_buffer out;
  for (const std::string& value : values) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      out.push_back(static_cast<std::byte>(value.size() >> shift & 0xFFU));
    }
    const bytes_view bytes = as_bytes(value);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

TEST(token_vectors, of_composite_keys_are_those_of_the_drivers) {
  const std::vector<std::pair<std::vector<std::string>, std::int64_t>> vectors{
      {{"ada", hex("fffffff9")}, 4395923663983523568},  // (text, int -7)
      {{"", "b"}, -3100450629246984580},
      {{hex("fffe"), hex("8000000000000000"), hex("80")}, -9222835042863549444},
      {{"kremówki", "xd", "primary_key"}, -5705090506364747971},
      {{repeated(hex("e9"), 300), hex("00")}, 3946130304946611460}};
  byte_buffer scratch;
  for (const auto& [parts, token] : vectors) {
    std::vector<std::uint16_t> indexes;
    indexes.reserve(parts.size());
    for (std::size_t k = 0; k < parts.size(); ++k) indexes.push_back(static_cast<std::uint16_t>(k));
    EXPECT_EQ(token_of(indexes, cells(parts), scratch), token) << parts.front();
  }
}

constexpr std::int64_t smallest = INT64_MIN;
constexpr std::array<std::int64_t, 13> sharded_tokens{-9219783007514621794,
                                                      9222582454147032830,
                                                      smallest,
                                                      smallest + 1,
                                                      -1,
                                                      0,
                                                      1,
                                                      INT64_MAX,
                                                      -8839064797231613815,
                                                      8833996863197925870,
                                                      -8198557465434950441,
                                                      -4200008757497435756,
                                                      2739050094959918959};

TEST(token_vectors, shards_of_tokens_are_those_of_the_drivers) {
  struct sharding {
    std::uint32_t shards;
    std::uint32_t ignored_msb;
    std::array<std::uint32_t, sharded_tokens.size()> of;  // of sharded_tokens
  };
  const std::vector<sharding> vectors{{4, 12, {3, 3, 0, 0, 3, 0, 0, 3, 1, 2, 2, 1, 0}},
                                      {12, 12, {9, 9, 0, 0, 11, 0, 0, 11, 4, 6, 6, 4, 2}},
                                      {1, 12, {}},
                                      {7, 0, {0, 6, 0, 0, 3, 3, 3, 6, 0, 6, 0, 1, 4}},
                                      {16, 5, {0, 15, 0, 0, 15, 0, 0, 15, 10, 5, 12, 11, 12}},
                                      {3, 12, {2, 2, 0, 0, 2, 0, 0, 2, 1, 1, 1, 1, 0}}};
  for (const sharding& each : vectors) {
    for (std::size_t k = 0; k < sharded_tokens.size(); ++k) {
      EXPECT_EQ(shard_of(sharded_tokens[k], each.shards, each.ignored_msb), each.of[k])
          << sharded_tokens[k] << " of " << each.shards;
    }
  }
}

// The ring of the locator's tests, whose tokens are 50 to 900: seven nodes A to G in two datacentres, each with two
// racks. The factor spreads it over the real ring.
constexpr std::int64_t stretch = 10'000'000'000'000'000;

emulators::cql_emulator_options seven_nodes() {
  emulators::cql_emulator_options out;
  out.datacenter = "eu";
  out.rack = "r1";
  out.other_nodes = {{"eu", "r1"}, {"eu", "r1"}, {"us", "r1"}, {"us", "r1"}, {"us", "r2"}, {"eu", "r2"}};
  out.tokens = {{50, 250, 400}, {100, 600, 900}, {300, 650, 700}, {350, 550},
                {150, 750},     {200, 450},      {500, 800}};
  for (auto& of_node : out.tokens) {
    for (std::int64_t& each : of_node) each *= stretch;
  }
  return out;
}

struct replica_vector {
  std::int64_t token;
  const char* replication;
  const char* datacenter;  // "": replicas of all of them
  const char* replicas;
};

constexpr const char* simple_3 = "{'class': 'SimpleStrategy', 'replication_factor': 3}";
constexpr const char* simple_4 = "{'class': 'SimpleStrategy', 'replication_factor': 4}";
constexpr const char* one_each = "{'class': 'NetworkTopologyStrategy', 'eu': 1, 'us': 1}";
constexpr const char* two_and_one = "{'class': 'NetworkTopologyStrategy', 'eu': 2, 'us': 1}";

constexpr std::array replica_vectors{
    replica_vector{450, simple_3, "", "DFG"},   replica_vector{450, simple_4, "", "BDFG"},
    replica_vector{201, simple_4, "", "ACDF"},  replica_vector{50, simple_3, "us", "E"},
    replica_vector{50, simple_3, "eu", "AB"},   replica_vector{75, one_each, "eu", "B"},
    replica_vector{75, one_each, "us", "E"},    replica_vector{75, one_each, "", "BE"},
    replica_vector{75, two_and_one, "", "BEG"}, replica_vector{800, one_each, "", "EG"},
    replica_vector{75, simple_4, "", "ABEF"},
};

// Keys whose tokens have the same replicas as the vector's: they lie between the same two tokens of the ring.
std::vector<std::string> keys_beside(std::int64_t token, std::size_t count) {
  std::vector<std::int64_t> ring;
  for (const auto& of_node : seven_nodes().tokens) ring.insert(ring.end(), of_node.begin(), of_node.end());
  std::sort(ring.begin(), ring.end());
  const auto last = std::lower_bound(ring.begin(), ring.end(), token * stretch);
  std::vector<std::string> out;
  for (int k = 0; out.size() < count; ++k) {
    std::string key = "key-" + std::to_string(k);
    if (std::lower_bound(ring.begin(), ring.end(), murmur3_token(as_bytes(key))) == last) {
      out.push_back(std::move(key));
    }
  }
  return out;
}

struct routed final : session_test {
  routed(std::unique_ptr<cql_emulator> server, session_options options)
      : session_test(std::move(server), std::move(options)) {
    EXPECT_TRUE(store_->prepare(write_));
  }
  void TestBody() override {}
  using session_test::server_;

  // The nodes that requests of these keys came to, each request to one: all of them refuse, and are not tried again.
  std::string reached(const std::vector<std::string>& keys) {
    std::array<cql_emulator::fault_id, 7> faults{};
    for (unsigned node = 0; node < faults.size(); ++node) {
      faults[node] = server_->inject({.kind = fault_kind::invalid, .table = "ring.profile", .node = node});
    }
    for (const std::string& key : keys) EXPECT_FALSE(finish(write_(context(), key)));
    std::uint64_t all = 0;
    std::string out;
    for (unsigned node = 0; node < faults.size(); ++node) {
      const std::uint64_t hits = server_->hits(faults[node]);
      if (hits > 0) out.push_back(static_cast<char>('A' + node));
      all += hits;
    }
    EXPECT_EQ(all, keys.size());
    return out;
  }

  statement<void(std::string_view)> write_{"INSERT INTO ring.profile (id) VALUES (?)"};
};

TEST(token_vectors, requests_go_to_the_replicas_that_the_drivers_know) {
  for (const replica_vector& each : replica_vectors) {
    auto server = started(seven_nodes());
    const std::string keyspace = std::string("CREATE KEYSPACE ring WITH replication = ") + each.replication;
    ASSERT_TRUE(server->execute(keyspace));
    ASSERT_TRUE(server->execute("CREATE TABLE ring.profile (id text PRIMARY KEY)"));
    session_options options;
    options.datacenter = each.datacenter;
    routed all(std::move(server), std::move(options));
    EXPECT_EQ(all.reached(keys_beside(each.token, 24)), each.replicas)
        << each.token << " with " << each.replication << " " << each.datacenter;
  }
}

}  // namespace
}  // namespace millrace::cql
