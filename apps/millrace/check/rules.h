// The rules of `millrace check`: what clang-tidy finds, and what matchers for clang-query find.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::check {

struct rule {
  std::string_view name;    // a check of clang-tidy; millrace-…: a matcher of ours
  std::string_view what;    // what is wrong; empty: clang-tidy's message says it
  std::string_view remedy;  // what to do
};

// All rules, those of clang-tidy first.
[[nodiscard]] std::span<const rule> rules();
// nullptr: not a rule of ours, for example an error of the compiler.
[[nodiscard]] const rule* find_rule(std::string_view name);

// rules/clang-tidy.yaml and rules/coroutines.query, which the installed package contains, too.
[[nodiscard]] std::string_view tidy_configuration();
[[nodiscard]] std::string_view query_text();

// The commands of query_text(), without blank lines and comments.
[[nodiscard]] std::vector<std::string> query_commands();

}  // namespace millrace::check
