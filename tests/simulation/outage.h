// One outage of the database, and nothing else that goes wrong: the workers of one process, at rates from one
// record in minutes to thousands per second. While the database is down every request fails, at once or after
// the client's timeout. Whatever the rate, nothing may become a dead letter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/simulation/simulated_log.h>

#include "checker.h"

namespace scenario {

struct outage_plan {
  int workers = 1;           // of one process: they share the retry budget and the byte budget
  double records_per_s = 1;  // of the process
  millrace::nanoseconds fails_after{0};
  millrace::nanoseconds lasts{0};
  double without_database = 0;           // share of the records that need no request
  millrace::milliseconds interval{250};  // of commits and of the status

  [[nodiscard]] std::string describe() const;
};

struct outage_result {
  verdict found;
  std::uint64_t taken = 0;  // up to the end of the outage
  std::uint64_t dead_letters = 0;
  std::uint64_t failed_requests = 0;
};

[[nodiscard]] outage_plan draw_outage(std::uint64_t seed);
// Rows in which breakers and retry budgets are known to be blind to an outage.
[[nodiscard]] std::vector<outage_plan> known_outages();
[[nodiscard]] outage_result run_outage(const outage_plan& plan, std::uint64_t seed);

}  // namespace scenario
