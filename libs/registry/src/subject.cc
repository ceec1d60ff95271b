#include <millrace/registry/subject.h>

namespace millrace::registry {

result<std::string> subject_of(subject_naming naming, std::string_view topic, record_part part,
                               std::string_view record_name) {
  if (naming != subject_naming::topic && record_name.empty()) {
    return error(errc::config_invalid,
                 "the schema of topic '" + std::string(topic) +
                     "' is not a record, enum or fixed, so no subject can be named after "
                     "it; name subjects after topics");
  }
  switch (naming) {
    case subject_naming::topic:
      return std::string(topic) + (part == record_part::key ? "-key" : "-value");
    case subject_naming::record:
      return std::string(record_name);
    case subject_naming::topic_record:
      return std::string(topic) + "-" + std::string(record_name);
  }
  return error(errc::config_invalid, "unknown subject name strategy");
}

}  // namespace millrace::registry
