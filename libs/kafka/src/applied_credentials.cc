#include "applied_credentials.h"

#include <string>

#include <millrace/base/assert.h>

namespace millrace::kafka {

void applied_credentials::apply(rd_kafka_t* client) {
  const sasl_credentials::login now = source_->get();
  std::string password(now.password.reveal());
  const error_handle refused(rd_kafka_sasl_set_credentials(client, now.user.c_str(), password.c_str()));
  wipe(password);
  invariant(!refused, "librdkafka takes every user and password");
  version_ = now.version;
}

}  // namespace millrace::kafka
