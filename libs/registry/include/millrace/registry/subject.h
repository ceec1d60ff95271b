// The subject under which a topic's schemas are registered: Confluent's three subject name strategies.
//
// Example:
//
//   const auto subject = registry::subject_of(registry::subject_naming::topic, "visits", registry::record_part::value,
//                                             "tracking.Navigation");
//   if (!subject) return subject.error();
//   invariant(*subject == "visits-value", "the topic names the subject");
//
// Threads: the function is pure and callable from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::registry {

// The strategies.
enum class subject_naming : std::uint8_t {
  topic,         // TopicNameStrategy: "visits-value"
  record,        // RecordNameStrategy: "tracking.Navigation"
  topic_record,  // TopicRecordNameStrategy: "visits-tracking.Navigation"
};
// The part of a record that the schema describes.
enum class record_part : std::uint8_t { key, value };

// Returns the subject. `record_name` is the full name of the schema's record, enum or fixed. Returns
// errc::config_invalid for an empty name with the two record strategies, which cannot name other types.
[[nodiscard]] result<std::string> subject_of(subject_naming naming, std::string_view topic, record_part part,
                                             std::string_view record_name);

}  // namespace millrace::registry
