// What a store counts, per statement.
#pragma once

#include <array>
#include <string>

#include <millrace/base/errors.h>
#include <millrace/metrics/registry.h>

namespace millrace::cql {

class statement_metrics {
 public:
  // `counts` may be null: nothing is counted then.
  statement_metrics(metrics::shard* counts, std::string statement);

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

// Of a store as a whole.
class store_metrics {
 public:
  explicit store_metrics(metrics::shard* counts);

  void in_flight(std::size_t requests) noexcept {
    if (in_flight_ != nullptr) in_flight_->set(static_cast<double>(requests));
  }
  void prepared(std::size_t statements) noexcept {
    if (prepared_ != nullptr) prepared_->set(static_cast<double>(statements));
  }
  void handed_over(nanoseconds after) noexcept {
    if (slot_wait_ != nullptr) slot_wait_->observe(after);
  }

 private:
  metrics::gauge* in_flight_ = nullptr;
  metrics::gauge* prepared_ = nullptr;
  metrics::histogram* slot_wait_ = nullptr;
};

// Of a worker's own connections to one node.
class node_metrics {
 public:
  // `counts` may be null. `node`: "10.0.0.1:9042".
  node_metrics(metrics::shard* counts, std::string node);

  void succeeded(nanoseconds took) noexcept {
    if (counts_ != nullptr) seconds_->observe(took);
  }
  void failed(errc why);
  void now(std::size_t connections, std::size_t in_flight, double limit) noexcept;
  // The node has left the cluster.
  void retire();

 private:
  metrics::shard* counts_;
  std::string node_;
  metrics::histogram* seconds_ = nullptr;
  metrics::gauge* connections_ = nullptr;
  metrics::gauge* in_flight_ = nullptr;
  metrics::gauge* limit_ = nullptr;
};

}  // namespace millrace::cql
