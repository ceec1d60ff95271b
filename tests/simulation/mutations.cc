// Activates the mutation that the environment variable MILLRACE_MUTATION names; "list" prints their names and items.
// Part of programs that are compiled with MILLRACE_MUTATIONS.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <millrace/stream/mutations.h>

namespace millrace::stream {
namespace {

struct named {
  std::string_view name;
  mutation what;
  std::string_view item = {};  // the finding of the review that the mutation brings back
};

#define NAMED(name) \
  named { #name, mutation::name }
#define FOUND(item, name) \
  named { #name, mutation::name, item }
constexpr std::array all{
    NAMED(commit_the_highest),
    NAMED(commit_one_too_far),
    NAMED(acknowledge_on_delivery),
    NAMED(drop_the_closed_check),
    NAMED(reuse_the_tracker),
    NAMED(start_from_latest),
    NAMED(forget_where_latest_began),
    NAMED(drop_a_failed_dead_letter),
    NAMED(commit_before_the_dead_letter),
    NAMED(drop_a_failed_emit),
    NAMED(commit_before_the_emit),
    NAMED(emit_what_failed_too),
    NAMED(forget_the_key_on_retry),
    NAMED(forget_the_key_on_revoke),
    NAMED(release_before_the_drain),
    NAMED(release_before_the_commit),
    NAMED(commit_after_a_loss),
    NAMED(stop_without_the_last_commit),
    NAMED(take_a_failed_commit_for_done),
    NAMED(skip_undecodable_silently),
    NAMED(lose_the_wake_up_for_room),
    NAMED(lose_the_wake_up_of_a_schema),
    NAMED(lose_the_wake_up_of_a_retry),
    NAMED(never_resume),
    NAMED(count_bytes_twice),
    NAMED(keep_the_bytes_of_the_abandoned),
    NAMED(ignore_the_limit),
    NAMED(remember_the_unfinished),
    NAMED(remember_under_any_offset),
    NAMED(forget_what_was_not_delivered),
    NAMED(breaker_stays_open),
    NAMED(breaker_burns_attempts),
    NAMED(ignore_the_retry_budget),
    NAMED(give_back_what_failed),
    NAMED(time_writes_by_timestamp_alone),
    NAMED(forget_the_write_floor),
    NAMED(take_an_exception_for_done),
    FOUND("D4", blame_a_record_for_an_outage),
    FOUND("D4", ignore_failures_in_a_row),
    FOUND("D1", retry_an_exception_for_ever),
    FOUND("D2", ignore_a_dead_producer),
    FOUND("D3", commit_where_latest_began_later),
    FOUND("D5", wait_for_a_closed_assignment),
    FOUND("D5", forget_a_revocation_in_a_stop),
    FOUND("D6", forget_the_decoded_bytes),
    FOUND("D6", forget_the_emitted_bytes),
    FOUND("D7", emit_beyond_the_limit),
    FOUND("D8", drop_a_dead_letter_that_is_too_large),
    FOUND("D10", skip_what_is_for_a_renamed_processor),
    FOUND("D10", skip_what_is_for_an_unknown_group),
    FOUND("D11", forget_the_markers),
    FOUND("D16", wait_for_what_never_returns),
    FOUND("D16", ignore_the_attempt_timeout),
    FOUND("D22", stop_at_a_refused_schema),
    FOUND("D27", end_before_all_answers),
    NAMED(skip_deletions),
    NAMED(erase_with_an_empty_value),
    NAMED(keep_the_place_of_a_limit),
};
#undef NAMED
#undef FOUND
static_assert(all.size() + 1 == static_cast<std::size_t>(mutation::end_), "every mutation has its name");

mutation from_environment() {
  const char* wanted = std::getenv("MILLRACE_MUTATION");
  if (wanted == nullptr) return mutation::none;
  for (const named& each : all) {
    if (each.name == wanted) return each.what;
  }
  if (std::string_view(wanted) != "list") {
    constexpr int exit_usage = 64;
    std::fprintf(stderr, "no mutation is named %s\n", wanted);
    std::exit(exit_usage);
  }
  for (const named& each : all) {
    std::printf("%.*s %.*s\n", static_cast<int>(each.name.size()), each.name.data(),
                static_cast<int>(each.item.size()), each.item.data());
  }
  std::exit(EXIT_SUCCESS);
}

}  // namespace

mutation active_mutation = from_environment();

}  // namespace millrace::stream
