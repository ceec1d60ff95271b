#include "bound_values.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using nlohmann::json;

class bound_values_test : public ::testing::Test {
 public:
  bound_values_test& with(std::string name, std::string type, std::string_view cell) {
    binding_.parameters.push_back({std::move(name), std::move(type)});
    return length(static_cast<std::int32_t>(cell.size())).raw(cell);
  }
  bound_values_test& without(std::string name, std::int32_t marker) {
    binding_.parameters.push_back({std::move(name), "int"});
    return length(marker);
  }
  bound_values_test& length(std::int32_t value) {
    for (unsigned shift = 32; shift > 0; shift -= 8)
      binding_.cells.push_back(static_cast<std::byte>(static_cast<std::uint32_t>(value) >> (shift - 8)));
    return *this;
  }
  bound_values_test& raw(std::string_view bytes) {
    for (const char c : bytes) binding_.cells.push_back(static_cast<std::byte>(c));
    return *this;
  }

 protected:
  [[nodiscard]] json shown(const std::vector<std::string>& redact = {}) const {
    return json::parse(bound_values(binding_, redact).dump());
  }

  engine::followed_binding binding_;
};

using namespace std::string_view_literals;

TEST_F(bound_values_test, are_formatted_by_their_type) {
  with("id", "text", "v1").with("count", "int", "\xff\xff\xff\xfe"sv).with("small", "smallint", "\x01\x00"sv);
  with("score", "double", "\x3f\xe0\0\0\0\0\0\0"sv).with("ratio", "float", "\x3f\x80\0\0"sv);
  with("ok", "boolean", "\x01"sv).with("at", "timestamp", "\0\0\0\0\0\0\x04\xd2"sv);
  with("before", "timestamp", "\xff\xff\xff\xff\xff\xff\xff\xff"sv);
  with("event", "uuid", "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"sv);
  with("tags", "set<text>", "\0\0\0\0"sv).with("raw", "text", "\x01"sv);
  EXPECT_EQ(shown(), (json{{"id", "v1"},
                           {"count", -2},
                           {"small", 256},
                           {"score", 0.5},
                           {"ratio", 1.0},
                           {"ok", true},
                           {"at", "1970-01-01T00:00:01.234Z"},
                           {"before", "1969-12-31T23:59:59.999Z"},
                           {"event", "01234567-89ab-cdef-0123-456789abcdef"},
                           {"tags", "0x00000000"},
                           {"raw", "0x01"}}));
}

TEST_F(bound_values_test, null_and_unset_are_distinguished) {
  without("a", -1).without("b", -2).with("c", "text", "");
  EXPECT_EQ(shown(), (json{{"a", nullptr}, {"b", "unset"}, {"c", ""}}));
}

TEST_F(bound_values_test, columns_are_hidden_by_their_name_and_by_the_end_of_a_path) {
  with("visitor_id", "text", "v1").with("url", "text", "/a").without("score", -1).with("n", "text", "x");
  EXPECT_EQ(shown({"visitor_id", "page.url", "score"}),
            (json{{"visitor_id", "***"}, {"url", "***"}, {"score", "***"}, {"n", "x"}}))
      << "whether it is null is a value too";
}

TEST_F(bound_values_test, a_column_bound_twice_and_truncated_cells_are_accepted) {
  with("day", "text", "a").with("day", "text", "b");
  EXPECT_EQ(shown(), (json{{"day", "a"}, {"day'", "b"}}));
  binding_.parameters.push_back({"torn", "text"});
  length(9).raw("short");
  EXPECT_EQ(shown(), (json{{"day", "a"}, {"day'", "b"}}));
}

TEST_F(bound_values_test, a_number_of_another_size_and_a_time_beyond_the_calendar_are_shown_raw) {
  with("n", "int", "\x01"sv).with("at", "timestamp", "\x7f\xff\xff\xff\xff\xff\xff\xff"sv);
  EXPECT_EQ(shown(), (json{{"n", "0x01"}, {"at", "9223372036854775807 ms"}}));
}

}  // namespace
}  // namespace millrace::app
