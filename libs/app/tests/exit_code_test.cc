#include <gtest/gtest.h>

#include <millrace/app/exit_code.h>

namespace millrace::app {
namespace {

TEST(Closing, AStopThatLeftNothingBehindIsClean) { EXPECT_EQ(exit_code_of({}, {}), exit_ok); }

TEST(Closing, AStopThatAbandonedRecordsFailed) {
  EXPECT_EQ(exit_code_of({}, {.abandoned = 3, .uncommitted = 0}), exit_failure);
}

TEST(Closing, AStopThatCouldNotCommitFinishedRecordsFailed) {
  EXPECT_EQ(exit_code_of({}, {.abandoned = 0, .uncommitted = 1}), exit_failure);
}

TEST(Closing, AFailureDecidesByItsCode) {
  EXPECT_EQ(exit_code_of(error(errc::broker_fenced), {}), exit_failure);
  EXPECT_EQ(exit_code_of(error(errc::config_invalid), {.abandoned = 3, .uncommitted = 2}), exit_config);
}

}  // namespace
}  // namespace millrace::app
