// `millrace dlq` from end to end, on a cluster and a registry in this process.
#include "commands/dlq/dlq_commands.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/avro/framing.h>
#include <millrace/emulators/mock_kafka.h>
#include <millrace/emulators/registry_double.h>
#include <millrace/kafka/producer.h>

#include "commands/dlq/topic_walk.h"

namespace millrace::app::dlq_commands {
namespace {

using headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char* dead_letter_topic = "visits-dlq";
constexpr std::string_view schema =
    R"({"type":"record","name":"Visit","fields":[{"name":"page","type":"string"}]})";

struct answer final : stream::receipt {
  void on_acknowledged(result<void> given) override { outcome = std::move(given); }
  std::optional<result<void>> outcome;
};

struct found_record {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  headers all;
};

struct keeping final : dead_letter_listener {
  void on_dead_letter(const stream::record_view& record) override {
    found_record one;
    one.partition = record.from.partition;
    one.offset = record.offset;
    if (record.key) one.key = std::string(as_text(*record.key));
    if (record.value) one.value = std::string(as_text(*record.value));
    for (const auto& header : record.headers) {
      one.all.emplace_back(std::string(header.name),
                           std::string(as_text(header.value.value_or(bytes_view()))));
    }
    records.push_back(std::move(one));
  }
  std::vector<found_record> records;
};

class dlq_test : public testing::Test {
 protected:
  void SetUp() override {
    auto brokers = emulators::mock_kafka::start();
    ASSERT_TRUE(brokers) << brokers.error().to_string();
    kafka_ = std::move(*brokers);
    kafka_->set_initial_rebalance_delay(milliseconds(0));
    for (const char* topic : {"visits", dead_letter_topic}) ASSERT_TRUE(kafka_->create_topic(topic, 1));
    auto registry = emulators::registry_double::start();
    ASSERT_TRUE(registry) << registry.error().to_string();
    registry_ = std::move(*registry);
    registry_->put(7, schema);
    settings.kafka.client.bootstrap_servers = kafka_->bootstrap_servers();
    settings.kafka.group = "navigation";
    settings.kafka.topics = {"visits"};
    settings.kafka.client.properties["fetch.wait.max.ms"] = "5";
    // The mock cluster lets the next member of a group that everybody left wait for almost a session timeout.
    settings.kafka.client.properties["session.timeout.ms"] = "4000";
    settings.kafka.client.properties["heartbeat.interval.ms"] = "500";
    settings.registry.emplace();
    settings.registry->urls = {registry_->url()};
    settings.engine.dead_letter_topic = dead_letter_topic;
    redrive.rate = 1'000;
  }

  static std::string visit(std::string_view page) {
    byte_buffer bytes;
    avro::append_frame(7, bytes);
    bytes.push_back(static_cast<std::byte>(page.size() * 2));
    bytes.insert(bytes.end(), as_bytes(page).begin(), as_bytes(page).end());
    return std::string(as_text(bytes));
  }
  // nullopt: a tombstone.
  void write(const std::string& topic, const std::string& key, const std::optional<std::string>& value,
             const headers& all) {
    runtime::loop loop(system_clock());
    kafka::producer_config config;
    config.client = client_of(settings);
    auto producer = kafka::producer::create(std::move(config), loop);
    ASSERT_TRUE(producer);
    std::vector<stream::header_view> views;
    for (const auto& [name, text] : all) views.push_back({name, as_bytes(text)});
    const auto bytes = value ? std::optional(as_bytes(*value)) : std::nullopt;
    answer told;
    ASSERT_TRUE((*producer)->produce({topic, as_bytes(key), bytes, views}, told));
    while (!told.outcome) loop.run_turn(milliseconds(5));
    ASSERT_TRUE(told.outcome->ok());
  }
  struct origin {
    std::string group = "navigation";
    std::string topic = "visits";
    std::string partition = "0";
  };
  void dead_letter_from(const origin& from, const std::string& key, const std::string& processor = "enrich") {
    dead_letter(key, "broken seal", processor, {}, from);
  }
  void dead_letter(const std::string& key, const std::string& reason, const std::string& processor,
                   headers before = {{"trace", "abc"}}) {
    dead_letter(key, reason, processor, std::move(before), origin());
  }
  void dead_letter(const std::string& key, const std::string& reason, const std::string& processor,
                   headers before, const origin& from) {
    before.insert(before.end(), {{"millrace.dlq.reason", reason},
                                 {"millrace.dlq.code", "rejected"},
                                 {"millrace.dlq.topic", from.topic},
                                 {"millrace.dlq.partition", from.partition},
                                 {"millrace.dlq.offset", "41"},
                                 {"millrace.dlq.processor", processor},
                                 {"millrace.dlq.group", from.group}});
    write(dead_letter_topic, key, visit("/" + key), before);
  }
  std::vector<found_record> in_topic(const std::string& topic) {
    runtime::loop loop(system_clock());
    keeping all;
    auto walk = topic_walk::open(settings, topic, viewer_group(settings), loop, all);
    EXPECT_TRUE(walk);
    if (!walk) return {};
    while (!(*walk)->at_end() && !(*walk)->failure()) (*walk)->turn(100);
    (*walk)->close();
    return all.records;
  }
  std::vector<std::string> keys_in(const std::string& topic) {
    std::vector<std::string> keys;
    for (const auto& one : in_topic(topic)) keys.push_back(one.key.value_or("null"));
    return keys;
  }
  int run(const std::function<int(const terminal&)>& command) {
    out.str({});
    err.str({});
    return command({out, err});
  }
  int run_redrive() {
    return run([&](const terminal& to) { return redrive_dead_letters(settings, redrive, to, stop); });
  }

