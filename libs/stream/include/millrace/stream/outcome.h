// How the work on a record ends. A closed set; errors are classified by one pure table (disposition_of) and
// nothing else decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>

namespace millrace::stream {

// What the engine does about an error.
enum class disposition : std::uint8_t {
  retry,        // the same record may succeed later: back off, bounded by attempts and age, then dead letter
  dead_letter,  // this record can never succeed; its neighbours can
  stop,         // no record can succeed until a person acts: stop the line, lose nothing
};
[[nodiscard]] disposition disposition_of(errc code) noexcept;
[[nodiscard]] std::string_view to_string(disposition d) noexcept;

// What process() returns. An error converts: `if (!found) co_return found.error();` An exception that leaves
// process() is the error errc::processor_threw of that attempt: disposition retry, with the bounds of
// retries.
class [[nodiscard]] outcome {
 public:
  enum class kind : std::uint8_t { done, skipped, dead_letter, again, failed };

  [[nodiscard]] static outcome done() { return outcome(kind::done, std::nullopt); }
  // Deliberately not processed; counted by reason. `reason` is a metric label: a short constant.
  [[nodiscard]] static outcome skipped(std::string reason) {
    return outcome(kind::skipped, error(errc::rejected, std::move(reason)));
  }
  // To the dead-letter topic now, without retry.
  [[nodiscard]] static outcome dead_letter(std::string reason) {
    return outcome(kind::dead_letter, error(errc::rejected, std::move(reason)));
  }
  // Not now: process() runs again after `delay`. That is no failure: it costs no attempt and nothing of the
  // retry budget, so whoever asks for it bounds it (context::put_off_for). `reason` as of skipped.
  [[nodiscard]] static outcome again(nanoseconds delay, std::string reason) {
    outcome out(kind::again, error(errc::rejected, std::move(reason)));
    out.delay_ = delay;
    return out;
  }
  outcome(error cause) : outcome(kind::failed, std::move(cause)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] kind what() const noexcept { return kind_; }
  // Of again().
  [[nodiscard]] nanoseconds delay() const noexcept { return delay_; }
  // The reason of a skip, delay or dead letter, the error of a failure; empty when done.
  [[nodiscard]] const std::optional<error>& cause() const noexcept { return cause_; }

 private:
  outcome(kind what, std::optional<error> cause) : cause_(std::move(cause)), kind_(what) {}
  std::optional<error> cause_;
  nanoseconds delay_{0};
  kind kind_;
};

}  // namespace millrace::stream
