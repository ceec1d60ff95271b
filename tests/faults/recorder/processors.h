// An application with a database: each record reads the row of the table `place` that it names (`count`), writes what
// it read into the table `result` under its key, and becomes one record of the topic `outputs`. An answer
// that belongs to another request is visible as a wrong row.
#pragma once

#include <cstdint>
#include <string_view>

#include <message.avsc.h>

#include <millrace/app/millrace.h>

namespace recorder_test {

struct place {
  std::int32_t id;
  std::string_view name;
};

class recorder final : public millrace::processor<::relay::Message> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<::relay::Message> message,
                                            millrace::context ctx) override;

 private:
  millrace::statement<place(std::int32_t id)> select_place_{"SELECT id, name FROM place WHERE id = ?"};
  millrace::statement<void(std::string_view key, std::int32_t id, std::string_view name)> insert_result_{
      "INSERT INTO result (key, id, name) VALUES (?, ?, ?)"};
  millrace::output<::relay::Message> outputs_{"outputs"};
};

}  // namespace recorder_test
