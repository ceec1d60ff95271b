#include <gtest/gtest.h>

#include <millrace/stream/outcome.h>

namespace millrace::stream {
namespace {

TEST(Disposition, ServerErrorsAreRetriedAndInvalidBytesAreNot) {
  EXPECT_EQ(disposition_of(errc::db_timeout), disposition::retry);
  EXPECT_EQ(disposition_of(errc::registry_unavailable), disposition::retry);
  EXPECT_EQ(disposition_of(errc::processor_threw), disposition::retry) << "memory may have been short";
  EXPECT_EQ(disposition_of(errc::answer_ignored), disposition::retry) << "like another defect of a processor";
  EXPECT_EQ(disposition_of(errc::truncated), disposition::dead_letter);
  EXPECT_EQ(disposition_of(errc::schema_not_found), disposition::dead_letter);
  EXPECT_EQ(disposition_of(errc::db_rejected), disposition::dead_letter) << "the record's fault";
  EXPECT_EQ(disposition_of(errc::db_protocol), disposition::retry) << "the next answer may be readable";
  EXPECT_EQ(disposition_of(errc::db_invalid), disposition::stop) << "a missing column must not flood the DLQ";
  EXPECT_EQ(disposition_of(errc::broker_fenced), disposition::stop);
}

}  // namespace
}  // namespace millrace::stream
