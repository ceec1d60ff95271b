#include "address_map.h"

#include <gtest/gtest.h>

namespace millrace::cql {
namespace {

using place = std::pair<std::string, std::uint16_t>;

TEST(address_map, translates_an_address_with_its_port_before_one_with_any) {
  const address_translations map{{"10.0.0.1:9042", "127.0.0.1:19142"},
                                 {"10.0.0.1", "127.0.0.9"},
                                 {"[fd00::1]:9042", "[::1]:19143"},
                                 {"fd00::2", "127.0.0.2:5"}};
  EXPECT_EQ(translate(map, "10.0.0.1", 9042), place("127.0.0.1", 19142));
  EXPECT_EQ(translate(map, "10.0.0.1", 19042), place("127.0.0.9", 19042));
  EXPECT_EQ(translate(map, "fd00::1", 9042), place("::1", 19143));
  EXPECT_EQ(translate(map, "fd00::2", 9042), place("127.0.0.2", 5));
  EXPECT_EQ(translate(map, "10.0.0.3", 9042), place("10.0.0.3", 9042));
}

TEST(address_map, is_written_as_the_bridge_reads_it) {
  EXPECT_EQ(to_text({}), "");
  EXPECT_EQ(to_text({{"10.0.0.1:9042", "a:1"}, {"10.0.0.2", "b"}}), "10.0.0.1:9042=a:1,10.0.0.2=b");
}

}  // namespace
}  // namespace millrace::cql
