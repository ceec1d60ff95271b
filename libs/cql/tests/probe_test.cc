// What nodes say of themselves before a login.
#include <algorithm>

#include <millrace/cql/probe.h>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

result<node_offer> probed(const cql_emulator& server, std::uint16_t port,
                          std::optional<probe_target::shard_choice> by_shard = {}) {
  return probe(options_for(server), {.host = "127.0.0.1", .port = port, .by_shard = by_shard});
}

TEST(probe, a_node_without_shards_offers_none_and_says_what_it_supports) {
  const auto server = started();
  const auto offer = probed(*server, server->port());
  ASSERT_TRUE(offer) << offer.error().to_string();
  EXPECT_EQ(offer->shards, 0U);
  EXPECT_TRUE(offer->accepted.empty());
  const auto found = std::find_if(offer->supported.begin(), offer->supported.end(),
                                  [](const auto& each) { return each.first == "COMPRESSION"; });
  ASSERT_NE(found, offer->supported.end());
  EXPECT_TRUE(has(found->second, "lz4"));
}

TEST(probe, the_shard_aware_port_leads_to_the_shard_of_the_source_port) {
  emulators::cql_emulator_options options;
  options.shards = 3;
  const auto server = started(std::move(options));
  const auto offer = probed(*server, server->port());
  ASSERT_TRUE(offer) << offer.error().to_string();
  EXPECT_EQ(offer->shards, 3U);
  EXPECT_EQ(offer->shard_port, server->shard_aware_port());
  EXPECT_TRUE(has(offer->accepted, "SCYLLA_RATE_LIMIT_ERROR"));
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    const auto at = probed(*server, offer->shard_port, probe_target::shard_choice{shard, 3});
    ASSERT_TRUE(at) << at.error().to_string();
    EXPECT_EQ(at->shard, shard);
  }
}

TEST(probe, needs_no_password_and_names_what_does_not_answer) {
  emulators::cql_emulator_options options;
  options.user = "ada";
  options.password = "secret";
  const auto server = cql_emulator::start(options);
  ASSERT_TRUE(server);
  EXPECT_TRUE(probed(**server, (*server)->port()));
  const auto nowhere = probed(**server, 1);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code(), errc::db_unavailable);
  const auto nobody = probe(options_for(**server), {.host = "nobody.invalid"});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code(), errc::db_unavailable);
}

}  // namespace
}  // namespace millrace::cql
