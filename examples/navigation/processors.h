// The example application: three processors that share each decoded page view.
//
//   visits         looks the visitor's profile up and writes the enriched visit
//   last_seen      keeps each visitor's newest visit
//   audience_feed  emits the enriched visit as Avro, keyed by visitor, for other teams
//
// Everything a processor does may be repeated (at-least-once), so every effect here is idempotent: rows are
// keyed by the event, and last_seen writes with a timestamp taken from the record.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <enriched_visit.avsc.h>
#include <navigation.avsc.h>

#include <millrace/engine/millrace.h>

namespace navigation {

struct profile {
  std::string_view segment;
  double score = 0;
};
inline constexpr profile unknown_visitor{"unknown", 0.0};

inline constexpr std::string_view select_profile_cql =
    "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?";

class visits final : public millrace::processor<tracking::Navigation> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<tracking::Navigation> nav,
                                            millrace::context ctx) override;

 private:
  millrace::statement<profile(std::string_view visitor_id)> select_profile_{select_profile_cql};
  millrace::statement<void(std::string_view visitor_id, millrace::timestamp event_time,
                           millrace::uuid event_id, std::int32_t partner_id, std::string_view kind,
                           std::string_view url, std::optional<std::string_view> country,
                           std::string_view segment, double score, std::int32_t products)>
      insert_visit_{
          "INSERT INTO visit (visitor_id, event_time, event_id, partner_id, kind, url, country, segment, "
          "score,"
          " products) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
};

class last_seen final : public millrace::processor<tracking::Navigation> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<tracking::Navigation> nav,
                                            millrace::context ctx) override;

 private:
  millrace::statement<void(std::string_view visitor_id, millrace::timestamp event_time,
                           millrace::uuid event_id, std::string_view kind, std::string_view url)>
      insert_last_seen_{
          "INSERT INTO last_seen (visitor_id, event_time, event_id, kind, url) VALUES (?, ?, ?, ?, ?)"};
};

class audience_feed final : public millrace::processor<tracking::Navigation> {
 public:
  millrace::task<millrace::outcome> process(millrace::record<tracking::Navigation> nav,
                                            millrace::context ctx) override;

 private:
  millrace::statement<profile(std::string_view visitor_id)> select_profile_{select_profile_cql};
  millrace::output<feed::EnrichedVisit> enriched_visits_{"enriched-visits"};
};

// The write timestamp of a visit: newest by event time, then by offset. A replay writes the
// same cell version, a late event an older one. The offset orders visits of one millisecond as long as fewer
// than 1,000 records of the partition lie between them.
[[nodiscard]] millrace::timestamp_micros write_time(millrace::timestamp event_time,
                                                    std::int64_t offset) noexcept;

}  // namespace navigation
