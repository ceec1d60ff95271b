#include "services.h"

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/config/load.h>
#include <millrace/service/blocking.h>
#include <millrace/service/http_client.h>

#include "security_checks.h"

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

constexpr const char* smallest =
    "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t-dlq\n";

config::loaded<app_config> load(const std::string& services) {
  config::inputs from;
  from.file = "config.yaml";
  from.text = smallest + services;
  return config::load(app_spec(), from);
}

std::string problems(const std::string& services) {
  return config::to_text(load(services).diagnostics, false);
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(ServiceSettings, AServerNeedsANameAndAUrl) {
  const auto loaded = load("http:\n  - name: credit\n    url: https://credit:8443/v1\n");
  ASSERT_TRUE(loaded.ok()) << config::to_text(loaded.diagnostics, false);
  const auto services = http_services_of(loaded.value);
  ASSERT_EQ(services.size(), 1U);
  EXPECT_EQ(services[0].pool.server.text(), "https://credit:8443/v1");
  EXPECT_EQ(services[0].limits.timeout, 5s);
  EXPECT_EQ(services[0].pool.body_bytes_max, std::size_t{1} << 20U);
  EXPECT_TRUE(services[0].headers.empty());
  EXPECT_TRUE(has(problems("http:\n  - name: credit\n"), "url"));
  EXPECT_TRUE(has(problems("http:\n  - url: http://a:1\n"), "name"));
}

TEST(ServiceSettings, EveryLimitReachesItsService) {
  const auto loaded = load(
      "http:\n  - name: credit\n    url: http://credit:80\n    timeout: 2s\n    queue_timeout: 3s\n"
      "    requests_per_second: 12.5\n    connections_max: 7\n    connect_timeout: 1s\n    idle_timeout: 4s\n"
      "    response_bytes_max: 2KiB\n    unauthorized_after: 7s\n"
      "blocking:\n  - name: archive\n    threads: 9\n    timeout: 8s\n    queue_timeout: 6s\n"
      "    requests_per_second: 2\n");
  ASSERT_TRUE(loaded.ok()) << config::to_text(loaded.diagnostics, false);
  const service::http_service http = http_services_of(loaded.value).at(0);
  EXPECT_EQ(http.limits.timeout, 2s);
  EXPECT_EQ(http.limits.queue_timeout, 3s);
  EXPECT_EQ(http.limits.requests_per_second, 12.5);
  EXPECT_EQ(http.pool.connections_max, 7U);
  EXPECT_EQ(http.pool.connect_timeout, 1s);
  EXPECT_EQ(http.pool.idle_timeout, 4s);
  EXPECT_EQ(http.pool.body_bytes_max, 2'048U);
  EXPECT_EQ(http.limits.unauthorized_after, 7s);
  const blocking_settings& blocking = loaded.value.blocking.at(0);
  EXPECT_EQ(blocking.threads, 9U);
  EXPECT_EQ(blocking.limits.timeout, 8s);
  EXPECT_EQ(blocking.limits.queue_timeout, 6s);
  EXPECT_EQ(blocking.limits.requests_per_second, 2);
}

TEST(ServiceSettings, CredentialsAreHeaders) {
  const auto loaded = load(
      "http:\n  - name: credit\n    url: https://credit:443\n    bearer_token: t\n    headers: {X-Region: "
      "eu}\n"
      "    secret_headers:\n      - name: X-Api-Key\n        value: k\n");
  ASSERT_TRUE(loaded.ok()) << config::to_text(loaded.diagnostics, false);
  EXPECT_EQ(headers_of(loaded.value.http.at(0)),
            (http::identity::headers{{"X-Region", "eu"}, {"X-Api-Key", "k"}, {"Authorization", "Bearer t"}}));
  const auto basic =
      load("http:\n  - name: credit\n    url: https://credit:443\n    user: a\n    password: b\n");
  ASSERT_TRUE(basic.ok()) << config::to_text(basic.diagnostics, false);
  EXPECT_EQ(headers_of(basic.value.http.at(0)).back().second, "Basic YTpi");
}

TEST(ServiceSettings, ATimeoutMayBeShorterThanThatOfConnections) {
  EXPECT_TRUE(load("http:\n  - name: credit\n    url: https://credit:443\n    timeout: 2s\n").ok());
}

TEST(ServiceSettings, ContradictionsAreRefusedWithTheirPlace) {
  const std::string entry = "http:\n  - name: credit\n    url: https://credit:443\n";
  EXPECT_TRUE(
      has(problems(entry + "    certificate_file: a.pem\n"), "both `certificate_file` and `key_file`"));
  EXPECT_TRUE(has(problems(entry + "    user: a\n"), "both `user` and `password`"));
  EXPECT_TRUE(
      has(problems(entry + "    user: a\n    password: b\n    bearer_token: c\n"), "exclude each other"));
  EXPECT_TRUE(
      has(problems(entry + "    headers: {Content-Length: 5}\n"), "cannot have the header 'Content-Length'"));
  EXPECT_TRUE(has(problems(entry + "  - name: credit\n    url: http://other:80\n"), "is configured twice"));
  EXPECT_TRUE(has(problems("http:\n  - name: Credit\n    url: http://a:80\n"), "lower-case"));
  EXPECT_TRUE(has(problems("http:\n  - name: credit\n    url: credit:80\n"), "a URL such as"));
}

TEST(ServiceSettings, ACallThatMayOutlastItsAttemptIsReported) {
  const std::string entry = "blocking:\n  - name: archive\n    timeout: 270s\n";
  EXPECT_TRUE(has(problems(entry), "together not below `engine.attempt_timeout` (5m)")) << problems(entry);
  EXPECT_TRUE(load(entry).ok()) << "a warning";
  EXPECT_FALSE(has(problems(entry + "    queue_timeout: 29s\n"), "attempt_timeout"));
}

TEST(ServiceSettings, ASecretIsNotShown) {
  const std::string shown = problems("http:\n  - name: credit\n    url: http://user:hunter2@credit:80\n");
  EXPECT_FALSE(has(shown, "hunter2")) << shown;
}

TEST(ServiceSettings, CredentialsOverHttpAreInsecure) {
  const auto loaded = load("http:\n  - name: credit\n    url: http://credit:80\n    bearer_token: t\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(has(config::to_text(loaded.diagnostics, false), "unencrypted"));
  const auto found = insecure_settings(loaded.value);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].setting, "http[].url");
}

class services_check_test : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> refused(const std::string& services) const {
    const auto loaded = load(services);
    EXPECT_TRUE(loaded.ok()) << config::to_text(loaded.diagnostics, false);
    std::vector<std::string> all;
    check_services(declared_, loaded.value, [&all](const error& why) { all.push_back(why.message()); });
    return all;
  }

  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  service::http_client credit_{"credit"};
  service::http_client same_{"credit"};
  service::blocking archive_{"archive"};
};

