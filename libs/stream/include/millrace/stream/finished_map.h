// The offsets that are finished beyond the committed offset, as text for the metadata of a commit. The next
// owner of a partition then works only on the records that were unfinished.
//
// The text is bound to the topic's identity and to the committed offset. For another topic or offset, for a
// damaged text or a text of another program, decoding yields "nothing is known", which costs repeated work
// and loses nothing.
//
// Example:
//
//   const std::vector<stream::offset_range> finished{{12, 15}};
//   const std::string text = stream::encode_finished("topic-id", 10, finished);
//   const auto known = stream::decode_finished(text, "topic-id", 10);
//   invariant(known == finished, "the text is read back");
//
// Threads: the functions are pure; finished_before belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::stream {

// A range of offsets; both ends are included.
struct offset_range {
  std::int64_t first = 0;
  std::int64_t last = 0;
  friend bool operator==(const offset_range&, const offset_range&) = default;
};

// Limit of the text in bytes. Kafka's default limit (offset.metadata.max.bytes) is 4,096 bytes; the source
// uses the rest.
inline constexpr std::size_t commit_metadata_bytes_max = 4'064;
// The most ranges that fit into the text.
inline constexpr std::size_t finished_ranges_max = 1'524;

// Encodes ranges, which are disjoint, ascending, at or above `committed`, and do not touch (invariant).
// Ranges that do not fit into `bytes_max` are left out, the furthest first. A text without ranges still
// identifies the commit. Returns an empty text only when not even that fits.
[[nodiscard]] std::string encode_finished(std::string_view topic_id, std::int64_t committed,
                                          std::span<const offset_range> ranges,
                                          std::size_t bytes_max = commit_metadata_bytes_max);
// Decodes a text. Returns nullopt when it is not a map of this topic at this offset: another program
// committed it.
[[nodiscard]] std::optional<std::vector<offset_range>> decode_finished(std::string_view text,
                                                                       std::string_view topic_id,
                                                                       std::int64_t committed);

// The offsets that an earlier owner had finished. Queries are for ascending offsets and take constant time
// each.
class finished_before {
 public:
  finished_before() = default;
  explicit finished_before(std::vector<offset_range> ranges) noexcept : ranges_(std::move(ranges)) {}

  // Returns whether the offset was finished. Offsets of successive calls must not decrease.
  [[nodiscard]] bool contains(std::int64_t offset) noexcept {
    while (next_ < ranges_.size() && ranges_[next_].last < offset) ++next_;
    return next_ < ranges_.size() && ranges_[next_].first <= offset;
  }

  // Appends the ranges beyond `offset` to `ranges`, so that they stay known although they were not delivered
  // yet.
  void append_beyond(std::int64_t offset, std::vector<offset_range>& ranges) const;

 private:
  std::vector<offset_range> ranges_;
  std::size_t next_ = 0;
};

}  // namespace millrace::stream
