// `millrace tap`: samples of the live records of a process, one JSON document a line.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace millrace::app::observe {

struct tap_arguments {
  std::string address;
  std::string token;  // of admin.token
  std::optional<std::string> key;
  std::optional<std::int32_t> partition;
  std::string outcome;
  std::string error;
  std::uint64_t limit = 10;  // 0: until Ctrl-C
};

// The path of the request: POST /tap/... (engine). Values are percent-encoded.
[[nodiscard]] std::string tap_path(const tap_arguments& arguments, std::uint64_t wanted);

// 0; 1 when the process refused or did not answer; 78 for an address that is none.
[[nodiscard]] int run_tap(const tap_arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace millrace::app::observe
