#include "lookups.h"

#include <gtest/gtest.h>

#include <millrace/cql/lookup.h>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

lookup_settings named(std::string name) {
  lookup_settings made;
  made.name = std::move(name);
  return made;
}

class lookups_test : public ::testing::Test {
 protected:
  std::string why(const std::vector<lookup_settings>& configured, std::size_t workers = 2,
                  std::size_t memory = std::size_t{64} << 20U) {
    const auto opened = open_lookups(declared_, room_, {configured, workers, memory});
    return opened ? "opened" : opened.error().message();
  }

  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  statements::invalidation_board board_;
  statements::lookup_room room_{board_};
  cql::lookup<std::int64_t(std::string_view)> prices_{
      "prices", "SELECT price FROM price WHERE item = ?", {.ttl = 5s, .negative_ttl = 2s}};
};

TEST_F(lookups_test, TheConfigurationOverridesWhatItNames) {
  lookup_settings other = named("other");
  other.ttl = 1ms;
  lookup_settings of = named("prices");
  of.entries_max = 7;
  of.bytes_max = byte_size{4'096};
  of.on_miss = statements::miss_policy::retry;
  of.retry_delay = 3s;
  const statements::lookup_options options = options_of(prices_, {other, of});
  EXPECT_EQ(options.entries_max, 7U);
  EXPECT_EQ(options.bytes_max, 4'096U);
  EXPECT_EQ(options.ttl, 5s);
  EXPECT_EQ(options.on_miss, statements::miss_policy::retry);
  EXPECT_EQ(options.retry_delay, 3s);
  EXPECT_EQ(options.when_late, statements::miss_policy::dead_letter);
}

TEST_F(lookups_test, AnUndeclaredLookupIsRefusedAndTheDeclaredOnesAreListed) {
  EXPECT_EQ(why({named("price")}),
            "`lookups` has 'price', which the application does not declare; its lookups are: prices");
}

TEST_F(lookups_test, ContradictoryOptionsNameTheLookup) {
  lookup_settings of = named("prices");
  of.on_miss = statements::miss_policy::retry;
  of.retry_delay = 1s;
  EXPECT_EQ(why({of}),
            "lookup 'prices': `negative_ttl` is longer than `retry_delay`: a retry would read the "
            "cached miss");
}

TEST_F(lookups_test, CachesOverHalfOfTheMemoryAreRefused) {
  const std::size_t needed = 2 * prices_.declared().bytes_max;
  EXPECT_EQ(why({}, 2, 2 * needed), "opened");
  EXPECT_NE(why({}, 2, 2 * needed - 1).find("exceeds half of `engine.memory_max`"), std::string::npos);
}

TEST_F(lookups_test, WritesAreConnectedToTheLookupsTheyInvalidate) {
  cql::statement<void(std::int64_t, std::string_view)> update("UPDATE price SET price = ? WHERE item = ?");
  EXPECT_NE(why({}).find("which lookup 'prices' caches"), std::string::npos);
}

}  // namespace
}  // namespace millrace::app
