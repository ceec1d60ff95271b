// Key, headers, timestamp and partition of an emitted record.
//
// Example:
//
//   const std::string source = "web";
//   const stream::emit_options options{
//       .headers = {{"source", source}, {"trial", std::nullopt}},
//       .timestamp = stream::emit_timestamp::now(),
//       .partition = 3,
//   };
//   invariant(options.headers.front().name == "source", "a header is a name and a value");
//   const stream::emit_key key = stream::no_key;
//   invariant(!key.bytes(), "the key is null");
//
// Lifetime: keys and headers are views. They are valid during the call of emit() or erase(), which copies them.
// Threads: plain values.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/statement/declarations.h>

namespace millrace::stream {

// The key of a record without a key. Such a record has no order, and a compacted topic refuses it.
struct no_key_t {
  explicit constexpr no_key_t() = default;
};
inline constexpr no_key_t no_key{};

// The key of an emitted record: text, bytes, the key of the record (nullopt: null), or no_key.
class emit_key {
 public:
  emit_key(no_key_t) noexcept {}                                            // NOLINT(google-*)
  emit_key(const std::optional<bytes_view>& key) noexcept : bytes_(key) {}  // NOLINT(google-*)
  template <class Text>
    requires std::convertible_to<const Text&, std::string_view>
  emit_key(const Text& text) noexcept : bytes_(as_bytes(std::string_view(text))) {}  // NOLINT(google-*)
  template <class Bytes>
    requires(std::convertible_to<const Bytes&, bytes_view> &&
             !std::convertible_to<const Bytes&, std::string_view>)
  emit_key(const Bytes& bytes) noexcept : bytes_(bytes_view(bytes)) {}  // NOLINT(google-*)

  [[nodiscard]] const std::optional<bytes_view>& bytes() const noexcept { return bytes_; }

 private:
  std::optional<bytes_view> bytes_;
};

// A header of an emitted record: a name, and text, bytes or std::nullopt for a null value. Names may repeat.
struct emit_header {
  emit_header(std::string_view named, std::string_view text) noexcept : name(named), value(as_bytes(text)) {}
  emit_header(std::string_view named, const std::optional<bytes_view>& bytes) noexcept
      : name(named), value(bytes) {}

  std::string_view name;
  std::optional<bytes_view> value;
};

// The timestamp of an emitted record: that of the record which is processed, the time at which it is
// produced, or a given time after 1970.
class emit_timestamp {
 public:
  emit_timestamp(millrace::timestamp at) noexcept : is_(kind::given), at_(at) {}  // NOLINT(google-*)
  [[nodiscard]] static emit_timestamp of_record() noexcept { return emit_timestamp(kind::of_record); }
  [[nodiscard]] static emit_timestamp now() noexcept { return emit_timestamp(kind::now); }

  // Returns the time; nullopt for the time at which it is produced. A record that has no timestamp passes
  // none on.
  [[nodiscard]] std::optional<millrace::timestamp> resolved(millrace::timestamp of_record) const noexcept {
    if (is_ == kind::given) return at_;
    if (is_ == kind::now || of_record.time_since_epoch().count() <= 0) return std::nullopt;
    return of_record;
  }
  // False for a time that Kafka cannot hold.
  [[nodiscard]] bool is_valid() const noexcept {
    return is_ != kind::given || at_.time_since_epoch().count() > 0;
  }

 private:
  enum class kind : std::uint8_t { of_record, now, given };
  explicit emit_timestamp(kind is) noexcept : is_(is) {}

  kind is_;
  millrace::timestamp at_;
};

// Options of one emit. A member that is not set has its default.
struct emit_options {
  // In addition to the headers of Millrace (delivery.md). Names that begin with "millrace-" are reserved.
  std::vector<emit_header> headers = {};
  // nullopt: as `engine.emit_timestamp` says, by default the timestamp of the record.
  std::optional<emit_timestamp> timestamp = {};
  // nullopt: the key decides. A partition that the topic does not have makes the record a dead letter, also
  // one that was added within `topic.metadata.refresh.interval.ms` (5 min) and is not known yet.
  std::optional<std::int32_t> partition = {};
};

inline constexpr std::string_view reserved_header_prefix = "millrace-";

// One emit, as a context passes it to its execution.
struct emit_request {
  const statements::output_declaration& to;
  std::optional<bytes_view> key;
  const emit_options* options = nullptr;  // nullptr: the defaults
  bool tombstone = false;                 // its value is null
};

// Checks an emit with options, or a tombstone. Returns errc::produce_rejected with the reason for a reserved
// header name, a negative partition, a timestamp that is not after 1970, and a tombstone without a key.
[[nodiscard]] result<void> check(const emit_request& request);

}  // namespace millrace::stream
