#include <array>

#include <fixtures/cluster_fixture.h>

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

TEST_F(producer_test, a_record_of_3_mb_that_the_topic_accepts_is_produced) {
  topic("t", 1);
  writer out(writing());
  const std::string large(3'000'000, 'x');
  ASSERT_TRUE(out.write("t", "k", large).ok());
  ASSERT_TRUE(out.settle());
  ASSERT_TRUE(out.answers[0]->given->ok()) << out.answers[0]->given->error().to_string();
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(1));
  EXPECT_EQ(reader.records[0].value, large);
}

TEST_F(producer_test, a_record_with_300_headers_is_produced) {
  topic("t", 1);
  writer out(writing());
  const std::vector<stream::header_view> headers(300, {"name", as_bytes("value")});
  ASSERT_TRUE(out.write({"t", as_bytes("k"), as_bytes("v"), headers}).ok());
  ASSERT_TRUE(out.settle());
  ASSERT_TRUE(out.answers[0]->given->ok()) << out.answers[0]->given->error().to_string();
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(1));
  EXPECT_EQ(reader.records[0].headers.size(), 300U);
}

TEST_F(producer_test, the_given_partition_timestamp_headers_and_nulls_arrive) {
  topic("t", 4);
  writer out(writing());
  const std::array<stream::header_view, 3> headers = {
      {{"source", as_bytes("web")}, {"trial", std::nullopt}, {"empty", as_bytes("")}}};
  const timestamp created{std::chrono::seconds(1'700'000'000)};
  ASSERT_TRUE(out.write({"t", as_bytes("k"), as_bytes("v"), headers, 3, created}).ok());
  ASSERT_TRUE(out.write({"t", as_bytes("k"), std::nullopt, {}, 2}).ok());
  ASSERT_TRUE(out.write({"t", std::nullopt, as_bytes("v"), {}, 1}).ok());
  ASSERT_TRUE(out.settle());
  for (const auto& a : out.answers) ASSERT_TRUE(a->given->ok()) << a->given->error().to_string();
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(3));
  std::map<std::int32_t, seen_record> by_partition;
  for (const seen_record& record : reader.records) by_partition[record.from.partition] = record;
  ASSERT_EQ(by_partition.size(), 3U);
  EXPECT_EQ(by_partition[3].created, created);
  const decltype(seen_record::headers) expected{{"source", "web"}, {"trial", std::nullopt}, {"empty", ""}};
  EXPECT_EQ(by_partition[3].headers, expected);
  EXPECT_EQ(by_partition[2].key, "k");
  EXPECT_EQ(by_partition[2].value, std::nullopt) << "a tombstone, not an empty value";
  EXPECT_GT(by_partition[2].created, created) << "the time of produce()";
  EXPECT_EQ(by_partition[1].key, std::nullopt);
  EXPECT_EQ(by_partition[1].value, "v");
}

TEST_F(producer_test, a_partition_that_does_not_exist_is_rejected) {
  topic("t", 2);
  writer out(writing());
  // Before the client knows the topic, the answer is that another try may help. Then the record is refused.
  std::optional<error> last;
  ASSERT_TRUE(out.until([&] {
    const result<void> taken = out.write({"t", as_bytes("k"), as_bytes("v"), {}, 2});
    if (!taken) last = taken.error();
    return !taken;
  }));
  EXPECT_EQ(last->to_string(), "produce_rejected: topic 't': has no partition 2");
  ASSERT_TRUE(out.settle());
  for (const auto& a : out.answers) EXPECT_EQ(a->given->error().code(), errc::produce_failed);
  ASSERT_TRUE(out.write({"t", as_bytes("k"), as_bytes("v"), {}, 1}).ok());
  ASSERT_TRUE(out.settle());
  EXPECT_TRUE(out.answers.back()->given->ok()) << "the others go on";
}

TEST_F(producer_test, a_record_that_the_queue_can_never_hold_is_refused_at_once) {
  topic("t", 1);
  producer_config config = writing();
  config.bytes_max = 1'000'000;
  const std::string huge(std::size_t{64} * 1024 * 1024 + 1, 'x');
  for (const auto& [limited, size] :
       {std::pair(config, std::size_t{1'000'001}), std::pair(writing(), huge.size())}) {
    writer out(limited);
    const result<void> taken = out.write("t", "k", std::string_view(huge).substr(0, size));
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().code(), errc::produce_rejected) << taken.error().to_string();
    EXPECT_TRUE(out.answers.empty());
    EXPECT_EQ(out.sink().in_flight(), 0U);
  }
}

