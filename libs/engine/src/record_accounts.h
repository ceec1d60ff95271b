// The accounts of records: how many there are, how they ended and failed, and what an observer is told.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/engine/observer.h>
#include <millrace/engine/status.h>

#include "assignment.h"
#include "dead_letter_limit.h"
#include "envelope.h"
#include "environment.h"

namespace millrace::engine {

class record_accounts {
 public:
  explicit record_accounts(engine_environment& env) : env_(env), limiter_(env.options.dead_letter_limit) {}
  record_accounts(const record_accounts&) = delete;
  record_accounts& operator=(const record_accounts&) = delete;

  // At the start of every turn: the wall clock is read once per turn.
  void begin_turn() noexcept;
  [[nodiscard]] std::int64_t wall_us(instant at) const noexcept {
    return at.ns / 1'000 + wall_minus_loop_us_;
  }
  // Since the record's creation.
  [[nodiscard]] nanoseconds age_of(const envelope& e, instant at) const;

  // A record was taken, and how it ends. `how` of a record whose runs have all ended is theirs.
  void received(envelope& e, std::size_t bytes);
  void settled(envelope& e);
  void skipped(envelope& e, std::string_view reason);
  void abandoned(envelope& e);
  // The record holds its offset no longer.
  void left(envelope& e);
  // Finished records whose offset was not committed when their partition was given up.
  void uncommitted(std::uint64_t records);

  void failed(work_stage where, const error& cause);
  void threw(std::string_view processor, std::string_view type, const error& cause);
  // Set: the dead-letter rate limit is exceeded.
  // What a processor or an operator decided does not count.
  [[nodiscard]] std::optional<error> exceeds_dead_letter_limit(envelope& e, const error& cause);
  // Now or lately, here or by who committed before; the next owner is to know.
  [[nodiscard]] bool is_dead_letter_limit_exceeded() const noexcept {
    return limiter_.is_exceeded(env_.turn());
  }
  void dead_letter_limit_was_exceeded() noexcept { limiter_.was_exceeded(env_.turn()); }

  // From here on what is abandoned or uncommitted is so because of the stop.
  void stop_began() noexcept { before_stop_ = counts_; }
  [[nodiscard]] std::uint64_t abandoned_by_stop() const noexcept {
    return before_stop_ ? counts_.abandoned - before_stop_->abandoned : 0;
  }
  [[nodiscard]] std::uint64_t uncommitted_by_stop() const noexcept {
    return before_stop_ ? counts_.uncommitted - before_stop_->uncommitted : 0;
  }
  [[nodiscard]] const record_accounting& counts() const noexcept { return counts_; }
  [[nodiscard]] const std::optional<error>& last_error() const noexcept { return last_error_; }

 private:
  void follow(envelope& e);
  void note_end(envelope& e, std::string_view outcome, const std::optional<error>& cause);
  // At once, so that the accounting balances at any scrape.
  void note_in_flight(std::uint64_t records) noexcept;

  engine_environment& env_;
  dead_letter_limiter limiter_;
  record_accounting counts_;
  std::optional<record_accounting> before_stop_;
  std::optional<error> last_error_;
  std::unique_ptr<followed_record> candidate_ = std::make_unique<followed_record>();
  std::int64_t wall_minus_loop_us_ = 0;  // as of this turn
};

}  // namespace millrace::engine
