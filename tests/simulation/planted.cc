// Plants the bug that the environment variable MILLRACE_BUG names; "list" prints their names. Part of
// programs that are compiled with MILLRACE_MUTANTS.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <millrace/stream/planted.h>

namespace millrace::stream {
namespace {

struct named {
  std::string_view name;
  bug what;
};

#define PLANTED(name) \
  named { #name, bug::name }
constexpr std::array all{
    PLANTED(commit_the_highest),
    PLANTED(commit_one_too_far),
    PLANTED(acknowledge_on_delivery),
    PLANTED(drop_the_closed_check),
    PLANTED(reuse_the_tracker),
    PLANTED(start_from_latest),
    PLANTED(forget_where_latest_began),
    PLANTED(drop_a_failed_dead_letter),
    PLANTED(commit_before_the_dead_letter),
    PLANTED(drop_a_failed_emit),
    PLANTED(commit_before_the_emit),
    PLANTED(emit_what_failed_too),
    PLANTED(forget_the_key_on_retry),
    PLANTED(forget_the_key_on_revoke),
    PLANTED(release_before_the_drain),
    PLANTED(release_before_the_commit),
    PLANTED(commit_after_a_loss),
    PLANTED(stop_without_the_last_commit),
    PLANTED(take_a_failed_commit_for_done),
    PLANTED(skip_undecodable_silently),
    PLANTED(lose_the_wake_up_for_room),
    PLANTED(lose_the_wake_up_of_a_schema),
    PLANTED(lose_the_wake_up_of_a_retry),
    PLANTED(never_resume),
    PLANTED(count_bytes_twice),
    PLANTED(keep_the_bytes_of_the_abandoned),
    PLANTED(ignore_the_limit),
    PLANTED(remember_the_unfinished),
    PLANTED(remember_under_any_offset),
    PLANTED(forget_what_was_not_delivered),
    PLANTED(breaker_stays_open),
    PLANTED(breaker_burns_attempts),
    PLANTED(ignore_the_retry_budget),
    PLANTED(give_back_what_failed),
    PLANTED(time_writes_by_timestamp_alone),
    PLANTED(forget_the_write_floor),
    PLANTED(take_an_exception_for_done),
};
#undef PLANTED
static_assert(all.size() + 1 == static_cast<std::size_t>(bug::end_), "every bug has its name");

bug from_environment() {
  const char* wanted = std::getenv("MILLRACE_BUG");
  if (wanted == nullptr) return bug::none;
  for (const named& each : all) {
    if (each.name == wanted) return each.what;
  }
  if (std::string_view(wanted) != "list") {
    constexpr int exit_usage = 64;
    std::fprintf(stderr, "no bug is named %s\n", wanted);
    std::exit(exit_usage);
  }
  for (const named& each : all) std::printf("%.*s\n", static_cast<int>(each.name.size()), each.name.data());
  std::exit(EXIT_SUCCESS);
}

}  // namespace

bug planted_bug = from_environment();

}  // namespace millrace::stream