// Partitions that Java's DefaultPartitioner chooses of 1,000: murmur2(key) & 0x7fffffff, modulo. The hashes of
// the first six keys are those of Kafka's UtilsTest.
constexpr std::pair<std::string_view, std::int32_t> java_partitions[] = {
    {"21", 340},
    {"foobar", 166},
    {"a-little-bit-long-string", 112},
    {"a-little-bit-longer-string", 819},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 677},
    {"abc", 107},
    {"", 681},
    {"visitor-1", 50},
    {"\xff\x80", 928}};

class partitioner_test : public cluster_test {
 protected:
  // The partitions of the keys, in their order.
  std::vector<std::int32_t> partitions_of_keys(const producer_config& config) {
    topic("t", 1'000);
    writer out(config);
    for (const auto& [key, partition] : java_partitions) EXPECT_TRUE(out.write("t", key, "v").ok());
    EXPECT_TRUE(out.settle());
    member reader(reading({"t"}));
    EXPECT_TRUE(reader.until_records(std::size(java_partitions)));
    std::vector<std::int32_t> partitions;
    for (const auto& [key, partition] : java_partitions) {
      const auto of = std::find_if(reader.records.begin(), reader.records.end(),
                                   [&key = key](const seen_record& record) { return record.key == key; });
      partitions.push_back(of == reader.records.end() ? -1 : of->from.partition);
    }
    return partitions;
  }
};

TEST_F(partitioner_test, a_key_has_the_partition_that_java_clients_choose) {
  const std::vector<std::int32_t> partitions = partitions_of_keys(writing());
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    EXPECT_EQ(partitions[i], java_partitions[i].second) << "key '" << java_partitions[i].first << "'";
  }
}

TEST_F(partitioner_test, another_partitioner_can_be_configured) {
  producer_config config = writing();
  config.client.properties["partitioner"] = "consistent";
  const std::vector<std::int32_t> partitions = partitions_of_keys(config);
  EXPECT_NE(partitions[0], java_partitions[0].second);
  EXPECT_NE(partitions[1], java_partitions[1].second);
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

TEST_F(producer_test, destruction_with_records_in_flight_answers_each_once) {
  topic("t", 4);
  cluster().set_round_trip(1, milliseconds(300));
  writer out(writing());
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "v").ok());
  out.destroy();
  ASSERT_EQ(out.answers.size(), 500U);
  for (const auto& a : out.answers) ASSERT_TRUE(a->given.has_value());
}

// The mock broker accepts any sequence number, as a real one does of a producer that it does not know yet.
// One record per request, several in flight: the first request is refused, those behind it are accepted, and
// the client reports the refused record as delivered.
class implied_acknowledgement_test : public cluster_test {
 protected:
  [[nodiscard]] producer_config one_record_a_request() const {
    producer_config config = writing();
    config.linger = milliseconds(0);
    config.client.properties["batch.num.messages"] = "1";
    return config;
  }
  [[nodiscard]] std::set<std::string> keys_in_topic(std::size_t count) {
    member reader(reading({"t"}));
    EXPECT_TRUE(reader.until_records(count));
    std::set<std::string> keys;
    for (const seen_record& record : reader.records) keys.insert(record.key.value_or(""));
    return keys;
  }
};

TEST_F(implied_acknowledgement_test, a_refused_first_record_is_not_reported_as_acknowledged) {
  for (const kafka_error refusal :
       {kafka_error::not_leader, kafka_error::not_enough_replicas, kafka_error::storage_error}) {
    start(1);
    topic("t", 1);
    writer out(one_record_a_request());
    cluster().push_errors(kafka_api::produce, {&refusal, 1});
    cluster().set_round_trip(1, milliseconds(50));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "v").ok());
    ASSERT_TRUE(out.settle());
    cluster().set_round_trip(1, milliseconds(0));
    ASSERT_FALSE(out.answers[0]->given->ok()) << "not in the topic, and reported as delivered";
    EXPECT_EQ(out.answers[0]->given->error().code(), errc::produce_failed);
    EXPECT_EQ(out.sink().counters().implied, 1U);
    const std::set<std::string> keys = keys_in_topic(4);
    for (std::size_t i = 0; i < out.answers.size(); ++i) {
      EXPECT_EQ(out.answers[i]->given->ok(), keys.contains(std::to_string(i))) << "record " << i;
    }
  }
}

