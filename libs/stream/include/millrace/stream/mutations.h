// Mutations of the record engine, one at a time, to show that the tests find each (`./dev mutations`). They
// exist only in a copy of the engine that is compiled with MILLRACE_MUTATIONS. In every other build mutated()
// is the constant false and the compiler removes the mutated code.
//
// Example:
//
//   std::int64_t position = 41;
//   if (stream::mutated(stream::mutation::commit_one_too_far)) ++position;
//   invariant(position == 41, "product builds contain no mutation");
//
// Threads: the active mutation is set before the first thread starts.
#pragma once

#include <cstdint>

namespace millrace::stream {

// One value per mutation; mutations.cc of tests/simulation describes each.
enum class mutation : std::uint8_t {
  none,
  commit_the_highest,
  commit_one_too_far,
  acknowledge_on_delivery,
  drop_the_closed_check,
  reuse_the_tracker,
  start_from_latest,
  forget_where_latest_began,
  drop_a_failed_dead_letter,
  commit_before_the_dead_letter,
  drop_a_failed_emit,
  commit_before_the_emit,
  emit_what_failed_too,
  forget_the_key_on_retry,
  forget_the_key_on_revoke,
  release_before_the_drain,
  release_before_the_commit,
  commit_after_a_loss,
  stop_without_the_last_commit,
  take_a_failed_commit_for_done,
  skip_undecodable_silently,
  lose_the_wake_up_for_room,
  lose_the_wake_up_of_a_schema,
  lose_the_wake_up_of_a_retry,
  never_resume,
  count_bytes_twice,
  keep_the_bytes_of_the_abandoned,
  ignore_the_limit,
  remember_the_unfinished,
  remember_under_any_offset,
  forget_what_was_not_delivered,
  breaker_stays_open,
  breaker_burns_attempts,
  ignore_the_retry_budget,
  give_back_what_failed,
  time_writes_by_timestamp_alone,
  forget_the_write_floor,
  take_an_exception_for_done,
  blame_a_record_for_an_outage,
  ignore_failures_in_a_row,
  retry_an_exception_for_ever,
  ignore_a_dead_producer,
  commit_where_latest_began_later,
  wait_for_a_closed_assignment,
  forget_a_revocation_in_a_stop,
  forget_the_decoded_bytes,
  forget_the_emitted_bytes,
  emit_beyond_the_limit,
  drop_a_dead_letter_that_is_too_large,
  skip_what_is_for_a_renamed_processor,
  skip_what_is_for_an_unknown_group,
  forget_the_markers,
  wait_for_what_never_returns,
  ignore_the_attempt_timeout,
  stop_at_a_refused_schema,
  end_before_all_answers,
  skip_deletions,
  erase_with_an_empty_value,
  keep_the_place_of_a_limit,
  end_
};

#ifdef MILLRACE_MUTATIONS
extern mutation active_mutation;
// Returns whether `m` is the active mutation.
[[nodiscard]] inline bool mutated(mutation m) noexcept { return active_mutation == m; }
#else
// False: this build has no mutations.
[[nodiscard]] constexpr bool mutated(mutation) noexcept { return false; }
#endif

}  // namespace millrace::stream