  std::unique_ptr<emulators::mock_kafka> kafka_;
  std::unique_ptr<emulators::registry_double> registry_;
  app::app_config settings;
  redrive_arguments redrive;
  std::atomic<bool> stop{false};
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(dlq_test, LsCountsAndLists) {
  dead_letter("a", "broken seal", "enrich");
  dead_letter("b", "broken seal", "enrich");
  dead_letter("c", "no such page", "last_seen");
  ls_arguments arguments;
  arguments.limit = 1;
  EXPECT_EQ(run([&](const terminal& to) { return list_dead_letters(settings, arguments, to); }), exit_ok)
      << err.str();
  const std::string text = out.str();
  EXPECT_NE(text.find("3 dead letters in visits-dlq"), std::string::npos) << text;
  EXPECT_NE(text.find("2  broken seal   enrich"), std::string::npos) << text;
  EXPECT_NE(text.find("from visits/0 offset 41"), std::string::npos) << text;
  arguments = {{"", "last_seen", ""}, 0};
  EXPECT_EQ(run([&](const terminal& to) { return list_dead_letters(settings, arguments, to); }), exit_ok);
  EXPECT_NE(out.str().find("1 dead letters in visits-dlq"), std::string::npos) << out.str();
}

TEST_F(dlq_test, ShowPrintsThePayloadOnlyOnRequest) {
  dead_letter("a", "broken seal", "enrich");
  dead_letter("b", "broken seal", "enrich");
  show_arguments arguments;
  arguments.offset = 1;
  const auto show = [&](const terminal& to) { return show_dead_letter(settings, arguments, to); };
  EXPECT_EQ(run(show), exit_ok) << err.str();
  EXPECT_NE(out.str().find("key: b\n"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("header millrace.dlq.reason: broken seal\n"), std::string::npos) << out.str();
  EXPECT_EQ(out.str().find("/b"), std::string::npos) << out.str();
  arguments.payload = true;
  EXPECT_EQ(run(show), exit_ok);
  EXPECT_NE(out.str().find("value: {\"page\":\"/b\"}"), std::string::npos) << out.str();
  settings.registry.reset();
  EXPECT_EQ(run(show), exit_ok);
  EXPECT_NE(out.str().find("0000000007042f62"), std::string::npos) << out.str();
  arguments.offset = 2;
  EXPECT_EQ(run(show), exit_failure);
  EXPECT_NE(err.str().find("no dead-letter record at offset 2"), std::string::npos) << err.str();
}

TEST_F(dlq_test, RedriveSendsTheUntouchedRecordBackOnce) {
  dead_letter("a", "broken seal", "enrich");
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  const auto back = in_topic("visits");
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].key, "a");
  EXPECT_EQ(back[0].value, visit("/a"));
  EXPECT_EQ(back[0].all, (headers{{"trace", "abc"},
                                  {"millrace.redrive.count", "1"},
                                  {"millrace.redrive.group", "navigation"},
                                  {"millrace.redrive.processor", "enrich"}}));
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_NE(out.str().find("redrove 0 dead letters"), std::string::npos) << out.str();
  dead_letter("b", "broken seal", "enrich");
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"a", "b"}));
}

