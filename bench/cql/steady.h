// A load without end, which tells what it does: INSERTs, of which a fixed number is in flight.
#pragma once

#include <cstddef>

#include <millrace/base/clock.h>

#include "client.h"

namespace millrace::bench {

struct steady_options {
  client_options connect;
  std::size_t in_flight = 0;  // also the window of the worker
  std::size_t value_bytes = usual_note.size();
  milliseconds sample_every{100};
};

// Runs until standard input ends. Prints a line of JSON per sample: the monotonic time in seconds, the successes and
// the failures by code so far, and the session's counters. After a failure, the next request waits a moment, as the
// engine's retries do.
int steady(const steady_options& options);

}  // namespace millrace::bench
