// The requests to a healthy registry, and the results of its answers.
#include <millrace/metrics/exposition.h>
#include <millrace/metrics/registry.h>
#include <millrace/registry/subject.h>

#include "fixture.h"

namespace millrace::registry::test {
namespace {

TEST_F(registry_test, RegistersAndFetchesById) {
  connect();
  const auto id = registry->register_schema("navigation-value", text);
  ASSERT_TRUE(id) << id.error().to_string();
  EXPECT_EQ(*registry->register_schema("navigation-value", text), *id);
  const auto schema = fetch(*registry, *id);
  ASSERT_TRUE(schema) << schema.error().to_string();
  EXPECT_EQ((*schema)->text, text);
  EXPECT_TRUE((*schema)->references.empty());
}

TEST_F(registry_test, FetchesByGuid) {
  connect();
  const auto id = registry->register_schema("s", text);
  ASSERT_TRUE(id);
  const auto guid = uuid::parse(server->guid(*id));
  ASSERT_TRUE(guid);
  const auto found = fetch(*registry, *guid);
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_EQ((*found)->text, text);
  EXPECT_TRUE(fetch(*registry, *guid));
  EXPECT_EQ(server->requests("GET /schemas/guids/" + guid->to_string()), 1U) << "then it is cached";
  const auto unknown = fetch(*registry, *uuid::parse("89791762-2336-4186-9674-299b90a802e2"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), errc::schema_not_found);
}

TEST_F(registry_test, IdenticalLookupsShareOneRequestAndStayCached) {
  connect();
  server->put(7, text);
  answers got;
  for (int i = 0; i < 50; ++i) registry->fetch(7, got.next());
  for (const auto& answer : got.wait_for(50)) EXPECT_TRUE(answer);
  EXPECT_TRUE(fetch(*registry, 7));
  EXPECT_EQ(registry->stats().requests, 1U);
}

TEST_F(registry_test, TheCacheIsBoundedAndEvictsTheLeastRecentlyUsed) {
  options.cached_ids_max = 3;
  connect();
  for (const std::int32_t id : {1, 2, 3, 4}) server->put(id, text);
  for (const std::int32_t id : {1, 2, 3}) ASSERT_TRUE(fetch(*registry, id));
  ASSERT_TRUE(fetch(*registry, 1));  // 2 is now the longest unused
  ASSERT_TRUE(fetch(*registry, 4));
  EXPECT_EQ(registry->stats().entries, 3U);
  ASSERT_TRUE(fetch(*registry, 1));
  EXPECT_EQ(server->requests("GET /schemas/ids/1"), 1U);
  ASSERT_TRUE(fetch(*registry, 2));
  EXPECT_EQ(server->requests("GET /schemas/ids/2"), 2U);
}

TEST_F(registry_test, TheCacheIsBoundedInBytesToo) {
  options.cached_bytes_max = {50'000};
  connect();
  const std::string doc(10'000, 'd');
  for (std::int32_t id = 1; id <= 10; ++id) {
    server->put(id, R"({"type":"string","doc":")" + doc + std::to_string(id) + "\"}");
    ASSERT_TRUE(fetch(*registry, id));
  }
  EXPECT_LE(registry->stats().bytes, 50'000U);
  EXPECT_GT(registry->stats().entries, 2U);
}

TEST_F(registry_test, OtherSchemaTypesAreRefusedClearly) {
  connect();
  server->put(7, "{}", "JSON");
  server->put(8, "syntax = \"proto3\";", "PROTOBUF");
  for (const auto& [id, type] : {std::pair(7, "JSON"), std::pair(8, "PROTOBUF")}) {
    const auto refused = fetch(*registry, id);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::unsupported);
    EXPECT_NE(refused.error().message().find(type), std::string::npos);
  }
}

TEST_F(registry_test, RulesThatEncryptAreRefusedByName) {
  connect();
  const auto with_rules = [&](std::int32_t id, const std::string& rules) {
    ASSERT_TRUE(server->put_object(id, R"({"schema":"\"string\"","ruleSet":)" + rules + "}"));
  };
  with_rules(1, R"({"encodingRules":[{"name":"whole","kind":"TRANSFORM","type":"ENCRYPT_PAYLOAD"}]})");
  with_rules(2,
             R"({"domainRules":[{"name":"card","kind":"TRANSFORM","type":"ENCRYPT","mode":"WRITEREAD"}]})");
  with_rules(3, R"({"domainRules":[{"name":"card","type":"ENCRYPT","disabled":true}]})");
  with_rules(4, R"({"domainRules":[{"name":"length","kind":"CONDITION","type":"CEL"}]})");
  EXPECT_NE(fetch(*registry, 1).error().message().find("'whole' encrypts"), std::string::npos);
  EXPECT_EQ(failure_of(*registry, 1), errc::unsupported);
  EXPECT_NE(fetch(*registry, 2).error().message().find("'card' encrypts"), std::string::npos);
  EXPECT_EQ(failure_of(*registry, 3), std::nullopt);
  EXPECT_EQ(failure_of(*registry, 4), std::nullopt);
}

TEST_F(registry_test, VersionsAreFoundBySubject) {
  connect();
  ASSERT_TRUE(server->add("s", R"("string")"));
  ASSERT_TRUE(server->add("s", R"("int")"));
  const auto first = registry->find("s", 1);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(first->schema.text, R"("string")");
  const auto newest = registry->find("s", client::latest);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->version, 2);
  EXPECT_EQ(newest->id, 2);
  EXPECT_EQ(registry->find("s", 3).error().code(), errc::schema_not_found);
  EXPECT_EQ(registry->find("a b/c", 1).error().code(), errc::schema_not_found);
  EXPECT_EQ(server->requests("GET /subjects/a%20b%2Fc/versions/1"), 1U);
}

TEST_F(registry_test, NormalisedSchemasShareAnId) {
  options.normalizes = true;
  connect();
  const auto one = registry->register_schema("s", R"({"type":"string","doc":"d"})");
  const auto other = registry->register_schema("s", R"({"doc":"d","type":"string"})");
  ASSERT_TRUE(one && other);
  EXPECT_EQ(*one, *other);
}

TEST_F(registry_test, NothingIsRegisteredWhenRegistrationIsDisabled) {
  options.registers = false;
  connect();
  const auto absent = registry->register_schema("s", text);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), errc::schema_not_found);
  EXPECT_NE(absent.error().message().find("is disabled"), std::string::npos);
  const auto added = server->add("s", text);
  const auto found = registry->register_schema("s", text);
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_EQ(*found, added->id);
  EXPECT_EQ(server->requests("POST /subjects/s/versions"), 0U);
}

