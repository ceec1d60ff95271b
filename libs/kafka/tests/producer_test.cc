#include <array>

#include "cluster_fixture.h"

namespace millrace::kafka {
namespace {

using producer_test = cluster_test;

TEST_F(producer_test, every_accepted_record_is_acknowledged_once) {
  topic("t", 8);
  writer out(writing());
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "value").ok());
  EXPECT_EQ(out.sink().in_flight(), 5'000U) << "no answer from within produce()";
  out.sink().flush();
  ASSERT_TRUE(out.settle());
  for (const auto& a : out.answers) EXPECT_TRUE(a->given->ok());
  EXPECT_EQ(out.sink().counters().acknowledged, 5'000U);
}

TEST_F(producer_test, a_transient_failure_is_retried_until_the_broker_has_the_record) {
  topic("t", 1);
  const std::array<kafka_error, 3> failures = {kafka_error::not_leader, kafka_error::request_timed_out,
                                               kafka_error::not_leader};
  cluster().push_errors(kafka_api::produce, failures);
  writer out(writing());
  ASSERT_TRUE(out.write("t", "k", "v").ok());
  ASSERT_TRUE(out.settle());
  EXPECT_TRUE(out.answers[0]->given->ok()) << out.answers[0]->given->error().to_string();
}

TEST_F(producer_test, a_refused_record_is_answered_with_its_reason) {
  topic("t", 1);
  struct {
    kafka_error injected;
    errc expected;
  } const cases[] = {{kafka_error::message_too_large, errc::produce_rejected},
                     {kafka_error::topic_authorization_failed, errc::produce_failed}};
  for (const auto& [injected, expected] : cases) {
    writer out(writing());
    cluster().push_errors(kafka_api::produce, {&injected, 1});
    ASSERT_TRUE(out.write("t", "k", "canary-7431").ok());
    ASSERT_TRUE(out.settle());
    ASSERT_FALSE(out.answers[0]->given->ok());
    EXPECT_EQ(out.answers[0]->given->error().code(), expected) << out.answers[0]->given->error().to_string();
    EXPECT_EQ(out.answers[0]->given->error().message().find("canary"), std::string::npos)
        << "a payload in a message";
  }
}

TEST_F(producer_test, a_record_that_is_too_large_is_refused_at_once) {
  topic("t", 1);
  writer out(writing());
  const std::string huge(2'000'000, 'x');
  const result<void> taken = out.write("t", "k", huge);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code(), errc::produce_rejected) << taken.error().to_string();
  EXPECT_TRUE(out.answers.empty());
  EXPECT_EQ(out.sink().in_flight(), 0U);
}

TEST_F(producer_test, a_full_queue_refuses_and_recovers) {
  topic("t", 1);
  producer_config config = writing();
  config.records_max = 10;
  writer out(config);
  cluster().set_round_trip(1, milliseconds(100));
  int taken = 0;
  std::optional<error> refused;
  for (int i = 0; i < 1'000 && !refused; ++i) {
    const result<void> answered = out.write("t", "k", "v");
    if (answered) {
      ++taken;
    } else {
      refused = answered.error();
    }
  }
  EXPECT_EQ(taken, 10);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), errc::produce_failed) << refused->to_string();
  ASSERT_TRUE(out.settle());
  EXPECT_TRUE(out.write("t", "k", "v").ok());
  ASSERT_TRUE(out.settle());
}

TEST_F(producer_test, a_record_that_cannot_be_delivered_in_time_fails) {
  topic("t", 1);
  producer_config config = writing();
  config.delivery_timeout = milliseconds(300);
  writer out(config);
  cluster().set_down(1);
  ASSERT_TRUE(out.write("t", "k", "v").ok());
  ASSERT_TRUE(out.settle());
  ASSERT_FALSE(out.answers[0]->given->ok());
  EXPECT_EQ(out.answers[0]->given->error().code(), errc::produce_failed);
}

TEST_F(producer_test, a_missing_topic_fails_and_names_it) {
  producer_config config = writing();
  config.client.properties["topic.metadata.propagation.max.ms"] = "200";
  config.delivery_timeout = milliseconds(3'000);
  writer out(config);
  ASSERT_TRUE(out.write("nowhere", "k", "v").ok());
  ASSERT_TRUE(out.settle());
  ASSERT_FALSE(out.answers[0]->given->ok());
  EXPECT_EQ(out.answers[0]->given->error().code(), errc::produce_failed);
  EXPECT_NE(out.answers[0]->given->error().message().find("nowhere"), std::string::npos);
}

TEST_F(producer_test, abandoning_answers_everything_with_cancelled) {
  topic("t", 4);
  cluster().set_down(1);
  writer out(writing());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "v").ok());
  out.sink().abandon();
  ASSERT_TRUE(out.settle());
  for (const auto& a : out.answers) EXPECT_EQ(a->given->error().code(), errc::cancelled);
  EXPECT_EQ(out.sink().counters().cancelled, 100U);
}

TEST_F(producer_test, ending_with_records_on_their_way_answers_each_once) {
  topic("t", 4);
  cluster().set_round_trip(1, milliseconds(300));
  writer out(writing());
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "v").ok());
  out.destroy();
  ASSERT_EQ(out.answers.size(), 500U);
  for (const auto& a : out.answers) ASSERT_TRUE(a->given.has_value());
}

}  // namespace
}  // namespace millrace::kafka