TEST_F(dlq_test, ATombstoneIsRedrivenAsATombstone) {
  write(dead_letter_topic, "a", std::nullopt,
        {{"millrace.dlq.code", "rejected"},
         {"millrace.dlq.topic", "visits"},
         {"millrace.dlq.processor", "enrich"},
         {"millrace.dlq.group", "navigation"}});
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  const auto back = in_topic("visits");
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].key, "a");
  EXPECT_EQ(back[0].value, std::nullopt);
}

TEST_F(dlq_test, ADryRunChangesNothing) {
  dead_letter("a", "broken seal", "enrich");
  redrive.dry_run = true;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_NE(out.str().find("would redrive 1 dead letters"), std::string::npos) << out.str();
  EXPECT_TRUE(in_topic("visits").empty());
  redrive.dry_run = false;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"a"}));
}

TEST_F(dlq_test, RecordsOutsideTheFilterStayForALaterRedrive) {
  dead_letter("a", "no such page", "enrich");
  dead_letter("b", "broken seal", "enrich");
  dead_letter("c", "no such page", "enrich");
  redrive.filter.reason = "broken seal";
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_NE(out.str().find("excluded by the filter: 2"), std::string::npos) << out.str();
  redrive.filter = {};
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"b", "a", "c"}));
}

TEST_F(dlq_test, AnInterruptedRedriveContinuesWhereItStopped) {
  for (const char* key : {"a", "b", "c"}) dead_letter(key, "broken seal", "enrich");
  redrive.limit = 2;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  stop = true;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_NE(out.str().find("redrove 0 dead letters"), std::string::npos) << out.str();
  stop = false;
  redrive.limit.reset();
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(dlq_test, ARecordRedrivenTooOftenIsRefusedAndStays) {
  dead_letter("a", "broken seal", "enrich", {{"millrace.redrive.count", "3"}});
  dead_letter("b", "broken seal", "enrich", {{"millrace.redrive.count", "2"}});
  EXPECT_EQ(run_redrive(), exit_failure);
  EXPECT_NE(err.str().find("refused 0/0: it was redriven 3 times"), std::string::npos) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"b"}));
  redrive.redrives_max = 4;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"b", "a"}));
}

TEST_F(dlq_test, ADeadLetterWithoutValueOrTopicIsRefused) {
  settings.kafka.topics = {"visits", "other"};
  write(dead_letter_topic, "a", "x", {{"trace", "abc"}});
  dead_letter("b", "broken seal", "enrich", {{"millrace.dlq.value_dropped", "too large"}});
  EXPECT_EQ(run_redrive(), exit_failure);
  EXPECT_NE(err.str().find("does not name its original topic"), std::string::npos) << err.str();
  EXPECT_NE(err.str().find("too large"), std::string::npos) << err.str();
  EXPECT_TRUE(in_topic("visits").empty());
}

TEST_F(dlq_test, DeadLettersOfAnotherGroupAreRefusedUntilFromGroupNamesIt) {
  dead_letter_from({.group = "nav-old"}, "a");
  dead_letter_from({.group = "navigation"}, "b");
  dead_letter_from({.group = "customs"}, "c");
  dead_letter_from({.group = "nav-old"}, "d");
  EXPECT_EQ(run_redrive(), exit_failure);
  EXPECT_NE(out.str().find("redrove 1 dead letters"), std::string::npos) << out.str();
  EXPECT_NE(err.str().find("refused 2 dead letters of the group 'nav-old'"), std::string::npos) << err.str();
  EXPECT_NE(err.str().find("refused 1 dead letters of the group 'customs'"), std::string::npos) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"b"}));

  redrive.from_groups = {"nav-old"};
  EXPECT_EQ(run_redrive(), exit_failure) << "the dead-letter record of customs is still refused";
  EXPECT_EQ(err.str().find("nav-old"), std::string::npos) << err.str();
  const auto back = in_topic("visits");
  ASSERT_EQ(back.size(), 3U);
  EXPECT_EQ(back[1].key, "a");
  EXPECT_EQ(back[2].key, "d");
  EXPECT_EQ(back[1].all, (headers{{"millrace.redrive.count", "1"},
                                  {"millrace.redrive.group", "navigation"},
                                  {"millrace.redrive.processor", "enrich"}}))
      << "for the group that is there to work on it";
}