// The answer has no offset; the client counts up from -1, which makes offsets of all records but the first.
TEST_F(implied_acknowledgement_test, a_duplicate_sequence_number_is_not_an_acknowledgement) {
  topic("t", 1);
  producer_config config = writing();
  config.linger = milliseconds(50);
  writer out(config);
  const kafka_error duplicate = kafka_error::duplicate_sequence_number;
  cluster().push_errors(kafka_api::produce, {&duplicate, 1});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "v").ok());
  ASSERT_TRUE(out.settle());
  for (const auto& a : out.answers) {
    ASSERT_FALSE(a->given->ok());
    EXPECT_EQ(a->given->error().code(), errc::produce_failed);
  }
  EXPECT_EQ(out.sink().counters().implied, 4U);
  ASSERT_TRUE(out.write("t", "again", "v").ok());
  ASSERT_TRUE(out.settle());
  EXPECT_TRUE(out.answers.back()->given->ok());
}

// A client that librdkafka calls fatally failed sends nothing any more; the sink goes on with a new one.
using producer_replacement_test = cluster_test;

TEST_F(producer_replacement_test, a_lost_sequence_replaces_the_client_and_loses_no_record) {
  topic("t", 1);
  writer out(writing());
  ASSERT_TRUE(out.write("t", "first", "v").ok());
  ASSERT_TRUE(out.settle());
  const kafka_error lost = kafka_error::out_of_order_sequence_number;
  cluster().push_errors(kafka_api::produce, {&lost, 1});
  ASSERT_TRUE(out.write("t", "refused", "v").ok());
  ASSERT_TRUE(out.settle());
  ASSERT_FALSE(out.answers[1]->given->ok());
  EXPECT_EQ(out.answers[1]->given->error().code(), errc::produce_failed) << "trying again helps";
  EXPECT_EQ(out.sink().failure(), nullptr);
  EXPECT_EQ(out.sink().counters().replaced, 1U);
  ASSERT_TRUE(out.until_written("t", "refused", "v"));
  ASSERT_TRUE(out.settle());
  EXPECT_TRUE(out.answers.back()->given->ok()) << out.answers.back()->given->error().to_string();
  ASSERT_EQ(out.errors.size(), 1U);
  EXPECT_NE(out.errors[0].message().find("replaced"), std::string::npos) << out.errors[0].message();
}

TEST_F(producer_replacement_test, records_that_were_outstanding_may_be_sent_again) {
  topic("t", 4);
  writer out(writing());
  ASSERT_TRUE(out.write("t", "first", "v").ok());
  ASSERT_TRUE(out.settle());
  cluster().set_round_trip(1, milliseconds(50));
  const kafka_error lost = kafka_error::out_of_order_sequence_number;
  cluster().push_errors(kafka_api::produce, {&lost, 1});
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(out.write("t", std::to_string(i), "v").ok());
  ASSERT_TRUE(out.settle());
  for (const auto& a : out.answers) {
    if (a->given->ok()) continue;
    EXPECT_EQ(a->given->error().code(), errc::produce_failed) << "never cancelled";
  }
  EXPECT_EQ(out.sink().counters().replaced, 1U);
}

TEST_F(producer_replacement_test, a_missing_permission_ends_the_sink_and_names_what_to_grant) {
  topic("t", 1);
  for (const kafka_error refusal :
       {kafka_error::cluster_authorization_failed, kafka_error::transactional_id_authorization_failed}) {
    start(1);
    topic("t", 1);
    const std::array<kafka_error, 3> refusals = {refusal, refusal, refusal};
    cluster().push_errors(kafka_api::init_producer_id, refusals);
    writer out(writing());
    static_cast<void>(out.write("t", "k", "v"));
    ASSERT_TRUE(out.until([&] { return out.sink().failure() != nullptr; }));
    EXPECT_EQ(out.sink().failure()->code(), errc::broker_unauthorized) << out.sink().failure()->to_string();
    EXPECT_NE(out.sink().failure()->message().find("grant"), std::string::npos)
        << out.sink().failure()->message();
    ASSERT_TRUE(out.settle());
    const result<void> after = out.write("t", "k", "v");
    ASSERT_FALSE(after.ok());
    EXPECT_EQ(after.error().code(), errc::broker_unavailable) << after.error().to_string();
  }
}

TEST_F(producer_replacement_test, a_failure_that_recurs_with_every_client_ends_the_sink) {
  topic("t", 1);
  producer_config config = writing();
  config.replace_backoff = milliseconds(1);
  writer out(config);
  const std::vector<kafka_error> lost(50, kafka_error::out_of_order_sequence_number);
  cluster().push_errors(kafka_api::produce, lost);
  ASSERT_TRUE(out.until([&] {
    if (out.sink().in_flight() == 0) static_cast<void>(out.write("t", "k", "v"));
    return out.sink().failure() != nullptr;
  }));
  EXPECT_EQ(out.sink().failure()->code(), errc::produce_failed) << out.sink().failure()->to_string();
  EXPECT_EQ(out.sink().counters().replaced, 5U);
}

}  // namespace
}  // namespace millrace::kafka
