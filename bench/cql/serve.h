// The CQL emulator with the tables of the loads, scripted by lines of standard input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>

#include "client.h"

namespace millrace::bench {

struct serve_options {
  unsigned nodes = 1;
  unsigned shards = 0;  // with shards there is also the keyspace bench_tablets
  unsigned tokens_per_node = 1;
  unsigned replication = 1;
  std::string tls_certificate;  // files; with them, TLS
  std::string tls_key;
  std::string note{usual_note};
  microseconds insert_latency{0};
};

// Prints the address, and then answers each line with one line until standard input ends:
//
//   fault KIND NODE   every request to NODE is answered with KIND: server_error, overloaded or bootstrapping
//   clear             no faults any more
//   pause | resume    no node reads from its connections; they do again
//   counters          what was counted, as JSON
int serve(const serve_options& options);

}  // namespace millrace::bench
