#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

TEST_F(record_engine_test, TakesNoMoreRecordsThanItsLimit) {
  options.in_flight_records_max = 100;
  database_delay = 1s;
  start();
  assign({0});
  for (int i = 0; i < 1000; ++i) produce(0, i);
  run();
  EXPECT_EQ(engine_->in_flight_records(), 100U);
  advance(11s);
  EXPECT_EQ(engine_->counts().done, 1000U) << "pressure stops intake, it never drops";
  EXPECT_EQ(store.in_flight_max(), 100U);
}

// parallel-consumer #832 #834 #836.
TEST_F(record_engine_test, WaitingRetriesAreBoundedByTheRecordsInFlight) {
  options.in_flight_records_max = 50;
  options.retry.attempts_max = 1000;
  start();
  assign({0});
  for (int i = 0; i < 500; ++i) {
    database_errors[i] = std::vector<error>(3, error(errc::db_overloaded));
    produce(0, i);
  }
  run();
  EXPECT_EQ(engine_->in_flight_records(), 50U);
  EXPECT_EQ(engine_->status_now().retrying, 50U);
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 500U);
}

TEST_F(record_engine_test, TakesNoMoreBytesThanTheProcessMayHold) {
  byte_budget small(64U << 10U);
  retry_budget unlimited({.ratio = 1});
  database_delay = 1s;
  processor_set set{make<storing>(std::string("storing"))};
  source = std::make_unique<simulated_source>(log, loop, source_options);
  engine_ = std::make_unique<record_engine>(
      engine_ports{loop, *source, sink, store, schemas, small, unlimited, shard}, options,
      std::move(*build(set)));
  engine_->start();
  assign({0});
  for (int i = 0; i < 300; ++i) produce(0, i);
  run();
  EXPECT_LE(small.in_use(), small.bytes_max());
  EXPECT_LE(engine_->in_flight_records(), 32U);
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 300U);
  engine_->request_stop();
  advance(1s);
  engine_.reset();
  EXPECT_EQ(small.in_use(), 0U);
}

TEST_F(record_engine_test, AStalledPartitionLeavesRoomForOtherPartitions) {
  options.in_flight_records_max = 80;
  options.retry.attempts_max = 1000;
  start();
  assign({0, 1, 2, 3});
  for (int i = 0; i < 300; ++i) {
    database_errors[i] = std::vector<error>(100, error(errc::db_timeout));
    produce(0, i);
  }
  advance(options.partition_pause_after);
  EXPECT_TRUE(source->paused({0, 0}));
  EXPECT_EQ(engine_->status_now().partitions.front().paused, pause_reason::share);
  advance(options.partition_stall_after);
  EXPECT_TRUE(source->paused({0, 0}));
  for (int i = 1000; i < 1300; ++i) produce(1, i);
  advance(5s);
  EXPECT_EQ(committed(1), 300);
  EXPECT_FALSE(source->paused({0, 1}));
}

