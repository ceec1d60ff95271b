#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/app/app_config.h>
#include <millrace/config/load.h>
#include <millrace/config/reference.h>

namespace millrace::app {
namespace {

constexpr const char* smallest =
    "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t-dlq\n";

config::loaded<app_config> load(const std::string& text) {
  config::inputs from;
  from.file = "config.yaml";
  from.text = text;
  return config::load(app_spec(), from);
}

std::string problems(const std::string& text) { return config::to_text(load(text).diagnostics, false); }

TEST(AppConfig, TheSmallestFileHasSafeDefaults) {
  const auto loaded = load(smallest);
  ASSERT_TRUE(loaded.ok()) << problems(smallest);
  EXPECT_EQ(loaded.value.kafka.on_offset_out_of_range, kafka::out_of_range::fail);
  EXPECT_EQ(loaded.value.admin.address, "127.0.0.1");
  const auto options = engine_options_of(loaded.value, 1);
  EXPECT_EQ(options.dead_letter_topic, "t-dlq");
  EXPECT_EQ(options.group, "g");
}

TEST(AppConfig, FormerGroupsReachTheEngine) {
  const auto loaded = load(
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  former_groups: [f, e]\n  other_groups: [o]\n  "
      "topics: [t]\n"
      "engine:\n  dead_letter_topic: t-dlq\n");
  ASSERT_TRUE(loaded.ok()) << config::to_text(loaded.diagnostics, false);
  EXPECT_EQ(engine_options_of(loaded.value, 1).former_groups, (std::vector<std::string>{"f", "e"}));
  EXPECT_EQ(engine_options_of(loaded.value, 1).other_groups, (std::vector<std::string>{"o"}));
}

TEST(AppConfig, RetryAndBreakerPoliciesHaveTheDefaultsOfTheEngine) {
  const auto loaded = load(smallest);
  ASSERT_TRUE(loaded.ok());
  const auto options = engine_options_of(loaded.value, 1);
  const engine::engine_options untouched;
  EXPECT_EQ(options.retry.attempts_max, untouched.retry.attempts_max);
  EXPECT_EQ(options.breaker.failures_min, untouched.breaker.failures_min);
  EXPECT_EQ(loaded.value.engine.retry_budget.ratio, 0.1);
  EXPECT_EQ(loaded.value.engine.retry_budget.reserve, 100U);
}

TEST(AppConfig, TheEmitLimitReachesTheEngine) {
  const auto untouched = load(smallest);
  ASSERT_TRUE(untouched.ok());
  EXPECT_EQ(engine_options_of(untouched.value, 1).emits_per_record_max,
            engine::engine_options().emits_per_record_max);
  const std::string text = std::string(smallest) + "  emits_per_record_max: 25000\n";
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << problems(text);
  EXPECT_EQ(engine_options_of(loaded.value, 1).emits_per_record_max, 25'000U);
  EXPECT_FALSE(load(std::string(smallest) + "  emits_per_record_max: 0\n").ok());
}

TEST(AppConfig, EveryLimitOfTheEngineCanBeSet) {
  const std::string text =
      std::string(smallest) +
      "  take_records_max: 7\n  partition_window_max: 8\n  record_bytes_max: 2MiB\n"
      "  commit_timeout: 2s\n  leave_timeout: 3s\n  tombstones: dead_letter\n  emit_timestamp: now\n"
      "  schema_wait_records_max: 9\n  schema_backoff_first: 20ms\n  "
      "schema_backoff_max: 1s\n"
      "  dead_letter_limit: {ratio: 1, dead_letters_min: 10, window: 5s}\n";
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << problems(text);
  const auto options = engine_options_of(loaded.value, 1);
  EXPECT_EQ(options.take_records_max, 7U);
  EXPECT_EQ(options.partition_window_max, 8U);
  EXPECT_EQ(options.record_bytes_max, mib(2).count());
  EXPECT_EQ(options.commit_timeout, seconds(2));
  EXPECT_EQ(options.leave_timeout, seconds(3));
  EXPECT_EQ(options.tombstones, engine::tombstone_policy::dead_letter);
  EXPECT_EQ(options.emit_timestamp, engine::emit_timestamp_policy::now);
  EXPECT_EQ(options.schema_wait_records_max, 9U);
  EXPECT_EQ(options.schema_backoff_first, milliseconds(20));
  EXPECT_EQ(options.schema_backoff_max, seconds(1));
  EXPECT_EQ(options.dead_letter_limit.ratio, 1);
  EXPECT_EQ(options.dead_letter_limit.dead_letters_min, 10U);
  EXPECT_EQ(options.dead_letter_limit.window, seconds(5));
}

TEST(AppConfig, TombstonesAreProcessedWhereAProcessorTakesThemUnlessTheSettingSaysOtherwise) {
  EXPECT_EQ(engine_options_of(load(smallest).value, 1).tombstones, engine::tombstone_policy::automatic);
  const std::pair<const char*, engine::tombstone_policy> choices[] = {
      {"auto", engine::tombstone_policy::automatic},
      {"process", engine::tombstone_policy::process},
      {"skip", engine::tombstone_policy::skip},
      {"dead_letter", engine::tombstone_policy::dead_letter}};
  for (const auto& [word, policy] : choices) {
    const auto loaded = load(std::string(smallest) + "  tombstones: " + word + "\n");
    ASSERT_TRUE(loaded.ok()) << word;
    EXPECT_EQ(engine_options_of(loaded.value, 1).tombstones, policy);
  }
  EXPECT_FALSE(load(std::string(smallest) + "  tombstones: ignore\n").ok());
}

TEST(AppConfig, LimitsThatAreNotSetHaveTheDefaultsOfTheEngine) {
  const auto options = engine_options_of(load(smallest).value, 1);
  const engine::engine_options untouched;
  EXPECT_EQ(options.record_bytes_max, untouched.record_bytes_max);
  EXPECT_EQ(options.dead_letter_limit.ratio, untouched.dead_letter_limit.ratio);
  EXPECT_EQ(options.retry.age_max, untouched.retry.age_max);
}

TEST(AppConfig, ZeroRetriesForEver) {
  const auto loaded = load(std::string(smallest) + "  retry: {attempts_max: 0, age_max: 0s}\n");
  ASSERT_TRUE(loaded.ok());
  const engine::retry_policy policy = engine_options_of(loaded.value, 1).retry;
  EXPECT_EQ(policy.attempts_max, std::numeric_limits<std::uint32_t>::max());
  EXPECT_GT(policy.age_max, std::chrono::hours(24 * 365));
  const instant now = system_clock().now();
  EXPECT_GT(now + policy.age_max, now) << "an instant that far away can be computed";
}

TEST(AppConfig, TheDefaultsOfAStopLeaveAMarginBelowThirtySeconds) {
  const auto options = engine_options_of(load(smallest).value, 1);
  EXPECT_LE(options.drain_timeout + options.commit_timeout + options.leave_timeout, seconds(25));
}

TEST(AppConfig, TheProducerCanBeSet) {
  const std::string kafka = "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\n";
  const std::string rest = "engine: {dead_letter_topic: d}\n";
  const std::string text = kafka +
                           "  on_missing_topic: wait\n  producer: {linger: 20ms, delivery_timeout: 1m, "
                           "queue_records_max: 5, queue_bytes_max: 2MiB}\n" +
                           rest;
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << problems(text);
  EXPECT_EQ(loaded.value.kafka.on_missing_topic, kafka::missing_topic::wait);
  const producer_settings& read = loaded.value.kafka.producer;
  EXPECT_EQ(read.linger, milliseconds(20));
  EXPECT_EQ(read.delivery_timeout, seconds(60));
  EXPECT_EQ(read.records_max, 5U);
  EXPECT_EQ(read.queue_bytes_max, mib(2));
  EXPECT_FALSE(load(kafka + "  producer: {linger: 2s, delivery_timeout: 1s}\n" + rest).ok());
}

TEST(AppConfig, ARevocationEndsBeforeTheGroupRemovesTheMember) {
  const auto found = [](const std::string& properties, const std::string& engine) {
    const auto loaded =
        load("kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\n  properties: {" + properties +
             "}\nengine:\n  dead_letter_topic: d\n" + engine);
    return (loaded.ok() ? "accepted " : "refused ") + config::to_text(loaded.diagnostics, false);
  };
  EXPECT_EQ(found("", ""), "accepted ");
  const std::string poll =
      found("max.poll.interval.ms: 20000, session.timeout.ms: 15000", "  revoke_drain_timeout: 10s\n");
  EXPECT_TRUE(poll.starts_with("refused ")) << poll;
  EXPECT_NE(poll.find("may take 20s"), std::string::npos) << poll;
  EXPECT_NE(poll.find("max.poll.interval.ms (20s)"), std::string::npos) << poll;
  const std::string session = found("", "  revoke_drain_timeout: 40s\n");
  EXPECT_TRUE(session.starts_with("accepted ")) << session;
  EXPECT_NE(session.find("session.timeout.ms (45s)"), std::string::npos) << session;
}

// One property of librdkafka, as a problem of line 6.
std::string property_problem(const std::string& property, const std::string& section = "properties") {
  return problems("kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\n  " + section + ":\n    " +
                  property + "\nengine: {dead_letter_topic: d}\n");
}

TEST(AppConfig, PropertiesOfLibrdkafkaAreCheckedWithoutABroker) {
  EXPECT_EQ(property_problem("fetch.min.bytes: 1"), "");
  EXPECT_EQ(property_problem("compression.type: zstd", "producer_properties"), "");
  const std::string unknown = property_problem("session.timout.ms: 1");
  EXPECT_NE(unknown.find("config.yaml:6:5: error"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("did you mean 'session.timeout.ms'"), std::string::npos) << unknown;
  EXPECT_NE(property_problem("fetch.min.bytes: many").find("invalid value"), std::string::npos);
  EXPECT_NE(property_problem("compression.type: best", "producer_properties").find("invalid value"),
            std::string::npos);
  EXPECT_NE(property_problem("group.id: mine").find("use `kafka.group`"), std::string::npos);
  EXPECT_NE(property_problem("linger.ms: 3").find("use `kafka.producer.linger`"), std::string::npos);
  EXPECT_EQ(property_problem("ssl.key.pem: canary-4f1c").find("canary-4f1c"), std::string::npos);
}

void add_names(const config::section_info& of, const std::string& path, std::set<std::string>& names) {
  for (const config::field_info& each : of.fields) {
    const std::string name = path.empty() ? each.key : path + "." + each.key;
    names.insert(name);
    if (each.type.settings) add_names(*each.type.settings, name, names);
  }
}

TEST(AppConfig, ErrorsOfTheKafkaClientNameSettingsThatExist) {
  std::set<std::string> names;
  add_names(*app_spec().info(), "", names);
  std::size_t named = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(MILLRACE_SOURCE_DIR) + "/libs/kafka/src")) {
    std::ifstream in(file.path());
    std::ostringstream text;
    text << in.rdbuf();
    const std::string source = text.str();
    EXPECT_EQ(source.find("use '"), std::string::npos) << file.path();
    const std::regex quoted("`(kafka\\.[a-z_.]+)");
    for (std::sregex_iterator at(source.begin(), source.end(), quoted), end; at != end; ++at, ++named)
      EXPECT_TRUE(names.contains((*at)[1])) << file.path() << ": " << (*at)[1];
  }
  EXPECT_GT(named, 10U);
}

TEST(AppConfig, RetryAndBreakerPoliciesReachTheEngine) {
  const std::string text =
      std::string(smallest) +
      "  retry: {attempts_max: 3, age_max: 1m, backoff_first: 20ms, backoff_max: 2s, "
      "jitter: 0.25}\n"
      "  retry_budget: {ratio: 0.3, reserve: 7, window: 5s}\n"
      "  breaker: {ratio: 0.8, failures_min: 9, window: 20s, open_first: 100ms, open_max: "
      "3s, probe_interval: 50ms, probes_min: 2}\n";
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << problems(text);
  const auto options = engine_options_of(loaded.value, 1);
  EXPECT_EQ(options.retry.attempts_max, 3U);
  EXPECT_EQ(options.retry.age_max, std::chrono::minutes(1));
  EXPECT_EQ(options.retry.backoff_first, milliseconds(20));
  EXPECT_EQ(options.retry.backoff_max, seconds(2));
  EXPECT_EQ(options.retry.jitter, 0.25);
  EXPECT_EQ(loaded.value.engine.retry_budget.ratio, 0.3);
  EXPECT_EQ(loaded.value.engine.retry_budget.reserve, 7U);
  EXPECT_EQ(loaded.value.engine.retry_budget.window, seconds(5));
  EXPECT_EQ(options.breaker.ratio, 0.8);
  EXPECT_EQ(options.breaker.failures_min, 9U);
  EXPECT_EQ(options.breaker.window, seconds(20));
  EXPECT_EQ(options.breaker.open_first, milliseconds(100));
  EXPECT_EQ(options.breaker.open_max, seconds(3));
  EXPECT_EQ(options.breaker.probe_interval, milliseconds(50));
  EXPECT_EQ(options.breaker.probes_min, 2U);
}

TEST(AppConfig, PoliciesOutOfRangeOrInConflictAreRefusedByName) {
  const auto refused = [](const std::string& policy, const std::string& named) {
    const std::string text = problems(std::string(smallest) + "  " + policy + "\n");
    return text.find(named) != std::string::npos ? std::string() : policy + " gives: " + text;
  };
  EXPECT_EQ(refused("retry: {jitter: 1.5}", "jitter"), "");
  EXPECT_EQ(refused("dead_letter_limit: {dead_letters_min: 0}", "dead_letters_min"), "");
  EXPECT_EQ(refused("retry_budget: {reserve: 0}", "reserve"), "");
  EXPECT_EQ(refused("breaker: {ratio: 0}", "ratio"), "");
  EXPECT_EQ(refused("breaker: {probes_min: 0}", "probes_min"), "");
  EXPECT_EQ(refused("retry: {backoff_first: 20s, backoff_max: 1s}", "engine.retry.backoff_max"), "");
  EXPECT_EQ(refused("breaker: {open_first: 20s, open_max: 1s}", "engine.breaker.open_max"), "");
}

TEST(AppConfig, AMistypedKeyIsReportedWithItsPlaceAndASuggestion) {
  const std::string text = problems(std::string(smallest) + "  drain_timout: 5s\n");
  EXPECT_NE(text.find("config.yaml:7:3"), std::string::npos) << text;
  EXPECT_NE(text.find("drain_timeout"), std::string::npos) << text;
}

TEST(AppConfig, ReadingTheDeadLetterTopicIsRefused) {
  const auto loaded = load(
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t\n");
  EXPECT_FALSE(loaded.ok());
}

TEST(AppConfig, TlsFilesWithoutTlsAreRefused) {
  const auto loaded = load(std::string(smallest) + "cql:\n  contact_points: [a]\n  ca_file: ca.pem\n");
  EXPECT_FALSE(loaded.ok());
}

TEST(AppConfig, ContradictoryDatabaseSettingsAreRefused) {
  const auto cql = [](const std::string& lines) {
    return load(std::string(smallest) + "cql:\n  contact_points: [a]\n" + lines).ok();
  };
  EXPECT_TRUE(cql(""));
  EXPECT_FALSE(cql("  rack: r1\n"));
  EXPECT_TRUE(cql("  rack: r1\n  datacenter: dc1\n"));
  EXPECT_FALSE(cql("  datacenter_failover: true\n"));
  EXPECT_FALSE(cql("  user: app\n"));
  EXPECT_FALSE(cql("  password: secret\n"));
  EXPECT_TRUE(cql("  user: app\n  password: secret\n"));
  EXPECT_FALSE(cql("  tls: true\n"));
  EXPECT_FALSE(cql("  tls: true\n  ca_file: ca.pem\n  certificate_file: me.pem\n"));
  EXPECT_TRUE(cql("  speculative_after: 50ms\n"));
  EXPECT_FALSE(cql("  speculative_after: 6s\n"));
  EXPECT_FALSE(cql("  keepalive: 1ms\n"));
  EXPECT_FALSE(cql("  in_flight_max: 0\n"));
  EXPECT_FALSE(cql("  prepared_max: 0\n"));
}

TEST(AppConfig, DeadLettersMayHaveTheHeadersOfKafkaStreams) {
  const auto loaded = load(std::string(smallest) + "  dead_letter_headers: both\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(engine_options_of(loaded.value, 1).dead_letter_headers, engine::dead_letter_header_names::both);
}

TEST(AppConfig, TheAdminTokenIsASecretAndOffByDefault) {
  EXPECT_TRUE(load(smallest).value.admin.token.empty());
  const auto loaded = load(std::string(smallest) + "admin:\n  token: hunter2\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded.value.admin.token.reveal(), "hunter2");
  EXPECT_EQ(config::show(app_spec(), loaded.value).find("hunter2"), std::string::npos);
}

TEST(AppConfig, BucketsAreAscendingDurations) {
  const std::string own = std::string(smallest) + "metrics:\n  buckets:\n    decode: ";
  const auto loaded = load(own + "[250ns, 1us, 2ms]\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded.value.metrics.buckets.decode,
            (std::vector<nanoseconds>{nanoseconds(250), nanoseconds(1'000), nanoseconds(2'000'000)}));
  EXPECT_FALSE(load(own + "[2ms, 1us]\n").ok());
  EXPECT_FALSE(load(own + "[0s]\n").ok());
}

TEST(AppConfig, BucketsWithoutTheObjectiveGiveAWarning) {
  const auto loaded = load(std::string(smallest) + "metrics:\n  buckets:\n    end_to_end: [1s, 10s]\n");
  EXPECT_TRUE(loaded.ok());
  ASSERT_EQ(loaded.diagnostics.size(), 1U);
}

TEST(AppConfig, AbsentSectionsStayAbsent) {
  const auto loaded = load(smallest);
  EXPECT_FALSE(loaded.value.cql);
  EXPECT_FALSE(loaded.value.registry);
}

TEST(AppConfig, AnAssignorIsAcceptedForTheClassicProtocolOnly) {
  const auto with = [](const std::string& lines) {
    return "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\n" + lines +
           "engine:\n  dead_letter_topic: t-dlq\n";
  };
  EXPECT_FALSE(load(smallest).value.kafka.assignment) << "cooperative-sticky, or the brokers' own";
  const auto eager = load(with("  assignor: roundrobin\n"));
  ASSERT_TRUE(eager.ok());
  EXPECT_EQ(eager.value.kafka.assignment, kafka::assignor::round_robin);
  EXPECT_TRUE(load(with("  protocol: classic\n  assignor: cooperative-sticky\n")).ok());
  EXPECT_TRUE(load(with("  protocol: consumer\n")).ok());
  const std::string both = with("  protocol: consumer\n  assignor: range\n");
  EXPECT_FALSE(load(both).ok());
  EXPECT_NE(problems(both).find("group.consumer.assignors"), std::string::npos) << problems(both);
  EXPECT_NE(problems(with("  assignor: sticky\n")).find("roundrobin"), std::string::npos);
}

const std::string with_registry =
    std::string(smallest) + "registry:\n  urls: [https://a:8081, 'https://b:8081/path']\n";

TEST(AppConfig, TheRegistryHasSafeDefaults) {
  const auto loaded = load(with_registry);
  ASSERT_TRUE(loaded.ok()) << problems(with_registry);
  EXPECT_TRUE(loaded.diagnostics.empty()) << problems(with_registry);
  EXPECT_TRUE(loaded.value.registry->registers);
  EXPECT_FALSE(loaded.value.registry->oauth);
  EXPECT_EQ(loaded.value.registry->subject_naming, registry::subject_naming::topic);
  EXPECT_EQ(engine_options_of(loaded.value, 1).schema_not_found_grace,
            engine::engine_options().schema_not_found_grace);
}

TEST(AppConfig, EverySettingOfTheRegistryIsRead) {
  const std::string text =
      with_registry +
      "  context: .staging\n  headers: {target-sr-cluster: lsrc-1}\n  ca_file: ca.pem\n"
      "  certificate_file: c.pem\n  key_file: k.pem\n  key_password: ${env:KEY}\n"
      "  oauth: {token_url: https://idp/token, client_id: app, client_secret: '${env:KEY}', scope: s, "
      "ca_file: i.pem}\n"
      "  proxy: {url: 'http://proxy:3128', user: u, password: '${env:KEY}'}\n"
      "  connect_timeout: 1s\n  timeout: 2s\n  backoff_first: 50ms\n  backoff_max: 3s\n  connections_max: 2\n"
      "  response_bytes_max: 1MiB\n  not_found_ttl: 1s\n  not_found_grace: 42s\n  cached_ids_max: 5\n"
      "  cached_bytes_max: 2MiB\n  cache_folder: /var/cache/schemas\n  disk_ids_max: 7\n"
      "  subject_naming: topic_record\n  register_outputs: false\n  normalize: true\n";
  config::inputs from;
  from.file = "config.yaml";
  from.text = text;
  from.environment = {{"KEY", "canary-4f1c"}};
  const auto loaded = config::load(app_spec(), from);
  ASSERT_TRUE(loaded.ok()) << config::to_text(loaded.diagnostics, false);
  const registry_settings& read = *loaded.value.registry;
  EXPECT_EQ(read.context, ".staging");
  EXPECT_EQ(read.oauth->client_secret.reveal(), "canary-4f1c");
  EXPECT_EQ(read.proxy->url, "http://proxy:3128");
  EXPECT_EQ(read.headers.at("target-sr-cluster"), "lsrc-1");
  EXPECT_EQ(read.cache_folder, "/var/cache/schemas");
  EXPECT_EQ(read.subject_naming, registry::subject_naming::topic_record);
  EXPECT_FALSE(read.registers);
  EXPECT_EQ(engine_options_of(loaded.value, 1).schema_not_found_grace, seconds(42));
  EXPECT_EQ(config::show(app_spec(), loaded.value).find("canary-4f1c"), std::string::npos);
}

TEST(AppConfig, ErrorsInTheRegistrySectionNameThePlaceAndNoSecret) {
  const auto refused = [&](const std::string& settings, const std::string& named) {
    const std::string text = problems(with_registry + settings);
    EXPECT_EQ(text.find("canary-4f1c"), std::string::npos) << text;
    return text.find("error") != std::string::npos && text.find(named) != std::string::npos &&
                   text.find("config.yaml:") != std::string::npos
               ? std::string()
               : settings + " gives: " + text;
  };
  EXPECT_EQ(refused("  user: a\n  password: p\n  bearer_token: t\n", "more than one of"), "");
  EXPECT_EQ(refused("  password: canary-4f1c\n", "without a user"), "");
  EXPECT_EQ(refused("  certificate_file: c.pem\n", "key_file"), "");
  EXPECT_EQ(refused("  key_password: canary-4f1c\n", "key_password"), "");
  EXPECT_EQ(refused("  backoff_first: 10s\n", "backoff_first"), "");
  EXPECT_EQ(refused("  oauth: {token_url: 'idp/token', client_id: a, client_secret: b}\n", "token_url"), "");
  EXPECT_EQ(refused("  oauth: {client_id: a, client_secret: b}\n", "token_url"), "");
  EXPECT_EQ(refused("  proxy: {url: 'https://proxy:1'}\n", "with http, not https"), "");
  EXPECT_EQ(refused("  subject_naming: alphabet\n", "subject_naming"), "");
  EXPECT_EQ(
      refused("  subject_naming_of: {visits: alphabet}\n", "expected one of topic, record, topic_record"),
      "");
  EXPECT_EQ(refused("  connections_max: 0\n", "connections_max"), "");
  EXPECT_EQ(refused("  cached_ids_max: 0\n", "cached_ids_max"), "");
}

TEST(AppConfig, ARegistryUrlIsCheckedAndCredentialsOverHttpGiveAWarning) {
  const std::string wrong = problems(std::string(smallest) + "registry:\n  urls: ['registry:8081']\n");
  EXPECT_NE(wrong.find("config.yaml:8:10"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("has no scheme"), std::string::npos) << wrong;
  const std::string plain = problems(
      std::string(smallest) + "registry:\n  urls: ['http://registry:8081']\n  user: a\n  password: p\n");
  EXPECT_NE(plain.find("sent unencrypted"), std::string::npos) << plain;
}

TEST(AppConfig, LookupsAreConfiguredByName) {
  const std::string text = std::string(smallest) +
                           "lookups:\n  - {name: profiles, ttl: 1m, bytes_max: 1MiB, on_miss: retry, "
                           "retry_delay: 2s, negative_ttl: 1s}\n";
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << problems(text);
  ASSERT_EQ(loaded.value.lookups.size(), 1U);
  EXPECT_EQ(loaded.value.lookups[0].ttl, std::chrono::minutes(1));
  EXPECT_EQ(loaded.value.lookups[0].on_miss, statements::miss_policy::retry);
  EXPECT_FALSE(loaded.value.lookups[0].entries_max.has_value());
}

TEST(AppConfig, PoliciesOfProcessorsAndFiltersReachTheEngine) {
  const std::string text =
      std::string(smallest) +
      "  filters:\n    - {header: x-test, absent: true}\n    - {sample: 0.5}\n"
      "  processors:\n"
      "    - name: enrich\n      retry: {attempts_max: 0, age_max: 1m}\n      dead_letter_topic: enrich-dlq\n"
      "      concurrency_max: 8\n      rate_max: 100.5\n"
      "      filters:\n        - {key_prefix: eu-}\n        - {schema_ids: [4, 5], exclude: true}\n"
      "    - {name: count, enabled: false, dead_letter_topic: count-dlq}\n"
      "  dependencies:\n    - {name: database, concurrency_max: 3, rate_max: 10}\n";
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << problems(text);
  engine::engine_options options = engine_options_of(loaded.value, 1);
  ASSERT_EQ(options.filters.size(), 2U);
  EXPECT_TRUE(options.filters[0].absent);
  EXPECT_EQ(options.filters[1].sample, 0.5);
  ASSERT_EQ(options.processors.size(), 2U);
  const engine::processor_policy& enrich = options.processors[0];
  EXPECT_EQ(enrich.retry.attempts_max, std::numeric_limits<std::uint32_t>::max()) << "0: no limit";
  EXPECT_EQ(enrich.retry.age_max, std::chrono::minutes(1));
  EXPECT_EQ(enrich.dead_letter_topic, "enrich-dlq");
  EXPECT_EQ(enrich.filters[0].key_prefix, "eu-");
  EXPECT_EQ(enrich.filters[1].schema_ids, (std::vector<std::int32_t>{4, 5}));
  EXPECT_TRUE(enrich.filters[1].exclude);
  EXPECT_FALSE(options.processors[1].enabled);
  EXPECT_FALSE(options.processors[1].retry.attempts_max.has_value());
  EXPECT_EQ(dead_letter_topics_of(loaded.value.engine), (std::vector<std::string>{"t-dlq", "enrich-dlq"}))
      << "a processor that is disabled writes nothing";
  divide_among(options, 4);
  EXPECT_EQ(options.processors[0].limits.concurrency_max, 2U);
  EXPECT_EQ(options.processors[0].limits.rate_max, 100.5 / 4);
  EXPECT_EQ(options.dependencies[0].limits.concurrency_max, 1U) << "at least one for each worker";
  EXPECT_EQ(options.processors[1].limits.concurrency_max, 0U) << "no limit stays none";
}

TEST(AppConfig, WrongPoliciesAndFiltersAreRefusedByName) {
  const auto refused = [](const std::string& settings, const std::string& named) {
    const std::string why = problems(std::string(smallest) + settings);
    return why.find(named) == std::string::npos ? "not refused by name: " + why : "";
  };
  EXPECT_EQ(refused("  processors: [{name: a}, {name: a}]\n", "configured twice"), "");
  EXPECT_EQ(refused("  processors: [{enabled: true}]\n", "name"), "");
  EXPECT_EQ(refused("  processors: [{name: a, attempts: 3}]\n", "attempts"), "");
  EXPECT_EQ(refused("  processors: [{name: a, rate_max: -1}]\n", "rate_max"), "");
  EXPECT_EQ(refused("  processors: [{name: a, dead_letter_topic: t}]\n", "dead-letter records would loop"),
            "");
  EXPECT_EQ(refused("  dependencies: [{name: broker}]\n", "the only dependency with limits"), "");
  EXPECT_EQ(refused("  filters: [{exclude: true}]\n", "a filter has a condition"), "");
  EXPECT_EQ(refused("  filters: [{header: a, key_prefix: b}]\n", "write a filter for each"), "");
  EXPECT_EQ(refused("  filters: [{header: a, equals: b, absent: true}]\n", "at most one of"), "");
  EXPECT_EQ(refused("  filters: [{sample: 1.5}]\n", "sample"), "");
  EXPECT_EQ(refused("  processors: [{name: a, filters: [{equals: b, key_prefix: c}]}]\n", "name of a header"),
            "");
}

TEST(AppConfig, ContradictoryLookupOptionsAreRefused) {
  const std::string base = std::string(smallest) + "lookups:\n";
  EXPECT_NE(problems(base + "  - {name: a}\n  - {name: a}\n").find("configured twice"), std::string::npos);
  EXPECT_NE(problems(base + "  - {name: a, on_miss: retry, retry_delay: 1s, negative_ttl: 2s}\n")
                .find("would read the cached miss"),
            std::string::npos);
  EXPECT_NE(problems(base + "  - {name: a, on_miss: sometimes}\n").find("dead_letter"), std::string::npos);
  EXPECT_NE(problems(base + "  - {ttl: 1s}\n").find("name"), std::string::npos);
}

}  // namespace
}  // namespace millrace::app
