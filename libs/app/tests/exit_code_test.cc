#include <gtest/gtest.h>

#include <millrace/app/exit_code.h>

namespace millrace::app {
namespace {

TEST(ExitCode, AStopThatLeavesNothingUnfinishedExitsWithZero) { EXPECT_EQ(exit_code_of({}, {}), exit_ok); }

TEST(ExitCode, AStopThatAbandonedRecordsExitsWithFailure) {
  EXPECT_EQ(exit_code_of({}, {.abandoned = 3, .uncommitted = 0}), exit_failure);
}

TEST(ExitCode, AStopThatCouldNotCommitFinishedRecordsExitsWithFailure) {
  EXPECT_EQ(exit_code_of({}, {.abandoned = 0, .uncommitted = 1}), exit_failure);
}

TEST(ExitCode, TheErrorCodeOfAFailureDecidesTheExitCode) {
  EXPECT_EQ(exit_code_of(error(errc::broker_fenced), {}), exit_failure);
  EXPECT_EQ(exit_code_of(error(errc::config_invalid), {.abandoned = 3, .uncommitted = 2}), exit_config);
}

}  // namespace
}  // namespace millrace::app
