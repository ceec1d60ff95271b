// Operator commands for the oldest unfinished record of a partition.
#pragma once

#include <millrace/engine/operator_command.h>

#include "environment.h"
#include "intake.h"
#include "partition_table.h"
#include "records_in_flight.h"

namespace millrace::engine {

class operator_commands {
 public:
  operator_commands(engine_environment& env, records_in_flight& records, const partition_table& partitions,
                    intake& taking) noexcept
      : env_(env), records_(records), partitions_(partitions), taking_(taking) {}
  operator_commands(const operator_commands&) = delete;
  operator_commands& operator=(const operator_commands&) = delete;

  [[nodiscard]] command_answer act_on(const record_name& which, operator_command verb);

 private:
  [[nodiscard]] assignment* find(const record_name& which) const;
  [[nodiscard]] command_answer act_on(envelope& e, operator_command verb);
  [[nodiscard]] command_answer act_on_waiting(envelope& e, operator_command verb);

  engine_environment& env_;
  records_in_flight& records_;
  const partition_table& partitions_;
  intake& taking_;
};

}  // namespace millrace::engine
