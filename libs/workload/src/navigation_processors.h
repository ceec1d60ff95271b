// The processors of the navigation application (<millrace/workload/navigation.h>).
//
// Everything a processor does may be repeated (at-least-once), and records of one visitor are processed in
// any order, so every effect here is idempotent and none depends on what was written before: rows are keyed
// by the event or by the record's place in the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <millrace/app/millrace.h>

#include "enriched_visit.avsc.h"
#include "navigation.avsc.h"

namespace millrace::workload {

struct profile {
  std::string_view segment;
  double score = 0;
};
inline constexpr profile unknown_visitor{"unknown", 0.0};

inline constexpr std::string_view select_profile_cql =
    "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?";

class visits final : public processor<tracking::Navigation> {
 public:
  task<outcome> process(record<tracking::Navigation> nav, context ctx) override;

 private:
  statement<profile(std::string_view visitor_id)> select_profile_{select_profile_cql};
  statement<void(std::string_view visitor_id, timestamp event_time, uuid event_id, std::int32_t partner_id,
                 std::string_view kind, std::string_view url, std::optional<std::string_view> country,
                 std::string_view segment, double score, std::int32_t products)>
      insert_visit_{
          "INSERT INTO visit (visitor_id, event_time, event_id, partner_id, kind, url, country, segment, "
          "score,"
          " products) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
};

// The newest visit: by event time, then by offset. A write timestamp could hold the one or the other, not
// both (two visits in one millisecond would overwrite each other's cells in any order), so the key holds
// them: the first row of a visitor is the newest, a late visit sorts behind it, a replay writes the row it
// wrote before. Offsets of one visitor can be compared because its key puts all its records into one
// partition, as long as the topic keeps its number of partitions.
class last_seen final : public processor<tracking::Navigation> {
 public:
  task<outcome> process(record<tracking::Navigation> nav, context ctx) override;

 private:
  statement<void(std::string_view visitor_id, timestamp event_time, std::int64_t source_offset, uuid event_id,
                 std::string_view kind, std::string_view url)>
      insert_last_seen_{
          "INSERT INTO last_seen (visitor_id, event_time, source_offset, event_id, kind, url) "
          "VALUES (?, ?, ?, ?, ?, ?)"};
};

class audience_feed final : public processor<tracking::Navigation> {
 public:
  task<outcome> process(record<tracking::Navigation> nav, context ctx) override;

 private:
  statement<profile(std::string_view visitor_id)> select_profile_{select_profile_cql};
  output<feed::EnrichedVisit> enriched_visits_{"enriched-visits"};
};

}  // namespace millrace::workload
