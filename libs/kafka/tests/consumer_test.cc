#include <fixtures/cluster_fixture.h>

#include <millrace/stream/finished_map.h>

namespace millrace::kafka {
namespace {

using consumer_test = cluster_test;

TEST_F(consumer_test, reads_every_record_of_all_partitions_once_and_in_order) {
  topic("visits", 20);
  fill("visits", 2'000);
  member reader(reading({"visits"}));
  ASSERT_TRUE(reader.until_records(2'000));
  std::set<std::string> values;
  std::set<std::int32_t> partitions;
  for (const auto& record : reader.records) {
    EXPECT_TRUE(values.insert(*record.value).second) << "read twice: " << *record.value;
    EXPECT_EQ(*record.key, "k" + record.value->substr(1));
    EXPECT_GT(record.created.time_since_epoch().count(), 0);
    partitions.insert(record.from.partition);
  }
  EXPECT_EQ(values.size(), 2'000U);
  EXPECT_EQ(partitions.size(), 20U);
  EXPECT_EQ(reader.source().counters().records, 2'000U);
  EXPECT_EQ(reader.source().topic_name(0), "visits");
  EXPECT_TRUE(reader.close());
}

TEST_F(consumer_test, keeps_headers_null_keys_tombstones_and_empty_values_apart) {
  topic("odd", 1);
  writer out(writing());
  const stream::header_view headers[] = {
      {"a", as_bytes("1")}, {"a", as_bytes("2")}, {"none", std::nullopt}, {"empty", as_bytes("")}};
  ASSERT_TRUE(out.write({"odd", as_bytes("k"), as_bytes("v"), headers}).ok());
  ASSERT_TRUE(out.write({"odd", std::nullopt, as_bytes("null key"), {}}).ok());
  ASSERT_TRUE(out.write({"odd", as_bytes("tombstone"), std::nullopt, {}}).ok());
  ASSERT_TRUE(out.write({"odd", as_bytes(""), as_bytes(""), {}}).ok());
  ASSERT_TRUE(out.settle());

  member reader(reading({"odd"}));
  ASSERT_TRUE(reader.until_records(4));
  const auto& with_headers = reader.records[0].headers;
  ASSERT_EQ(with_headers.size(), 4U);
  EXPECT_EQ(with_headers[0], std::make_pair(std::string("a"), std::optional<std::string>("1")));
  EXPECT_EQ(with_headers[1].second, "2");
  EXPECT_EQ(with_headers[2].second, std::nullopt);
  EXPECT_EQ(with_headers[3].second, "");
  EXPECT_EQ(reader.records[1].key, std::nullopt);
  EXPECT_TRUE(reader.records[1].headers.empty());
  EXPECT_EQ(reader.records[2].value, std::nullopt);
  EXPECT_EQ(reader.records[3].key, "");
  EXPECT_EQ(reader.records[3].value, "");
}

TEST_F(consumer_test, knows_the_watermarks_of_what_it_reads) {
  topic("t", 1);
  fill("t", 7);
  member reader(reading({"t"}));
  EXPECT_EQ(reader.source().high_watermark({0, 0}), std::nullopt);
  ASSERT_TRUE(reader.until_records(7));
  EXPECT_EQ(reader.source().high_watermark({0, 0}), 7);
  EXPECT_EQ(reader.source().low_watermark({0, 0}), 0);
}

TEST_F(consumer_test, the_read_position_follows_what_was_handed_over) {
  topic("t", 1);
  fill("t", 10);
  member reader(reading({"t"}));
  EXPECT_EQ(reader.source().read_position({0, 0}), std::nullopt);
  ASSERT_TRUE(reader.until([&] { return reader.source().high_watermark({0, 0}).has_value(); }, 0));
  EXPECT_EQ(reader.source().read_position({0, 0}), 0) << "records are fetched, and none was handed over";
  while (reader.records.size() < 10) {
    ASSERT_TRUE(
        reader.until([&, before = reader.records.size()] { return reader.records.size() > before; }, 3));
    EXPECT_EQ(reader.source().read_position({0, 0}), static_cast<std::int64_t>(reader.records.size()));
  }
  EXPECT_EQ(reader.source().high_watermark({0, 0}), 10);
  EXPECT_EQ(reader.source().read_position({0, 1}), std::nullopt) << "not owned";
}

TEST_F(consumer_test, a_restart_continues_at_the_commit) {
  topic("t", 4);
  fill("t", 400);
  std::set<std::pair<std::int32_t, std::int64_t>> expected;
  {
    member first(reading({"t"}));
    ASSERT_TRUE(first.until_records(400));
    std::map<std::int32_t, std::int64_t> half;
    for (const auto& record : first.records) half[record.from.partition] = record.offset / 2;
    for (const auto& record : first.records) {
      if (record.offset >= half[record.from.partition])
        expected.emplace(record.from.partition, record.offset);
    }
    for (const auto& [partition, offset] : half) first.commit({0, partition}, offset);
    ASSERT_TRUE(first.until([&] { return first.commits.size() >= half.size(); }));
    for (const auto& commit : first.commits) EXPECT_FALSE(commit.failure) << commit.failure->to_string();
    ASSERT_TRUE(first.leave());
  }
  consumer_config config = reading({"t"});
  config.start_from = start_position::fail;
  member second(config);
  ASSERT_TRUE(second.until_records(expected.size()));
  std::set<std::pair<std::int32_t, std::int64_t>> seen;
  for (const auto& record : second.records) seen.emplace(record.from.partition, record.offset);
  EXPECT_EQ(seen, expected);
}

TEST_F(consumer_test, the_metadata_of_a_commit_reaches_the_next_owner) {
  topic("t", 2);
  fill("t", 20);
  std::string id;
  const std::string longest(stream::commit_metadata_bytes_max, 'x');
  {
    member first(reading({"t"}));
    ASSERT_TRUE(first.until_records(20));
    ASSERT_EQ(first.positions.size(), 2U);
    for (const auto& start : first.positions) {
      EXPECT_EQ(start.offset, 0);
      EXPECT_EQ(start.metadata, "");
    }
    for (const stream::position_origin origin : first.origins) {
      EXPECT_EQ(origin, stream::position_origin::beginning) << "the group has committed nothing";
    }
    id = first.source().topic_id(0);
    EXPECT_FALSE(id.empty());
    first.commit({0, 0}, 3, longest);
    first.commit({0, 1}, 4);
    ASSERT_TRUE(first.until([&] { return first.commits.size() == 2; }));
    for (const auto& commit : first.commits) EXPECT_FALSE(commit.failure) << commit.failure->to_string();
    ASSERT_TRUE(first.leave());
  }
  member second(reading({"t"}));
  ASSERT_TRUE(second.until([&] { return second.positions.size() == 2; }));
  for (const auto& start : second.positions) {
    EXPECT_EQ(start.offset, start.partition.partition == 0 ? 3 : 4);
    EXPECT_EQ(start.metadata, start.partition.partition == 0 ? longest : "");
  }
  EXPECT_EQ(second.source().topic_id(0), id);
}

TEST_F(consumer_test, without_room_the_group_is_served_and_nothing_is_lost) {
  topic("t", 3);
  fill("t", 900);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until([&] { return reader.assigned.size() == 3; }, 0));
  reader.commit({0, 0}, 0);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }, 0))
      << "commits are answered without room";
  ASSERT_TRUE(reader.until([&] { return reader.source().high_watermark({0, 2}).has_value(); }, 0))
      << "records are fetched ahead";
  EXPECT_TRUE(reader.records.empty());
  ASSERT_TRUE(reader.until([&] { return reader.records.size() >= 900; }, 7)) << "a few at a time";
  std::set<std::string> values;
  for (const auto& record : reader.records) values.insert(*record.value);
  EXPECT_EQ(values.size(), 900U);
  EXPECT_EQ(reader.records.size(), 900U);
}

TEST_F(consumer_test, a_paused_partition_waits_and_others_are_read) {
  topic("t", 2);
  fill("t", 200);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until([&] { return reader.assigned.size() == 2; }, 0));
  reader.source().pause({0, 0});  // before its committed offset is known
  const auto from = [&](std::int32_t partition) {
    return std::count_if(reader.records.begin(), reader.records.end(),
                         [&](const auto& record) { return record.from.partition == partition; });
  };
  ASSERT_TRUE(reader.until([&] {
    const auto end = reader.source().high_watermark({0, 1});
    return end && from(1) == *end;
  }));
  EXPECT_EQ(from(0), 0);
  reader.source().resume({0, 0});
  ASSERT_TRUE(reader.until_records(200));
  EXPECT_EQ(reader.records.size(), 200U);
}

TEST_F(consumer_test, closing_while_assigned_releases_the_partitions_and_ends) {
  topic("t", 5);
  fill("t", 50);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(50));
  ASSERT_TRUE(reader.close());
  EXPECT_EQ(reader.revocations, 1);
  EXPECT_TRUE(reader.assigned.empty());
  EXPECT_EQ(reader.commits.size(), 5U);
  EXPECT_EQ(reader.source().poll(reader, 10), 0U);
}

TEST_F(consumer_test, closing_before_anything_was_assigned_ends) {
  topic("t", 1);
  member reader(reading({"t"}));
  EXPECT_TRUE(reader.close());
}

TEST_F(consumer_test, closing_with_every_broker_down_ends) {
  topic("t", 1);
  fill("t", 1);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(1));
  cluster().set_down(1);
  EXPECT_TRUE(reader.leave());
}

