// The page of errors.
#include "error_reference.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include <millrace/base/errors.h>
#include <millrace/cql/server_errors.h>

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(error_reference, is_the_page_in_the_tree) {
  EXPECT_EQ(error_reference(), content(fs::path(MILLRACE_SOURCE_DIR) / "docs/reference/errors.md"))
      << "run ./dev generate";
}

TEST(error_reference, has_every_code_with_its_consequence) {
  const std::string page = error_reference();
  for (std::size_t k = 0; k < errc_count; ++k) {
    const std::string code(to_string(static_cast<errc>(k)));
    EXPECT_NE(page.find("\n| `" + code + "` | "), std::string::npos) << code;
  }
  EXPECT_NE(page.find("| `db_timeout` | the database reported a timeout | retry | "), std::string::npos);
  EXPECT_NE(page.find(" | dead letter | correct the record or its producer"), std::string::npos);
  EXPECT_NE(page.find(" | stop | correct the statement"), std::string::npos);
}

TEST(error_reference, has_every_error_of_the_protocol) {
  const std::string page = error_reference();
  for (const cql::server_error& each : cql::server_errors) {
    EXPECT_NE(page.find(" | " + std::string(each.name) + " | `"), std::string::npos) << each.name;
  }
  EXPECT_NE(page.find("\n| `0x1001` | Overloaded | `db_overloaded` | yes | counts | shrinks | "),
            std::string::npos);
}

// All tests of the CQL library, as their sources write them: "(suite, name)".
std::string tests_of_cql() {
  std::string all;
  for (const auto& file : fs::directory_iterator(fs::path(MILLRACE_SOURCE_DIR) / "libs/cql/tests")) {
    if (file.path().extension() == ".cc") all += content(file.path());
  }
  return all;
}

TEST(error_reference, every_test_that_it_names_exists) {
  const std::string sources = tests_of_cql();
  for (const cql::server_error& each : cql::server_errors) {
    std::string named(each.proof);
    const auto dot = named.find('.');
    ASSERT_NE(dot, std::string::npos) << each.name;
    named.replace(dot, 1, ", ");
    const bool found = sources.find("TEST(" + named + ")") != std::string::npos ||
                       sources.find("TEST_F(" + named + ")") != std::string::npos ||
                       sources.find("TEST_P(" + named + ")") != std::string::npos;
    EXPECT_TRUE(found) << each.name << ": " << each.proof << " is in no file of libs/cql/tests";
  }
}

}  // namespace
}  // namespace millrace::app
