// From the source to the start of the processors: the schema of a record, its decoding, and what is turned
// away before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
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
#include "routes.h"
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
  void stop() noexcept;
  [[nodiscard]] std::size_t schemas_missing() const noexcept;
  [[nodiscard]] std::size_t schemas_outstanding() const noexcept;

 private:
  // A route with the plans of its schemas.
  struct lane {
    lane(engine_environment& env, const route& of, plan_watcher& watcher)
        : way(of),
          values(env.ports.loop, env.ports.schemas, of.value, env.options, watcher),
          keys(env.ports.loop, env.ports.schemas, of.key, env.options, watcher) {}

    const route& way;
    plan_table values;
    plan_table keys;
  };
  // decoded: or there is nothing to decode. ended: the record ends here.
  enum class key_step : std::uint8_t { decoded, waits, ended };

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
  // The id of the writer's schema; nullopt: its frame has none, or cannot be read.
  [[nodiscard]] std::optional<std::int32_t> schema_id_of(const envelope& e) const;
  // Why the processor does not want it; empty: it does.
  [[nodiscard]] static std::string_view refusal_of(const processor_rules& rules, const processor_base& of,
                                                   const raw_record& record);
  void wants_threw(envelope& e, std::string_view processor, const std::exception_ptr& thrown);
  [[nodiscard]] bool admit_value(envelope& e, lane& to);
  // False: the schema of its key is not known yet.
  [[nodiscard]] bool take_tombstone(envelope& e, lane& to);
  void take_unmatched(envelope& e, const lane& to, const error& why);
  void note_skipped_tombstone(const envelope& e);
  [[nodiscard]] redrive_target target_of(const envelope& e) const noexcept;
  // Set: it was redriven for a processor that is not here.
  [[nodiscard]] std::optional<error> names_no_processor(const envelope& e) const;
  void wait_for_schema(envelope& e);
  void admit_waiting(assignment& a);
  // Requests the schemas of a record that waits behind others.
  void request_schemas(const envelope& e);
  [[nodiscard]] key_step decode_key(envelope& e, lane& to);
  void decode(envelope& e, plan_entry& plan, bytes_view body);
  // Set: bytes follow the datum, and may not.
  [[nodiscard]] std::optional<error> trailing(std::size_t consumed, std::size_t size) const;
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
  std::deque<lane> lanes_;  // by route::index
  bool plans_changed_ = false;
  const bool filters_;                             // a processor has a filter
  std::set<std::uint32_t> skipped_tombstones_of_;  // topics
};

}  // namespace millrace::engine
