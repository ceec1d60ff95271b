// Filters: which records a processor does not want, decided before a record is decoded.
//
// Example:
//
//   const engine::record_filter europe{.key_prefix = "eu-"};
//   const engine::record_filter no_tests{.header = "x-test", .exclude = true};
//   const engine::record_filter tenth{.sample = 0.1};
//   for (const engine::record_filter* each : {&europe, &no_tests, &tenth})
//     if (const auto valid = engine::check(*each); !valid) return valid.error();
//
// A processor wants a record when every filter of the engine and of the processor accepts it, and its wants() does
// (processor.h). A record that no processor wants is skipped with the reason "filtered": it is counted, its offset is
// committed, and it is not decoded. A record that some want is decoded once, and the others pass it over. Tombstones
// are filtered like other records, before `engine.tombstones` applies. `millrace_records_filtered_total` counts what
// each processor did not want, by the reason: header, key_prefix, schema_id, sample, wants.
//
// A filter is a pure function of the record, so that a replay decides the same.
//
// Threads: plain values; the functions are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>

namespace millrace::engine {

// A record before it is decoded. Valid during the call that it is passed to.
class raw_record {
 public:
  raw_record(const stream::record_block& block, std::string_view topic, std::optional<std::int32_t> schema_id)
      : block_(&block), topic_(topic), schema_id_(schema_id) {}

  // The record's place in the log.
  [[nodiscard]] std::string_view topic() const noexcept { return topic_; }
  [[nodiscard]] std::int32_t partition() const noexcept { return block_->from().partition; }
  [[nodiscard]] std::int64_t offset() const noexcept { return block_->offset(); }
  // The record's Kafka timestamp; 1970 when it has none.
  [[nodiscard]] timestamp created() const noexcept { return block_->created(); }
  // The key; nullopt for a null key.
  [[nodiscard]] std::optional<bytes_view> key() const noexcept { return block_->key(); }
  // The last header of that name; nullopt when it is absent or null.
  [[nodiscard]] std::optional<bytes_view> header(std::string_view name) const noexcept {
    return block_->header_count() == 0 ? std::nullopt : block_->header(name);
  }
  // True: the record has no value.
  [[nodiscard]] bool is_tombstone() const noexcept { return !block_->value().has_value(); }
  // The id of the writer's schema; nullopt for a tombstone, and for a value without a readable frame.
  [[nodiscard]] std::optional<std::int32_t> schema_id() const noexcept { return schema_id_; }

 private:
  const stream::record_block* block_;
  std::string_view topic_;
  std::optional<std::int32_t> schema_id_;
};

// One condition. It accepts the records that meet it or, with `exclude`, those that do not.
//
//   members                 accepts a record
//   header                  that has this header, which is not null
//   header, equals          whose header has this value
//   header, prefix          whose header begins with this text
//   header, absent          that does not have this header, or has it with a null value
//   key_prefix              whose key begins with this text; not a null key
//   schema_ids              whose value was written with one of these schemas. Also a record without a schema id: a
//                           tombstone, or an unreadable value, which goes to the dead-letter topic as usual. `exclude`
//                           does not change this
//   sample                  of this share, chosen by a hash of the key: all records of a key or none. Records
//                           without a key are chosen by partition and offset
struct record_filter {
  std::string header = {};
  std::optional<std::string> equals = {};
  std::optional<std::string> prefix = {};
  bool absent = false;
  std::string key_prefix = {};
  std::vector<std::int32_t> schema_ids = {};
  std::optional<double> sample = {};
  bool exclude = false;
};

// Returns errc::config_invalid when `filter` has no condition or several, when `equals`, `prefix` and `absent` occur
// without `header` or with one another, and when `sample` is not between 0 and 1.
[[nodiscard]] result<void> check(const record_filter& filter);
// Returns whether the filter accepts the record. The filter must have passed check().
[[nodiscard]] bool accepts(const record_filter& filter, const raw_record& record) noexcept;
// Returns the reason of the filter for metrics: header, key_prefix, schema_id, sample.
[[nodiscard]] std::string_view reason_of(const record_filter& filter) noexcept;

// The reason of a record that no processor wants.
inline constexpr char filtered_reason[] = "filtered";

}  // namespace millrace::engine
