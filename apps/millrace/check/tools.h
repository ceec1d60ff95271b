// The programs that `millrace check` runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::check {

// The oldest version that has every check of the configuration, and the one that the rules are tested with.
inline constexpr int version_min = 18;
inline constexpr int version_tested = 19;

// clang-tidy, and the clang-query beside it.
struct tools {
  std::string tidy;
  std::string query;
  int version = 0;
};

// Finds the tools in the folders of `path`, which is separated by colons: clang-tidy-19, else the newest
// clang-tidy-N, else clang-tidy; `tidy`, if not empty, names the program instead. clang-query has the same suffix.
// errc::config_invalid: one is missing or too old; the message names the package.
[[nodiscard]] result<tools> find_tools(std::string_view path, const std::string& tidy);

// A program that has ended.
struct ended {
  int status = 0;  // the exit code; 128 + N after signal N
  std::string out;
  std::string err;
};

// Runs a program and waits for it. errc::io_error: it cannot be run.
[[nodiscard]] result<ended> run_tool(const std::vector<std::string>& words);

}  // namespace millrace::check