TEST_F(record_engine_test, APartitionThatAdvancesIsNotPausedForALongRun) {
  options.in_flight_records_max = 80;
  options.status_interval = options.commit_interval = 3'600s;
  database_delay = 20ms;
  start();
  assign({0, 1});
  for (int i = 0; i < 3'000; ++i) produce(0, i);
  for (int i = 5'000; i < 5'300; ++i) produce(1, i);
  advance(20s);
  EXPECT_EQ(engine_->counts().done, 3'300U);
  EXPECT_FALSE(happened(happening::paused, 0)) << "what was fetched would be discarded";
}

TEST_F(record_engine_test, NoPartitionHoldsMoreThanItsShareWhetherPausedOrNot) {
  options.in_flight_records_max = 80;
  options.status_interval = options.commit_interval = 3'600s;
  database_delay = 1s;
  start();
  assign({0, 1});
  for (int i = 0; i < 300; ++i) produce(0, i);
  run();
  EXPECT_EQ(engine_->in_flight_records(), 70U);
  EXPECT_FALSE(source->paused({0, 0}));
  for (int i = 1'000; i < 1'010; ++i) produce(1, i);
  advance(options.partition_pause_after);
  EXPECT_TRUE(source->paused({0, 0}));
  EXPECT_EQ(engine_->in_flight_records(), 80U) << "the others have the rest";
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 310U);
}

TEST_F(record_engine_test, AStalledPartitionResumesWhenItAdvances) {
  options.in_flight_records_max = 80;
  start();
  assign({0, 1});
  for (int i = 0; i < 300; ++i) {
    database_errors[i] = std::vector<error>(4, error(errc::db_timeout));
    produce(0, i);
  }
  advance(120s);
  EXPECT_TRUE(happened(happening::paused, 0));
  EXPECT_FALSE(source->paused({0, 0}));
  EXPECT_EQ(committed(0), 300);
}

TEST_F(record_engine_test, TheWindowOfAPartitionIsBounded) {
  options.partition_window_max = 50;
  start();
  assign({0});
  hold_database = true;
  produce(0, 0);
  run();
  hold_database = false;
  for (int i = 1; i < 500; ++i) produce(0, i);
  advance(5s);
  EXPECT_LE(engine_->status_now().partitions.front().window, 50U + 64U);
  EXPECT_TRUE(source->paused({0, 0}));
  EXPECT_EQ(engine_->status_now().partitions.front().paused, pause_reason::window);
  advance(100s);
  EXPECT_EQ(committed(0), 500);
}

TEST_F(record_engine_test, TheWindowOfAPartitionIsBoundedWhileNothingCanBeCommitted) {
  options.partition_window_max = 50;
  bool coordinator_away = true;
  source_options.commit_fate_of = [&](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    if (coordinator_away) fate.failure = error(errc::broker_unavailable);
    return fate;
  };
  start();
  assign({0});
  for (int i = 0; i < 500; ++i) produce(0, i);
  advance(60s);
  EXPECT_TRUE(source->paused({0, 0}));
  EXPECT_EQ(engine_->in_flight_records(), 0U) << "everything that was taken is finished";
  EXPECT_GE(engine_->counts().done, 50U);
  EXPECT_LE(engine_->counts().done, 50U + 256U) << "a crash would repeat all of it";
  EXPECT_EQ(engine_->status_now().partitions.front().window, engine_->counts().done);
  coordinator_away = false;
  advance(60s);
  EXPECT_EQ(committed(0), 500);
  EXPECT_EQ(engine_->counts().done, 500U);
  EXPECT_EQ(engine_->status_now().partitions.front().window, 0U);
}

TEST_F(record_engine_test, AFullWindowDoesNotWaitForTheTimeOfTheCommit) {
  options.partition_window_max = 64;
  options.take_records_max = 16;
  options.commit_interval = 1h;
  start();
  assign({0});
  for (int i = 0; i < 1'000; ++i) produce(0, i);
  advance(5s);
  EXPECT_EQ(engine_->counts().done, 1'000U);
  EXPECT_GE(committed(0).value_or(0), 1'000 - 64);
}

TEST_F(record_engine_test, AnUnknownSchemaHoldsUpOnlyItsPartition) {
  schema_errors = {error(errc::registry_unavailable), error(errc::registry_unavailable)};
  start();
  assign({0});
  produce(0, 1);
  run();
  EXPECT_TRUE(inserted().empty());
  EXPECT_EQ(engine_->status_now().schemas_missing, 1U);
  EXPECT_EQ(engine_->status_now().partitions.front().oldest->stage, "schema");
  advance(2s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1}));

  schema_errors = std::vector<error>(1000, error(errc::registry_unavailable));
  assign({1});
  produce_bytes(1, framed_parcel(8, 99, "ok"));
  produce(1, 100);
  produce(0, 2);
  advance(600s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1, 2})) << "100 keeps its place behind 99";
  EXPECT_TRUE(sink.written().empty()) << "an unreachable registry is never a reason for a dead letter";
  schema_errors.clear();
  schemas.add(8, "parcel");
  advance(10s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1, 2, 99, 100}));
}

TEST_F(record_engine_test, RecordsThatWaitForASchemaAreBounded) {
  options.schema_wait_records_max = 10;
  schema_errors = std::vector<error>(1000, error(errc::registry_unavailable));
  start();
  assign({0});
  for (int i = 0; i < 500; ++i) produce(0, i);
  advance(5s);
  EXPECT_TRUE(source->paused({0, 0}));
  EXPECT_EQ(engine_->status_now().partitions.front().paused, pause_reason::schema);
  EXPECT_LE(engine_->in_flight_records(), 10U + 64U);
  schema_errors.clear();
  advance(10s);
  EXPECT_EQ(committed(0), 500);
}

