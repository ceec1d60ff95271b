// `millrace certify`: proves on a user's own cluster that the database client works with it, in up to five minutes.
//
// It creates a keyspace of its own, works in it only, and drops it at the end. A report says of each property PASS,
// FAIL or NOTE, with numbers. Exit codes: 0 nothing failed; 1 something failed, or the cluster cannot be used; 78 the
// arguments cannot be used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include <millrace/app/exit_code.h>

#include "commands/terminal.h"

namespace millrace::app::certify {

// How much is done; what `--seconds` does not shorten.
struct sizes {
  std::uint64_t requests = 10'000;  // of each kind whose routing is counted
  std::size_t traced = 200;         // of each kind whose routing is traced
  std::int32_t rows = 10'000;       // that are read in pages
  std::int32_t page_rows = 500;
  std::size_t large_bytes = std::size_t{1} << 20U;
  std::size_t claims = 100;        // keys that two workers want
  std::size_t overwrites = 1'000;  // of one key, in order
};

struct arguments {
  std::string cql;  // host or host:port
  std::string user;
  std::string password_file;
  bool tls = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string datacenter;
  std::string rack;
  std::string keyspace = "millrace_certify";
  std::string replication;  // what follows `WITH replication = `; "": chosen
  bool use_existing = false;
  bool keep = false;
  unsigned seconds = 60;  // of each group of phases
  std::string output;     // "": standard output
  bool json = false;
  certify::sizes sizes = {};
};

[[nodiscard]] int run_certify(const arguments& given, const terminal& to);

}  // namespace millrace::app::certify
