// Under which subject a topic's schemas are registered: Confluent's three subject name strategies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/result.h>

namespace millrace::registry {

enum class subject_naming : std::uint8_t {
  topic,         // TopicNameStrategy: "visits-value"
  record,        // RecordNameStrategy: "tracking.Navigation"
  topic_record,  // TopicRecordNameStrategy: "visits-tracking.Navigation"
};
enum class record_part : std::uint8_t { key, value };

// `record_name` is the full name of the schema's record, enum or fixed; "" for other types, which the two
// record strategies cannot name: errc::config_invalid.
[[nodiscard]] result<std::string> subject_of(subject_naming naming, std::string_view topic, record_part part,
                                             std::string_view record_name);

}  // namespace millrace::registry
