// What is finished beyond the committed offset, as text for the metadata of a commit: so that the next owner
// of a partition works only on what was unfinished.
//
// The text is bound to the topic's identity and to the committed offset it was written with. Under any other
// topic or offset, or damaged, or written by somebody else, it reads as "nothing is known", which only means
// more work.
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

// From `first` to `last`, both included.
struct offset_range {
  std::int64_t first = 0;
  std::int64_t last = 0;
  friend bool operator==(const offset_range&, const offset_range&) = default;
};

// Kafka's default limit (offset.metadata.max.bytes) is 4,096 bytes; the rest is the source's.
inline constexpr std::size_t commit_metadata_bytes_max = 4'064;
// More ranges never fit.
inline constexpr std::size_t finished_ranges_max = 1'524;

// `ranges` are disjoint, ascending, not below `committed` and do not touch (invariant). What does not fit
// into `bytes_max` is left out, the furthest first. Also with nothing in it the text says whose commit it is;
// empty only when not even that fits.
[[nodiscard]] std::string encode_finished(std::string_view topic_id, std::int64_t committed,
                                          std::span<const offset_range> ranges,
                                          std::size_t bytes_max = commit_metadata_bytes_max);
// nullopt: not a map of this topic at this offset, so that somebody else committed it.
[[nodiscard]] std::optional<std::vector<offset_range>> decode_finished(std::string_view text,
                                                                       std::string_view topic_id,
                                                                       std::int64_t committed);

// What an earlier owner had finished. Answers for ascending offsets, in constant time each.
class finished_before {
 public:
  finished_before() = default;
  explicit finished_before(std::vector<offset_range> ranges) noexcept : ranges_(std::move(ranges)) {}

  [[nodiscard]] bool contains(std::int64_t offset) noexcept {
    while (next_ < ranges_.size() && ranges_[next_].last < offset) ++next_;
    return next_ < ranges_.size() && ranges_[next_].first <= offset;
  }

  // Appends to `ranges` what lies beyond `offset`, so that it stays known although it was not delivered yet.
  void append_beyond(std::int64_t offset, std::vector<offset_range>& ranges) const;

 private:
  std::vector<offset_range> ranges_;
  std::size_t next_ = 0;
};

}  // namespace millrace::stream
