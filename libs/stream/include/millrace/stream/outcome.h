// How the work on a record ends: a closed set of outcomes. disposition_of(), a pure table, classifies errors;
// nothing else does.
//
// Example, at namespace scope:
//
//   stream::outcome checked(std::int64_t stars) {
//     if (stars < 0) return stream::outcome::dead_letter("negative rating");
//     if (stars == 0) return stream::outcome::skipped("unrated");
//     return stream::outcome::done();
//   }
//
// Threads: an outcome is a plain value. The functions are pure and callable from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>

namespace millrace::stream {

// The engine's reaction to an error.
enum class disposition : std::uint8_t {
  retry,        // the same record may succeed later: back off, bounded by attempts and age, then dead letter
  dead_letter,  // this record can never succeed; its neighbours can
  stop,         // no record can succeed until a person acts: stop the engine, lose nothing
};
// Returns the disposition of a code, and its name.
[[nodiscard]] disposition disposition_of(errc code) noexcept;
[[nodiscard]] std::string_view to_string(disposition d) noexcept;

// The choices of a processor that classifies the errors of its attempts (engine/processor.h).
enum class reaction : std::uint8_t {
  retry,        // as disposition::retry, within the bounds of the retries
  dead_letter,  // to the dead-letter topic now
  skip,         // the record is skipped; the reason is the name of the error's code
  stop,         // the engine drains and ends as failed; the record stays uncommitted
};
// Returns the reaction that belongs to disposition_of(code).
[[nodiscard]] reaction reaction_to(errc code) noexcept;
// Returns whether a processor may choose another reaction to this code: not where the disposition is stop, because
// no record can succeed then. Among these are a fenced member (broker_fenced), refused credentials, a statement
// that the server does not accept, and an invalid configuration.
[[nodiscard]] bool may_be_classified(errc code) noexcept;

// The result of process(). An error converts: `if (!found) co_return found.error();`. must() (must.h) ends
// process() with the error without such a line. An exception that leaves process() counts as the error
// errc::processor_threw of that attempt, and an answer of a statement that nobody looked at (answer.h) as
// errc::answer_ignored: disposition retry, within the bounds of retries.
class [[nodiscard]] outcome {
 public:
  enum class kind : std::uint8_t { done, skipped, dead_letter, again, failed };

  // The record is done once its emits are acknowledged.
  [[nodiscard]] static outcome done() { return outcome(kind::done, std::nullopt); }
  // The record is deliberately not processed and counted by reason. `reason` is a metric label: a short
  // constant.
  [[nodiscard]] static outcome skipped(std::string reason) {
    return outcome(kind::skipped, error(errc::rejected, std::move(reason)));
  }
  // The record is sent to the dead-letter topic now, without retry.
  [[nodiscard]] static outcome dead_letter(std::string reason) {
    return outcome(kind::dead_letter, error(errc::rejected, std::move(reason)));
  }
  // The record is deferred: process() runs again after `delay`. A deferral costs no attempt and nothing of
  // the retry budget; the processor bounds it by context::put_off_for(). `reason` is a metric label.
  [[nodiscard]] static outcome again(nanoseconds delay, std::string reason) {
    outcome out(kind::again, error(errc::rejected, std::move(reason)));
    out.delay_ = delay;
    return out;
  }
  outcome(error cause) : outcome(kind::failed, std::move(cause)) {}  // NOLINT(google-explicit-constructor)

  // The kind of outcome.
  [[nodiscard]] kind what() const noexcept { return kind_; }
  // The delay of again(); zero otherwise.
  [[nodiscard]] nanoseconds delay() const noexcept { return delay_; }
  // The reason of a skip, deferral or dead letter, the error of a failure; nullopt when done.
  [[nodiscard]] const std::optional<error>& cause() const noexcept { return cause_; }

 private:
  outcome(kind what, std::optional<error> cause) : cause_(std::move(cause)), kind_(what) {}
  std::optional<error> cause_;
  nanoseconds delay_{0};
  kind kind_;
};

// True for an outcome after which the record is not processed again and not kept elsewhere: done or skipped.
[[nodiscard]] constexpr bool finishes(outcome::kind what) noexcept {
  return what == outcome::kind::done || what == outcome::kind::skipped;
}

}  // namespace millrace::stream