TEST_F(registry_test, AnIncompatibleSchemaIsReported) {
  connect();
  EXPECT_TRUE(registry->compare("s", text)->compatible) << "a subject that is not there accepts anything";
  ASSERT_TRUE(registry->register_schema("s", R"("string")"));
  EXPECT_TRUE(registry->compare("s", text)->compatible);
  server->set_incompatible("s", "READER_FIELD_MISSING_DEFAULT_VALUE: a");
  const auto verdict = registry->compare("s", text);
  ASSERT_TRUE(verdict);
  EXPECT_FALSE(verdict->compatible);
  EXPECT_EQ(verdict->why, "READER_FIELD_MISSING_DEFAULT_VALUE: a");
  const auto refused = registry->register_schema("s", text);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::schema_incompatible);
  EXPECT_NE(refused.error().message().find("subject 's'"), std::string::npos);
}

TEST_F(registry_test, AnInvalidSchemaIsReported) {
  connect();
  EXPECT_EQ(registry->register_schema("s", "{").error().code(), errc::schema_invalid);
}

TEST_F(registry_test, IdsBelongToTheirContext) {
  start_server();
  server->put(1, R"("string")");
  options.context = ".staging";
  connect();
  EXPECT_EQ(failure_of(*registry, 1), errc::schema_not_found);
  const auto id = registry->register_schema("s", text);
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, 1);
  EXPECT_EQ(server->requests("POST /contexts/.staging/subjects/s/versions"), 1U);
}

TEST_F(registry_test, ExtraHeadersAreSent) {
  options.headers = {{"target-sr-cluster", "lsrc-1"}};
  connect();
  ASSERT_TRUE(registry->check());
  EXPECT_EQ(server->last_header("target-sr-cluster"), "lsrc-1");
}

