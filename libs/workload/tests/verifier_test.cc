#include <gtest/gtest.h>

#include <millrace/workload/environment.h>
#include <millrace/workload/verifier.h>

namespace millrace::workload {
namespace {

class Verifier : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(environment_.start().ok());
    checks_ = std::make_unique<verifier>(generator_, environment_.database().table(keyspace, "visit").value(),
                                         environment_.database().table(keyspace, "last_seen").value());
  }

  // The rows that the application writes for a record.
  void write_rows(const expected_visit& visit, std::string_view url) {
    const visit_profile profile = profile_of(visit.visitor);
    const std::string country = visit.country ? "'" + *visit.country + "'" : "null";
    const std::string time = std::to_string(visit.event_time_ms);
    const std::string id = visit.event_id.to_string();
    const std::string kind(kind_name(visit.kind));
    run("INSERT INTO millrace_navigation.visit (visitor_id, event_time, event_id, partner_id, kind, url, "
        "country, "
        "segment, score, products) VALUES ('" +
        visit.visitor_id + "', " + time + ", " + id + ", " + std::to_string(visit.partner_id) + ", '" + kind +
        "', '" + std::string(url) + "', " + country + ", '" + profile.segment + "', " +
        std::to_string(profile.score) + ", " + std::to_string(visit.products) + ")");
    run("INSERT INTO millrace_navigation.last_seen (visitor_id, event_time, source_offset, event_id, kind, "
        "url) "
        "VALUES ('" +
        visit.visitor_id + "', " + time + ", 0, " + id + ", '" + kind + "', '" + visit.url + "')");
  }

  void run(const std::string& statement) {
    const auto done = environment_.database().execute(statement);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
  }

  visit_generator generator_{42};
  environment environment_;
  std::unique_ptr<verifier> checks_;
};

TEST_F(Verifier, ARecordWithoutRowAndWithoutDownstreamRecordIsLostOnce) {
  checks_->produced(generator_.make(0));
  const verdict found = checks_->finish();
  EXPECT_EQ(found.produced, 1U);
  EXPECT_EQ(found.lost, 1U);
  EXPECT_FALSE(found.verified());
}

TEST_F(Verifier, ARowWithTheExpectedValuesIsNotWrong) {
  const expected_visit visit = generator_.make(0);
  checks_->produced(visit);
  write_rows(visit, visit.url);
  const verdict found = checks_->finish();
  EXPECT_EQ(found.wrong, 0U) << found.examples.front();
  EXPECT_EQ(found.lost, 1U);  // its downstream record
}

TEST_F(Verifier, ARowWithAnotherValueIsWrong) {
  const expected_visit visit = generator_.make(0);
  checks_->produced(visit);
  write_rows(visit, "https://example.com/another");
  EXPECT_EQ(checks_->finish().wrong, 1U);
}

TEST_F(Verifier, ADownstreamRecordWithoutFramingIsWrong) {
  checks_->downstream("key", as_bytes(std::string_view("x")));
  EXPECT_EQ(checks_->finish().wrong, 1U);
}

}  // namespace
}  // namespace millrace::workload