TEST_F(consumer_test, destruction_with_an_unanswered_commit_does_not_hang) {
  topic("t", 1);
  fill("t", 1);
  consumer_config config = reading({"t"});
  config.client.properties["session.timeout.ms"] = "60000";
  member reader(config);
  ASSERT_TRUE(reader.until_records(1));
  cluster().set_down(1);
  ASSERT_TRUE(reader.until([&] { return !reader.errors.empty(); }));
  reader.commit({0, 0}, 1);
  reader.destroy();
}

TEST_F(consumer_test, destruction_without_closing_does_not_hang) {
  topic("t", 1);
  fill("t", 100);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until([&] { return !reader.records.empty(); }, 1));
  reader.destroy();
}

TEST_F(consumer_test, several_topics_are_distinguished) {
  topic("a", 1);
  topic("b", 2);
  fill("a", 10);
  fill("b", 10, 100);
  member reader(reading({"b", "a"}));
  ASSERT_TRUE(reader.until_records(20));
  for (const auto& record : reader.records) {
    EXPECT_EQ(record.from.topic == 1, record.value->size() == 2)
        << *record.value << " of topic " << record.from.topic;
  }
}

TEST_F(consumer_test, reports_log_messages_and_statistics_on_request) {
  topic("t", 1);
  consumer_config config = reading({"t"});
  config.client.properties["debug"] = "cgrp";
  config.client.properties["statistics.interval.ms"] = "100";
  int lines = 0;
  std::string statistics;
  config.client.on_log = [&](const log_line& line) { lines += line.text.empty() ? 0 : 1; };
  config.client.on_statistics = [&](std::string_view json) { statistics = json; };
  member reader(config);
  ASSERT_TRUE(reader.until([&] { return lines > 0 && !statistics.empty(); }));
  EXPECT_EQ(statistics.front(), '{');
}

}  // namespace
}  // namespace millrace::kafka
