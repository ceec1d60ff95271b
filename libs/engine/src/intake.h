// From the source to the start of the processors: the schema of a record, its decoding, and what is turned
// away before.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <set>
#include <string_view>

#include <millrace/stream/record.h>

#include "committer.h"
#include "environment.h"
#include "flow_control.h"
#include "partition_table.h"
#include "plan_table.h"
#include "record_accounts.h"
#include "records_in_flight.h"
#include "run_state.h"

namespace millrace::engine {

class intake final : private plan_watcher {
 public:
  intake(engine_environment& env, record_accounts& accounts, run_state& state, committer& commits,
         flow_control& flow, records_in_flight& records, partition_table& partitions);
  intake(const intake&) = delete;
  intake& operator=(const intake&) = delete;

  // From the source.
  void on_record(const stream::record_view& record);
  // Records whose schema has come.
  void admit_waiting_if_any();
  // The oldest record of a partition leaves the ones that wait for a schema.
  void stop_waiting(envelope& e);
  // No schema is requested any more.
  void stop() noexcept { plans_.stop(); }
  [[nodiscard]] std::size_t schemas_missing() const noexcept { return plans_.missing(); }
  [[nodiscard]] std::size_t schemas_outstanding() const noexcept { return plans_.outstanding(); }

 private:
  // Whom a redriven record is for, by the group that it names.
  enum class redrive_target : std::uint8_t { ours, other, unknown };

  [[nodiscard]] bool goes_back(const assignment& a, std::int64_t offset);
  void pass_over(assignment& a, const stream::record_view& record);
  // False: its schema is not known yet.
  [[nodiscard]] bool admit(envelope& e);
  // True: it ends here, for another group or an unknown group or processor.
  [[nodiscard]] bool turns_away_redriven(envelope& e);
  [[nodiscard]] bool turns_away_unread(envelope& e);
  // True: it ends here, because no processor wants it or because wants() threw.
  [[nodiscard]] bool turns_away_unwanted(envelope& e);
  // Why the processor does not want it; empty: it does.
  [[nodiscard]] static std::string_view refusal_of(const processor_rules& rules, const processor_base& of,
                                                   const raw_record& record);
  void wants_threw(envelope& e, std::string_view processor, const std::exception_ptr& thrown);
  void take_tombstone(envelope& e);
  void note_skipped_tombstone(const envelope& e);
  [[nodiscard]] redrive_target target_of(const envelope& e) const noexcept;
  // Set: it was redriven for a processor that is not here.
  [[nodiscard]] std::optional<error> names_no_processor(const envelope& e) const;
  void wait_for_schema(envelope& e);
  void admit_waiting(assignment& a);
  void decode(envelope& e, plan_entry& plan, bytes_view body);
  void decode_failed(envelope& e, const error& cause, nanoseconds took);
  void on_plan_settled() override;
  void on_schema_failure(const error& failure) override;

  engine_environment& env_;
  record_accounts& accounts_;
  run_state& state_;
  committer& commits_;
  flow_control& flow_;
  records_in_flight& records_;
  partition_table& partitions_;
  plan_table plans_;
  bool plans_changed_ = false;
  const tombstone_policy tombstones_;
  const bool filters_;                             // a processor has a filter
  std::set<std::uint32_t> skipped_tombstones_of_;  // topics
};

}  // namespace millrace::engine
