#include <algorithm>
#include <array>
#include <bit>

#include <millrace/base/key_hash.h>
#include <millrace/engine/filter.h>

namespace millrace::engine {
namespace {

// The same in every process and version: replays must agree, and so must the processes of a group.
constexpr std::uint64_t sample_seed = 0x6D696C6C72616365ULL;

bool has_prefix(std::optional<bytes_view> bytes, std::string_view prefix) noexcept {
  return bytes && as_text(*bytes).starts_with(prefix);
}

bool is_in_sample(double share, const raw_record& record) noexcept {
  std::uint64_t hash = 0;
  if (const std::optional<bytes_view> key = record.key()) {
    hash = key_hash(*key, sample_seed);
  } else {
    const auto place = std::bit_cast<std::array<std::byte, 16>>(
        std::array<std::int64_t, 2>{record.partition(), record.offset()});
    hash = key_hash(place, sample_seed);
  }
  // 53 bits, which a double holds exactly: from 0 to below 1.
  return static_cast<double>(hash >> 11U) * 0x1p-53 < share;
}

bool meets_header(const record_filter& filter, const raw_record& record) noexcept {
  const std::optional<bytes_view> value = record.header(filter.header);
  if (filter.absent) return !value;
  if (filter.equals) return value && as_text(*value) == *filter.equals;
  if (filter.prefix) return has_prefix(value, *filter.prefix);
  return value.has_value();
}

}  // namespace

result<void> check(const record_filter& filter) {
  const auto wrong = [](std::string why) { return error(errc::config_invalid, std::move(why)); };
  const int conditions = (filter.header.empty() ? 0 : 1) + (filter.key_prefix.empty() ? 0 : 1) +
                         (filter.schema_ids.empty() ? 0 : 1) + (filter.sample ? 1 : 0);
  if (conditions == 0)
    return wrong("a filter has a condition: one of `header`, `key_prefix`, `schema_ids`, `sample`");
  if (conditions > 1)
    return wrong(
        "a filter has one of `header`, `key_prefix`, `schema_ids`, `sample`; write a filter for each, all of "
        "which apply");
  const int of_header = (filter.equals ? 1 : 0) + (filter.prefix ? 1 : 0) + (filter.absent ? 1 : 0);
  if (of_header > 0 && filter.header.empty())
    return wrong("`equals`, `prefix` and `absent` need the name of a header in `header`");
  if (of_header > 1) return wrong("a filter of a header has at most one of `equals`, `prefix`, `absent`");
  if (filter.sample && !(*filter.sample >= 0 && *filter.sample <= 1))
    return wrong("`sample` is a share from 0 to 1");
  return {};
}

bool accepts(const record_filter& filter, const raw_record& record) noexcept {
  if (!filter.schema_ids.empty()) {
    const std::optional<std::int32_t> id = record.schema_id();
    if (!id) return true;
    const bool known =
        std::find(filter.schema_ids.begin(), filter.schema_ids.end(), *id) != filter.schema_ids.end();
    return known != filter.exclude;
  }
  bool meets = false;
  if (!filter.header.empty()) {
    meets = meets_header(filter, record);
  } else if (!filter.key_prefix.empty()) {
    meets = has_prefix(record.key(), filter.key_prefix);
  } else if (filter.sample) {
    meets = is_in_sample(*filter.sample, record);
  }
  return meets != filter.exclude;
}

std::string_view reason_of(const record_filter& filter) noexcept {
  if (!filter.header.empty()) return "header";
  if (!filter.key_prefix.empty()) return "key_prefix";
  return filter.sample ? "sample" : "schema_id";
}

}  // namespace millrace::engine
