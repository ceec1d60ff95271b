// The SASL credentials that one librdkafka client was last given. For one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <millrace/kafka/sasl_credentials.h>

#include "handles.h"

namespace millrace::kafka {

class applied_credentials {
 public:
  // `source` may be null: the client's credentials never change.
  explicit applied_credentials(std::shared_ptr<const sasl_credentials> source) : source_(std::move(source)) {}

  // Passes other values to the client. Costs one load when there are none.
  void renew(rd_kafka_t* client) {
    if (source_ && source_->version() != version_) apply(client);
  }

 private:
  void apply(rd_kafka_t* client);

  std::shared_ptr<const sasl_credentials> source_;
  // None yet, so that a change between the client's creation and its first poll is not lost.
  std::uint64_t version_ = 0;
};

}  // namespace millrace::kafka
