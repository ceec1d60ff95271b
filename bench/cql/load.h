// The CPU time of one request: so many requests, with so many in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "client.h"

namespace millrace::bench {

enum class load_kind : std::uint8_t {
  insert,
  select,
  conditional,  // UPDATE ... IF a condition that holds
  traced,       // the INSERT, with a trace kept by the server
  batch,        // unlogged, of load_options::rows INSERTs of one partition
};

struct load_options {
  client_options connect;
  load_kind kind = load_kind::insert;
  std::int64_t requests = 0;
  std::size_t in_flight = 0;
  std::size_t rows = 1;
  std::string note{usual_note};
};

// Executes a tenth of the requests unmeasured and then all of them, and prints JSON: the CPU time of the whole
// process per request, of the worker's thread alone, and the rate. Fails when a request fails.
int load(const load_options& options);

}  // namespace millrace::bench
