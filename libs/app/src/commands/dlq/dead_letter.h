// The headers of a dead letter, under either set of names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>

namespace millrace::app::dlq_commands {

struct dead_letter_record {
  std::int32_t partition = 0;  // of the dead-letter topic
  std::int64_t offset = 0;
  timestamp written;
  std::string reason;  // empty: not a dead-letter record that Millrace or Kafka Streams wrote
  std::string code;
  std::string processor;  // the record was redriven for it, or it failed; empty: the record as a whole
  std::string topic;      // where it came from; empty: not said
  std::string from_partition;
  std::string from_offset;
  std::string group;           // of the application that wrote the dead-letter record; empty: not said
  std::uint32_t redrives = 0;  // how often it was redriven before
  bool value_dropped = false;  // the dead-letter topic did not accept the value
};

// The last header of a name counts, as Kafka clients read it.
[[nodiscard]] dead_letter_record read_dead_letter(const stream::record_view& record);

// Empty parts accept everything.
struct dead_letter_filter {
  std::string reason;  // or the error's code
  std::string processor;
  std::string topic;

  [[nodiscard]] bool accepts(const dead_letter_record& of) const noexcept {
    return (reason.empty() || reason == of.reason || reason == of.code) &&
           (processor.empty() || processor == of.processor) && (topic.empty() || topic == of.topic);
  }
};

// Renamed processors: the name in dead letters, and the present name.
using processor_names = std::map<std::string, std::string>;

// From texts OLD=NEW. errc::config_invalid: one is not of that form, or an OLD is given twice.
[[nodiscard]] result<processor_names> read_processor_names(const std::vector<std::string>& texts);

// Who works on the record that is produced again. Empty: every group, every processor.
struct addressee {
  std::string_view group;
  std::string_view processor;
};

// The headers of the record that is produced again: the original ones in their order, without what the
// dead-letter record and earlier redrives added, and then what this redrive says. Views `record`, what `to`
// views, and itself.
class redrive_headers {
 public:
  redrive_headers(const stream::record_view& record, const dead_letter_record& of, const addressee& to);
  redrive_headers(const redrive_headers&) = delete;
  redrive_headers& operator=(const redrive_headers&) = delete;
  [[nodiscard]] std::span<const stream::header_view> all() const noexcept { return headers_; }

 private:
  std::string count_;
  std::vector<stream::header_view> headers_;
};

// "2026-11-25T23:58:01.250Z"
[[nodiscard]] std::string to_text(timestamp at);
// Bytes as text when all of them are printable ASCII, otherwise "0x" and hexadecimal.
[[nodiscard]] std::string to_text(std::optional<bytes_view> bytes);

}  // namespace millrace::app::dlq_commands