// Redpanda Connect: every thread waits, up to five seconds, for each unknown schema.
TEST_F(record_engine_test, ASchemaMissIsOneRequestAndHoldsUpNoOtherPartition) {
  start();
  assign({0, 1, 2, 3});
  produce(0, 1);
  advance(1s);
  const std::size_t before = schemas.fetches();
  schema_errors = std::vector<error>(100'000, error(errc::registry_unavailable));
  for (int i = 0; i < 40; ++i) produce_bytes(1 + i % 2, framed_parcel(8, 100 + i, "ok"));
  for (int i = 0; i < 40; ++i) produce(3, i);
  run();
  EXPECT_EQ(schemas.fetches(), before + 1) << "one request for all records that need the id";
  EXPECT_EQ(engine_->counts().done, 41U) << "other partitions do not wait for it";
}

TEST_F(record_engine_test, IdenticalLookupsShareOneRequest) {
  schema_errors = {error(errc::registry_unavailable)};
  start();
  assign({0, 1, 2});
  for (int i = 0; i < 30; ++i) produce(i % 3, i);
  advance(5s);
  EXPECT_EQ(schemas.fetches(), 2U);
  EXPECT_EQ(engine_->counts().done, 30U);
}

TEST_F(record_engine_test, AnUnknownSchemaIdIsDeadLetteredAfterTheGrace) {
  options.schema_not_found_grace = 5s;
  start();
  assign({0});
  produce_bytes(0, framed_parcel(404, 1, "ok"));
  produce(0, 2);
  advance(4s);
  EXPECT_TRUE(sink.written().empty());
  advance(6s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(sink.written().front().header("millrace.dlq.code"), "schema_not_found");
  EXPECT_EQ(committed(0), 2);
}

TEST_F(record_engine_test, ASchemaRegisteredLateIsFoundWithinTheGrace) {
  start();
  assign({0});
  produce_bytes(0, framed_parcel(9, 1, "ok"));
  advance(3s);
  schemas.add(9, "parcel");
  advance(7s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1}));
}

TEST_F(record_engine_test, UnknownSchemaIdsDoNotEvictKnownSchemas) {
  options.schemas_max = 4;
  options.schema_not_found_grace = 1s;
  start();
  assign({0});
  for (std::int32_t id = 100; id < 120; ++id) produce_bytes(0, framed_parcel(id, id, "ok"));
  advance(600s);
  EXPECT_EQ(sink.written_to("dead").size(), 20U);
  schemas.add(200, "parcel");
  produce_bytes(0, framed_parcel(200, 1, "ok"));
  produce(0, 2);
  advance(5s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1, 2})) << "an id of the flood made room for them";
}

TEST_F(record_engine_test, MoreSchemasThanTheCacheHoldsLoseNoRecord) {
  options.schemas_max = 4;
  start();
  assign({0});
  for (std::int32_t id = 100; id < 120; ++id) schemas.add(id, "parcel");
  for (std::int32_t round = 0; round < 3; ++round) {
    for (std::int32_t id = 100; id < 120; ++id) produce_bytes(0, framed_parcel(id, id, "ok"));
    advance(5s);
  }
  EXPECT_EQ(engine_->counts().done, 60U);
  EXPECT_TRUE(sink.written().empty());
}

TEST_F(record_engine_test, MoreSchemaIdsThanTheCacheHoldsDuringAnOutageLoseNoRecord) {
  options.schemas_max = 4;
  schema_errors = std::vector<error>(100'000, error(errc::registry_unavailable));
  start();
  assign({0, 1});
  for (std::int32_t id = 100; id < 120; ++id) {
    schemas.add(id, "parcel");
    produce_bytes(id % 2, framed_parcel(id, id, "ok"));
  }
  advance(600s);
  EXPECT_TRUE(sink.written().empty()) << "an unreachable registry is never a reason for a dead letter";
  schema_errors.clear();
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 20U);
}

TEST_F(record_engine_test, AnIncompatibleSchemaIsDeadLetteredAtOnce) {
  schemas.add(5, "something else");
  start();
  assign({0});
  produce_bytes(0, framed_parcel(5, 1, "ok"));
  produce_bytes(0, framed_parcel(5, 2, "ok"));
  advance(2s);
  EXPECT_EQ(sink.written_to("dead").size(), 2U);
  EXPECT_EQ(schemas.fetches(), 1U);
  EXPECT_EQ(sink.written().front().header("millrace.dlq.stage"), "schema");
}

