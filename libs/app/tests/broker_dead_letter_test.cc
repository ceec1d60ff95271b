// Records without key or value, and undeliverable dead letters, with a whole engine.
#include <array>

#include "broker_fixture.h"

namespace millrace::app {
namespace {

class broker_dead_letter_test : public broker_test {
 protected:
  // Parcels 0…9 of one partition, of which number 5 becomes a dead letter.
  void send_one_bad_parcel() {
    send_parcels(5);
    send_parcels(1, 5, "dead");
    send_parcels(4, 6);
  }
  // All but the bad one are written, and the offset stands before it.
  void expect_held_at_the_bad_parcel(broker_worker& worker) {
    ASSERT_TRUE(worker.until([&] { return worker.counts().done == 9 && worker.committed_total() == 5; }));
    worker.idle();
    EXPECT_EQ(worker.committed_total(), 5U);
    EXPECT_EQ(worker.counts().in_flight, 1U);
    EXPECT_EQ(worker.counts().dead_lettered, 0U);
    const auto oldest = worker.engine().status_now().partitions.front().oldest;
    ASSERT_TRUE(oldest);
    EXPECT_EQ(oldest->offset, 5);
    EXPECT_EQ(oldest->stage, "dead_letter");
    EXPECT_EQ(worker.engine().state(), engine::engine_state::running);
  }
  void expect_delivered(broker_worker& worker, std::string to = "dead") {
    ASSERT_TRUE(worker.until_committed(10));
    EXPECT_EQ(worker.counts().dead_lettered, 1U);
    EXPECT_TRUE(worker.stop());
    const auto letters = contents(std::move(to), 1);
    ASSERT_GE(letters.size(), 1U);
    for (const auto& letter : letters) {
      EXPECT_EQ(letter.key, "k5");
      const byte_buffer value = engine::framed_parcel(parcel_schema, 5, "dead");
      EXPECT_EQ(letter.value, as_text(value));
    }
  }
};

// Scenario 33.
TEST_F(broker_dead_letter_test, null_values_null_keys_and_empty_payloads_are_distinguished_and_counted) {
  topic("parcels", 1);
  topic("dead", 1);
  {
    writer out(writing());
    const byte_buffer parcel = engine::framed_parcel(parcel_schema, 1, "ok");
    ASSERT_TRUE(out.write({"parcels", as_bytes("gone"), std::nullopt, {}}).ok());
    ASSERT_TRUE(out.write({"parcels", std::nullopt, bytes_view(parcel), {}}).ok());
    ASSERT_TRUE(out.write("parcels", "empty", "").ok());
    ASSERT_TRUE(out.write({"parcels", as_bytes(""), bytes_view(parcel), {}}).ok());
    ASSERT_TRUE(out.settle());
  }
  worker_settings s = settings();
  s.engine.order = engine::order_mode::key;
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(4));
  EXPECT_EQ(worker.counts().skipped, 1U);
  EXPECT_EQ(worker.counts().done, 2U);
  EXPECT_EQ(worker.counts().dead_lettered, 1U);
  EXPECT_TRUE(worker.stop());
  const auto letters = contents("dead", 1);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, "empty");
  EXPECT_EQ(letters[0].value, "");
}

// Scenario 33.
TEST_F(broker_dead_letter_test, a_tombstone_can_be_a_dead_letter_without_a_value) {
  topic("parcels", 1);
  topic("dead", 1);
  {
    writer out(writing());
    ASSERT_TRUE(out.write({"parcels", as_bytes("gone"), std::nullopt, {}}).ok());
    ASSERT_TRUE(out.settle());
  }
  worker_settings s = settings();
  s.engine.tombstones = engine::tombstone_policy::dead_letter;
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(1));
  EXPECT_EQ(worker.counts().dead_lettered, 1U);
  EXPECT_TRUE(worker.stop());
  const auto letters = contents("dead", 1);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, "gone");
  EXPECT_EQ(letters[0].value, std::nullopt);
}

// Emits to the partition that the parcel's number names, and passes tombstones on.
class routing final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel> p, stream::context ctx) override {
    ctx.emit(routed_, "k", *p, {.partition = static_cast<std::int32_t>(p->number)});
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(engine::deletion p, stream::context ctx) override {
    ctx.erase(routed_, p.key());
    co_return stream::outcome::done();
  }

 private:
  engine::output<engine::parcel> routed_{"routed"};
};