TEST_F(services_check_test, AServerThatIsNotConfiguredIsNamedOnce) {
  EXPECT_EQ(refused(""),
            (std::vector<std::string>{"the application calls the service 'credit' and `http` has no "
                                      "entry of that name; add one with its `url`"}));
  EXPECT_TRUE(refused("http:\n  - name: credit\n    url: http://credit:80\n").empty());
}

TEST_F(services_check_test, AnEntryThatTheApplicationDoesNotDeclareIsRefused) {
  const std::string credit = "http:\n  - name: credit\n    url: http://credit:80\n";
  EXPECT_EQ(refused(credit + "  - name: archive\n    url: http://archive:80\n"),
            (std::vector<std::string>{
                "`http` has 'archive', which the application does not declare; its services of "
                "this kind are: credit"}));
  EXPECT_EQ(refused(credit + "blocking:\n  - name: archiv\n"),
            (std::vector<std::string>{
                "`blocking` has 'archiv', which the application does not declare; its services "
                "of this kind are: archive"}));
}

TEST_F(services_check_test, TlsFilesThatCannotBeUsedAreRefused) {
  const std::string file = testing::TempDir() + "services_test_no_certificate.pem";
  std::ofstream(file) << "no certificate\n";
  const auto why =
      refused("http:\n  - name: credit\n    url: https://credit:443\n    ca_file: " + file + "\n");
  ASSERT_EQ(why.size(), 1U);
  EXPECT_TRUE(has(why[0], "`http` entry 'credit': cannot use the CA file '" + file)) << why[0];
}

TEST_F(services_check_test, TheServicesOfAWorkerAreBound) {
  manual_clock time;
  runtime::loop loop(time);
  const auto loaded = load("http:\n  - name: credit\n    url: http://credit:80\n");
  service::process_services shared(http_services_of(loaded.value), loaded.value.blocking);
  service::worker_services services(shared, loop, nullptr, 2);
  const auto bound = services.bind(declared_);
  EXPECT_TRUE(bound) << bound.error().to_string();
  service::process_services none({}, {});
  service::worker_services without(none, loop, nullptr, 2);
  EXPECT_EQ(without.bind(declared_).error().code(), errc::config_invalid);
  EXPECT_TRUE(end_functions(shared, 0ns));
}

TEST_F(services_check_test, RenewedCredentialsAreUsed) {
  const auto first = load("http:\n  - name: credit\n    url: https://credit:443\n    bearer_token: a\n");
  service::process_services shared(http_services_of(first.value), {});
  EXPECT_FALSE(shared.renew("credit", headers_of(first.value.http.at(0))));
  const auto second = load("http:\n  - name: credit\n    url: https://credit:443\n    bearer_token: b\n");
  EXPECT_TRUE(shared.renew("credit", headers_of(second.value.http.at(0))));
  EXPECT_FALSE(shared.renew("other", {}));
}

}  // namespace
}  // namespace millrace::app
