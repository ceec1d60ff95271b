#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <millrace/statement/invalidations.h>

namespace millrace::statements {
namespace {

struct told {
  std::vector<std::string> keys;
  bool everything = false;
};

told read(invalidation_inbox& inbox) {
  told seen;
  inbox.read([&](bytes_view key) { seen.keys.emplace_back(as_text(key)); }, [&] { seen.everything = true; });
  return seen;
}

TEST(Invalidations, ReachEveryInboxOfTheirLookupOnce) {
  invalidation_board board;
  invalidation_inbox mine(board.channel("profiles"));
  invalidation_inbox neighbour(board.channel("profiles"));
  invalidation_inbox other(board.channel("prices"));
  board.channel("profiles").post(as_bytes("a"));
  board.channel("profiles").post(as_bytes(""));
  EXPECT_TRUE(mine.pending());
  EXPECT_EQ(read(mine).keys, (std::vector<std::string>{"a", ""}));
  EXPECT_FALSE(mine.pending());
  EXPECT_TRUE(read(mine).keys.empty());
  EXPECT_EQ(read(neighbour).keys.size(), 2U);
  EXPECT_FALSE(other.pending());
}

TEST(Invalidations, AFullInboxInvalidatesEverythingAndIsCleared) {
  invalidation_board board;
  invalidation_inbox inbox(board.channel("profiles"));
  const std::string key(1'000, 'k');
  for (int i = 0; i < 100; ++i) board.channel("profiles").post(as_bytes(key));
  EXPECT_TRUE(read(inbox).everything);
  EXPECT_FALSE(inbox.pending());
  board.channel("profiles").post(as_bytes("a"));
  EXPECT_EQ(read(inbox).keys, (std::vector<std::string>{"a"}));
}

TEST(Invalidations, NoInvalidationPostedByAnotherThreadIsLost) {
  constexpr int writers = 3;
  constexpr int keys_of_each = 20'000;
  invalidation_board board;
  invalidation_inbox inbox(board.channel("profiles"));
  std::atomic<int> running{writers};
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0; i < keys_of_each; ++i)
        board.channel("profiles").post(as_bytes(std::to_string(w) + "/" + std::to_string(i)));
      --running;
    });
  }
  std::set<std::string> seen;
  bool everything = false;
  const auto look = [&] {
    if (!inbox.pending()) return;
    const told now = read(inbox);
    everything |= now.everything;
    seen.insert(now.keys.begin(), now.keys.end());
  };
  while (running > 0) look();
  for (std::thread& each : threads) each.join();
  look();
  EXPECT_TRUE(everything || seen.size() == std::size_t{writers} * keys_of_each) << seen.size();
  EXPECT_TRUE(everything || seen.contains("2/19999"));
}

}  // namespace
}  // namespace millrace::statements