TEST_F(broker_dead_letter_test,
       an_emit_to_a_partition_that_does_not_exist_is_a_dead_letter_and_the_rest_goes_on) {
  topic("parcels", 1);
  topic("routed", 2);
  topic("dead", 1);
  {
    writer out(writing());
    for (const std::int64_t partition : {1, 7, 0}) {
      const byte_buffer value = engine::framed_parcel(parcel_schema, partition, "ok");
      ASSERT_TRUE(out.write({"parcels", as_bytes("k"), bytes_view(value), {}}).ok());
      ASSERT_TRUE(out.settle());
    }
  }
  broker_worker worker(settings(), {engine::make<routing>()});
  ASSERT_TRUE(worker.until_committed(3));
  EXPECT_EQ(worker.counts().done, 2U);
  EXPECT_EQ(worker.counts().dead_lettered, 1U);
  EXPECT_TRUE(worker.stop());
  EXPECT_EQ(contents("routed", 2).size(), 2U);
  const auto letters = contents("dead", 1);
  ASSERT_EQ(letters.size(), 1U);
  const auto code = std::ranges::find(letters[0].headers, "millrace.dlq.message",
                                      [](const auto& header) { return header.first; });
  ASSERT_NE(code, letters[0].headers.end());
  EXPECT_EQ(code->second, "topic 'routed': has no partition 7");
}

TEST_F(broker_dead_letter_test, a_tombstone_is_processed_and_passed_on) {
  topic("parcels", 1);
  topic("routed", 1);
  const timestamp created{std::chrono::seconds(1'700'000'000)};
  {
    writer out(writing());
    ASSERT_TRUE(out.write({"parcels", as_bytes("gone"), std::nullopt, {}, std::nullopt, created}).ok());
    ASSERT_TRUE(out.settle());
  }
  broker_worker worker(settings(), {engine::make<routing>()});
  ASSERT_TRUE(worker.until_committed(1));
  EXPECT_EQ(worker.counts().done, 1U);
  EXPECT_TRUE(worker.stop());
  const auto routed = contents("routed", 1);
  ASSERT_EQ(routed.size(), 1U);
  EXPECT_EQ(routed[0].key, "gone");
  EXPECT_EQ(routed[0].value, std::nullopt);
  EXPECT_EQ(routed[0].created, created) << "the timestamp of the record";
}

// Scenario 34.
TEST_F(broker_dead_letter_test, without_the_dead_letter_topic_the_offset_does_not_advance) {
  topic("parcels", 1);
  send_one_bad_parcel();
  worker_settings s = settings();
  s.engine.dead_letter_topic = "later";
  s.sink.delivery_timeout = milliseconds(1'000);
  s.sink.client.properties["topic.metadata.propagation.max.ms"] = "0";
  broker_worker worker(s);
  expect_held_at_the_bad_parcel(worker);
  topic("later", 1);
  expect_delivered(worker, "later");
}

// Scenario 34.
TEST_F(broker_dead_letter_test, an_unauthorised_dead_letter_is_retried_and_never_dropped) {
  topic("parcels", 1);
  topic("dead", 1);
  send_one_bad_parcel();
  const std::vector<kafka_error> refused(100'000, kafka_error::topic_authorization_failed);
  cluster().push_errors(kafka_api::produce, refused);
  broker_worker worker(settings());
  expect_held_at_the_bad_parcel(worker);
  EXPECT_GE(worker.sink().counters().failed, 1U);
  cluster().clear_errors(kafka_api::produce);
  expect_delivered(worker);
}

// Scenario 34.
TEST_F(broker_dead_letter_test, a_dead_letter_whose_broker_is_down_outlives_its_delivery_timeout) {
  start(2);
  topic("parcels", 1);
  topic("dead", 1);
  cluster().move_leader("parcels", 0, 1);
  cluster().move_coordinator("g", 1);
  cluster().move_leader("dead", 0, 2);
  send_one_bad_parcel();
  cluster().set_down(2);
  worker_settings s = settings();
  s.sink.delivery_timeout = milliseconds(300);
  broker_worker worker(s);
  expect_held_at_the_bad_parcel(worker);
  ASSERT_TRUE(worker.until([&] { return worker.sink().counters().failed >= 2; }));
  cluster().set_up(2);
  expect_delivered(worker);
}

// Scenario 34.
TEST_F(broker_dead_letter_test, a_full_queue_delays_dead_letters_and_drops_none) {
  topic("parcels", 1);
  topic("dead", 1);
  send_parcels(200, 0, "dead");
  worker_settings s = settings();
  s.sink.records_max = 3;
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(200));
  EXPECT_EQ(worker.counts().dead_lettered, 200U);
  EXPECT_TRUE(worker.stop());
  std::set<std::string> keys;
  const auto letters = contents("dead", 200);
  for (const auto& letter : letters) keys.insert(letter.key.value_or(""));
  EXPECT_EQ(letters.size(), 200U);
  EXPECT_EQ(keys.size(), 200U);
}

}  // namespace
}  // namespace millrace::app