TEST_F(record_engine_test, ASchemaThatTheRegistryRefusesHoldsUpItsPartitionOnly) {
  start();
  assign({0, 1});
  produce(1, 5);
  advance(1s);
  schema_errors = std::vector<error>(20, error(errc::registry_unauthorized, "403"));
  schemas.add(9, "parcel");
  produce_bytes(0, framed_parcel(9, 1, "ok"));
  produce(1, 6);
  advance(20s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(committed(1), 2);
  EXPECT_EQ(committed(0), std::nullopt);
  EXPECT_TRUE(sink.written().empty());
  EXPECT_GT(registry.take_snapshot().value("millrace_errors_total",
                                           {{"stage", "schema"}, {"error", "registry_unauthorized"}}),
            0);
  advance(300s);  // the registry allows it again
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AnOperatorDeadLettersARecordWhoseSchemaIsRefused) {
  schema_errors = std::vector<error>(1'000, error(errc::registry_unauthorized, "403"));
  start();
  assign({0});
  produce_bytes(0, framed_parcel(9, 1, "ok"));
  advance(20s);
  EXPECT_EQ(engine_->act_on({"parcels", 0, 0}, operator_command::dead_letter).what,
            command_answer::kind::obeyed);
  advance(5s);
  EXPECT_EQ(committed(0), 1);
  schema_errors.clear();
}

// A plan's constants are part of the values that it decoded: under AddressSanitizer this reads them.
TEST_F(record_engine_test, ASchemaInUseIsNotRemovedForAnotherOne) {
  options.schemas_max = 1;
  database_delay = 5s;
  start();
  assign({0, 1});
  produce(0, 1);
  run();
  schemas.add(9, "parcel");
  produce_bytes(1, framed_parcel(9, 2, "ok"));
  advance(2s);
  EXPECT_EQ(engine_->status_now().schemas_missing, 0U);
  EXPECT_EQ(schemas.fetches(), 1U) << "the one in use keeps its place";
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 2U);
}

TEST_F(record_engine_test, ARecordOverTheSizeLimitIsDeadLetteredUnread) {
  options.record_bytes_max = 100;
  start();
  assign({0});
  produce_bytes(0, byte_buffer(101));
  advance(2s);
  EXPECT_EQ(sink.written().front().header("millrace.dlq.code"), "limit_exceeded");
}

TEST_F(record_engine_test, ConsumeDelayCountsFromTheHeaderOrTheTimestamp) {
  start();
  assign({0});
  simulation::simulated_record r;
  r.value = framed_parcel(schema_id, 1, "ok");
  const std::string micros = std::to_string((time.wall().time_since_epoch() - 30s).count());
  r.headers.emplace_back(created_header, byte_buffer(as_bytes(micros).begin(), as_bytes(micros).end()));
  log.append({0, 0}, r);
  source->wake();
  run();
  const auto delay = registry.take_snapshot().histogram("millrace_consume_delay_seconds");
  EXPECT_EQ(delay.count(), 1U);
  EXPECT_NEAR(delay.sum, 30.0, 0.001);
}

TEST_F(record_engine_test, ABackwardClockJumpFiresNoTimeoutAndGivesNoNegativeDelay) {
  start();
  assign({0});
  database_delay = 1s;
  produce(0, 1);
  run();
  time.jump_wall(-3600s);
  advance(3s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_GE(registry.take_snapshot().histogram("millrace_record_e2e_seconds").sum, 0.0);
}

TEST(Build, RefusesTwoProcessorsOfOneName) {
  const auto built = build({make<storing>(std::string("a")), make<storing>(std::string("a"))});
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().code(), errc::config_invalid);
}

TEST(Build, RefusesAnApplicationWithoutProcessors) { EXPECT_FALSE(build({})); }

class nameless final : public processor<parcel> {
  runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
};

TEST(Build, AProcessorIsNamedAfterItsClass) {
  const auto built = build({make<nameless>()});
  ASSERT_TRUE(built);
  EXPECT_EQ(built->all.front()->name(), "nameless");
}

}  // namespace
}  // namespace millrace::engine
