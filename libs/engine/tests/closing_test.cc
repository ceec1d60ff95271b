#include "closing.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

TEST(Closing, AStopThatAbandonedNothingIsClean) { EXPECT_EQ(exit_code_of({}, 0), exit_ok); }

TEST(Closing, AStopThatAbandonedRecordsFailed) { EXPECT_EQ(exit_code_of({}, 3), exit_failure); }

TEST(Closing, AFailureDecidesByItsCode) {
  EXPECT_EQ(exit_code_of(error(errc::broker_fenced), 0), exit_failure);
  EXPECT_EQ(exit_code_of(error(errc::config_invalid), 3), exit_config);
}

}  // namespace
}  // namespace millrace::engine