TEST_F(registry_test, UrlsAreCheckedAndNeverRepeatedWithTheirPasswords) {
  for (const char* url : {"registry:8081", "http://", "http://user:s3cret@host", "http://host:port",
                          "http://host:81/?a=b", "http://ho st", "http://[::1", "ftp://user:s3cret@host"}) {
    const auto refused = check_url(url);
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code(), errc::config_invalid);
    EXPECT_EQ(refused.error().message().find("s3cret"), std::string::npos) << refused.error().message();
    options.urls = {url};
    EXPECT_FALSE(client::create(options));
  }
  EXPECT_TRUE(check_url("https://[::1]:8443/registry/"));
  EXPECT_TRUE(check_url("http://registry"));
}

TEST_F(registry_test, EverythingIsCounted) {
  metrics::catalogue declared;
  metrics::registry counts(declared);
  options.counts = &counts;
  connect();
  server->put(7, text);
  EXPECT_TRUE(fetch(*registry, 7));
  EXPECT_TRUE(fetch(*registry, 7));
  EXPECT_FALSE(fetch(*registry, 8));
  answer_next(503, 50301);
  EXPECT_FALSE(fetch(*registry, 9));
  const std::string page = metrics::to_text(counts.take_snapshot());
  const auto says = [&](std::string_view line) { return page.find(line) != std::string::npos; };
  EXPECT_TRUE(says("millrace_schema_registry_requests_total{outcome=\"answered\"} 1")) << page;
  EXPECT_TRUE(says("millrace_schema_registry_requests_total{outcome=\"not_found\"} 1"));
  EXPECT_TRUE(says("millrace_schema_registry_requests_total{outcome=\"server_error\"} 1"));
  EXPECT_TRUE(says("millrace_schema_lookups_total{source=\"memory\"} 1"));
  EXPECT_TRUE(says("millrace_schema_lookups_total{source=\"registry\"} 1"));
  EXPECT_TRUE(says("millrace_schema_registry_request_seconds_count 3"));
  EXPECT_TRUE(says("millrace_schema_cache_entries 1"));
  EXPECT_TRUE(says("millrace_schema_registry_urls_in_backoff 1"));
  registry.reset();
}

TEST(Subjects, AreNamedByTheThreeStrategies) {
  const auto of = [](subject_naming naming, record_part part) {
    return *subject_of(naming, "visits", part, "tracking.Navigation");
  };
  EXPECT_EQ(of(subject_naming::topic, record_part::value), "visits-value");
  EXPECT_EQ(of(subject_naming::topic, record_part::key), "visits-key");
  EXPECT_EQ(of(subject_naming::record, record_part::value), "tracking.Navigation");
  EXPECT_EQ(of(subject_naming::topic_record, record_part::key), "visits-tracking.Navigation");
  EXPECT_EQ(subject_of(subject_naming::record, "visits", record_part::value, "").error().code(),
            errc::config_invalid);
  EXPECT_EQ(*subject_of(subject_naming::topic, "visits", record_part::value, ""), "visits-value");
}

class told final : public stream::schema_receiver {
 public:
  void on_schema(std::int32_t, stream::schema_answer answer) override { ok = answer.ok(); }
  std::optional<bool> ok;
};

TEST_F(registry_test, AnswersArriveOnTheWorkersLoop) {
  connect();
  server->put(7, text);
  runtime::loop worker(system_clock());
  auto schemas = make_schemas(*registry, worker);
  told receiver;
  schemas->fetch(7, receiver);
  EXPECT_FALSE(receiver.ok) << "never inline";
  while (!receiver.ok) worker.run_turn(milliseconds(1));
  EXPECT_TRUE(*receiver.ok);
}

TEST_F(registry_test, AWorkersCallNeverWaitsForTheNetwork) {
  connect();
  server->put(7, text);
  fail_next(registry_fault_kind::hang, UINT64_MAX);
  runtime::loop worker(system_clock());
  auto schemas = make_schemas(*registry, worker);
  told receiver;
  for (std::int32_t id = 0; id < 1'000; ++id) schemas->fetch(id, receiver);
  worker.run_pending();
  EXPECT_FALSE(receiver.ok) << "all calls returned while no request was answered";
  schemas.reset();
  registry.reset();
}

}  // namespace
}  // namespace millrace::registry::test
