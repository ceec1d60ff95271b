// An application without a database: each record becomes one record of the topic `outputs` with the same key,
// unless its value requests something else. Whether every record arrived is visible from the keys
// alone.
#pragma once

#include <message.avsc.h>

#include <millrace/app/millrace.h>

namespace relay_test {

class relay final : public millrace::processor<::relay::Message> {
 public:
  // Throws when the record requests it. A record without a key is skipped.
  millrace::task<millrace::outcome> process(millrace::record<::relay::Message> message,
                                            millrace::context ctx) override;

 private:
  millrace::output<::relay::Message> outputs_{"outputs"};
};

}  // namespace relay_test
