// What a store counts, per statement.
#pragma once

#include <array>
#include <string>

#include <millrace/base/errors.h>
#include <millrace/metrics/registry.h>

namespace millrace::cql {

class statement_meters {
 public:
  // `counts` may be null: nothing is counted then.
  statement_meters(metrics::shard* counts, std::string statement);

  void succeeded(nanoseconds took) noexcept {
    if (counts_ != nullptr) seconds_->observe(took);
  }
  void failed(errc why, nanoseconds took);

 private:
  metrics::shard* counts_;
  std::string statement_;
  metrics::histogram* seconds_ = nullptr;
  metrics::histogram* failed_seconds_ = nullptr;
  std::array<metrics::counter*, errc_count> failures_{};  // resolved at the first failure of a kind
};

// nullptr when there is no shard.
[[nodiscard]] metrics::gauge* in_flight_gauge(metrics::shard* counts);
[[nodiscard]] metrics::gauge* prepared_gauge(metrics::shard* counts);

}  // namespace millrace::cql
