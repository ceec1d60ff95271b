#include "dead_letter.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <fmt/format.h>

#include <millrace/base/bytes.h>
#include <millrace/engine/options.h>

namespace millrace::app::dlq_commands {
namespace {

constexpr std::string_view own_prefix = "millrace.dlq.";
constexpr std::string_view streams_prefix = "__streams.errors.";
constexpr std::string_view redrive_prefix = "millrace.redrive.";

std::optional<std::string> find(const stream::record_view& record, std::string_view name) {
  std::optional<std::string> found;
  for (const stream::header_view& header : record.headers) {
    if (header.name == name && header.value) found = std::string(as_text(*header.value));
  }
  return found;
}

std::string either(const stream::record_view& record, std::string_view first, std::string_view second) {
  auto value = find(record, first);
  if (!value) value = find(record, second);
  return std::move(value).value_or(std::string());
}

// A reason that the user's logic gave is in the message.
std::string reason_of(const stream::record_view& record) {
  if (auto own = find(record, "millrace.dlq.reason")) return *std::move(own);
  auto exception = find(record, "__streams.errors.exception");
  if (exception == "rejected") return find(record, "__streams.errors.message").value_or("rejected");
  return std::move(exception).value_or(std::string());
}

std::uint32_t count_of(const stream::record_view& record) {
  const std::string text = find(record, engine::redrive_count_header).value_or("0");
  std::uint32_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  // What is not a number must not reset the guard against loops.
  return failure == std::errc{} && end == text.data() + text.size() ? count : UINT32_MAX;
}

bool is_ours(std::string_view name) {
  return name.starts_with(own_prefix) || name.starts_with(streams_prefix) || name.starts_with(redrive_prefix);
}

}  // namespace

dead_letter_record read_dead_letter(const stream::record_view& record) {
  dead_letter_record made;
  made.partition = record.from.partition;
  made.offset = record.offset;
  made.written = record.created;
  made.reason = reason_of(record);
  made.code = either(record, "millrace.dlq.code", "__streams.errors.exception");
  // The names of Kafka Streams have neither. A record that was redriven became a dead-letter record of whom
  // it named.
  made.processor = either(record, "millrace.dlq.processor", engine::redrive_processor_header);
  made.topic = either(record, "millrace.dlq.topic", "__streams.errors.topic");
  made.from_partition = either(record, "millrace.dlq.partition", "__streams.errors.partition");
  made.from_offset = either(record, "millrace.dlq.offset", "__streams.errors.offset");
  made.group = either(record, "millrace.dlq.group", engine::redrive_group_header);
  made.redrives = count_of(record);
  made.value_dropped = find(record, "millrace.dlq.value_dropped").has_value();
  return made;
}

result<processor_names> read_processor_names(const std::vector<std::string>& texts) {
  processor_names names;
  for (const std::string& text : texts) {
    const std::size_t middle = text.find('=');
    if (middle == std::string::npos || middle == 0 || middle + 1 == text.size()) {
      return error(errc::config_invalid, "'" + text + "' is not OLD=NEW");
    }
    if (!names.emplace(text.substr(0, middle), text.substr(middle + 1)).second) {
      return error(errc::config_invalid, "'" + text.substr(0, middle) + "' is given twice");
    }
  }
  return names;
}

redrive_headers::redrive_headers(const stream::record_view& record, const dead_letter_record& of,
                                 const addressee& to)
    : count_(std::to_string(std::uint64_t{of.redrives} + 1)) {
  for (const stream::header_view& header : record.headers) {
    if (!is_ours(header.name)) headers_.push_back(header);
  }
  headers_.push_back({engine::redrive_count_header, as_bytes(count_)});
  if (!to.group.empty()) headers_.push_back({engine::redrive_group_header, as_bytes(to.group)});
  if (!to.processor.empty()) headers_.push_back({engine::redrive_processor_header, as_bytes(to.processor)});
}

std::string to_text(timestamp at) {
  const std::int64_t millis = at.time_since_epoch().count();
  const std::int64_t part = ((millis % 1'000) + 1'000) % 1'000;
  const auto whole = static_cast<std::time_t>((millis - part) / 1'000);
  std::tm broken{};
  if (::gmtime_r(&whole, &broken) == nullptr) return std::to_string(millis);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", broken.tm_year + 1900, broken.tm_mon + 1,
                     broken.tm_mday, broken.tm_hour, broken.tm_min, broken.tm_sec, part);
}

std::string to_text(std::optional<bytes_view> bytes) {
  if (!bytes) return "null";
  const std::string_view text = as_text(*bytes);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable ? std::string(text) : "0x" + to_hex(*bytes);
}

}  // namespace millrace::app::dlq_commands