TEST_F(dlq_test, DeadLettersOfAFormerGroupAreRedrivenForTheCurrentGroup) {
  settings.kafka.former_groups = {"nav-old"};
  dead_letter_from({.group = "nav-old"}, "a");
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  const auto back = in_topic("visits");
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].all[1], (std::pair<std::string, std::string>("millrace.redrive.group", "navigation")));
}

TEST_F(dlq_test, ForAllRedrivesForEveryGroupAndReader) {
  ASSERT_TRUE(kafka_->create_topic("repair", 1));
  dead_letter_from({.group = "customs"}, "a");
  redrive.for_all = true;
  redrive.to_topic = "repair";
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  const auto back = in_topic("repair");
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].all, (headers{{"millrace.redrive.count", "1"}}));
}

// Of 50 partitions, Java's DefaultPartitioner chooses these two.
TEST_F(dlq_test, InAnotherTopicAKeyHasThePartitionThatJavaClientsChoose) {
  ASSERT_TRUE(kafka_->create_topic("repair", 50));
  dead_letter("foobar", "broken seal", "enrich");
  dead_letter("21", "broken seal", "enrich");
  redrive.for_all = true;
  redrive.to_topic = "repair";
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  std::map<std::string, std::int32_t> partitions;
  for (const auto& one : in_topic("repair")) partitions[one.key.value_or("")] = one.partition;
  EXPECT_EQ(partitions, (std::map<std::string, std::int32_t>{{"foobar", 16}, {"21", 40}}));
}

TEST_F(dlq_test, ARenamedProcessorReceivesItsDeadLetters) {
  dead_letter("a", "broken seal", "enrich");
  dead_letter("b", "broken seal", "last_seen");
  redrive.as_processor = {{"enrich", "enricher"}};
  redrive.dry_run = true;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_NE(out.str().find("for processor enricher\n"), std::string::npos) << out.str();
  redrive.dry_run = false;
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  const auto back = in_topic("visits");
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].all.back().second, "enricher");
  EXPECT_EQ(back[1].all.back().second, "last_seen");
}

TEST_F(dlq_test, ATopicThatTheConfigurationDoesNotReadIsRefused) {
  ASSERT_TRUE(kafka_->create_topic("visits-old", 1));
  dead_letter_from({.topic = "visits-old"}, "a");
  EXPECT_EQ(run_redrive(), exit_failure);
  EXPECT_NE(err.str().find("refused 0/0: the configuration has no topic 'visits-old'"), std::string::npos)
      << err.str();
  redrive.to_topic = "visits-old";
  EXPECT_EQ(run_redrive(), exit_failure);
  EXPECT_NE(err.str().find("has no topic 'visits-old'"), std::string::npos) << err.str();
  EXPECT_TRUE(in_topic("visits-old").empty());
  redrive.to_topic = "visits";
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  EXPECT_EQ(keys_in("visits"), (std::vector<std::string>{"a"})) << "the dead-letter record had stayed";
}

TEST_F(dlq_test, ARecordReturnsToItsPartitionIfThatExists) {
  ASSERT_TRUE(kafka_->create_topic("wide", 3));
  settings.kafka.topics = {"visits", "wide"};
  for (const char* partition : {"2", "0", "1"}) {
    dead_letter_from({.topic = "wide", .partition = partition}, "same key");
  }
  EXPECT_EQ(run_redrive(), exit_ok) << err.str();
  std::vector<std::int32_t> partitions;
  for (const auto& one : in_topic("wide")) partitions.push_back(one.partition);
  std::sort(partitions.begin(), partitions.end());
  EXPECT_EQ(partitions, (std::vector<std::int32_t>{0, 1, 2}));
  for (const char* partition : {"3", "x", "-1", ""}) {
    dead_letter_from({.topic = "wide", .partition = partition}, "same key");
  }
  EXPECT_EQ(run_redrive(), exit_ok) << "those that the topic does not have: by the key\n" << err.str();
  EXPECT_EQ(in_topic("wide").size(), 7U);
}

TEST_F(dlq_test, AMissingTopicIsOneClearError) {
  settings.engine.dead_letter_topic = "nowhere";
  EXPECT_EQ(run_redrive(), exit_failure);
  EXPECT_NE(err.str().find("nowhere"), std::string::npos) << err.str();
}

}  // namespace
}  // namespace millrace::app::dlq_commands
