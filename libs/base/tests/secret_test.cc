#include <sstream>
#include <type_traits>

#include <gtest/gtest.h>

#include <millrace/base/secret.h>

namespace millrace {
namespace {

static_assert(!std::is_convertible_v<secret, std::string> &&
              !std::is_convertible_v<secret, std::string_view>);
static_assert(!std::is_constructible_v<std::string, secret>);
static_assert(!std::is_convertible_v<std::string, secret>);

TEST(Secret, IsRevealedOnRequestOnly) {
  const secret password("hunter2");
  EXPECT_EQ(password.reveal(), "hunter2");
  std::ostringstream printed;
  printed << password;
  EXPECT_EQ(printed.str(), "***");
}

TEST(Secret, CopiesAndMovesLikeAValue) {
  secret a("one");
  secret b = a;
  EXPECT_EQ(a, b);
  secret c = std::move(a);
  EXPECT_EQ(c.reveal(), "one");
  b = secret("two");
  c = b;
  EXPECT_EQ(c.reveal(), "two");
  EXPECT_FALSE(c == secret("twO"));
  EXPECT_FALSE(c == secret("two more"));
  c.clear();
  EXPECT_TRUE(c.empty());
  EXPECT_EQ(c, secret());
}

TEST(Wipe, OverwritesTheWholeBuffer) {
  std::string text("a secret that is longer than a short string");
  const char* bytes = text.data();
  const std::size_t size = text.size();
  text.resize(1);  // what came before stays in the buffer
  wipe(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), bytes);
  for (std::size_t i = 1; i < size; ++i) EXPECT_EQ(bytes[i], '\0') << i;
}

}  // namespace
}  // namespace millrace
