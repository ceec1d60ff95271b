// Credentials, headers and proxies.
#include <algorithm>
#include <atomic>
#include <thread>

#include "fixture.h"

namespace millrace::registry::test {
namespace {

// The wrong password: as secret as the right one.
constexpr const char* canary = "canary-4f1c";

TEST_F(registry_test, BasicCredentialsAreSentAndAppearInNoError) {
  start_server({.user = "reader", .password = "right"});
  options.user = "reader";
  options.password = secret("right");
  EXPECT_TRUE(connect().check());
  options.password = secret(canary);
  const auto refused = connect().check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::registry_unauthorized);
  EXPECT_EQ(refused.error().message().find(canary), std::string::npos);
}

TEST_F(registry_test, BearerTokensAreSent) {
  start_server({.bearer_token = "t0ken-of-the-app"});
  options.bearer_token = secret("t0ken-of-the-app");
  EXPECT_TRUE(connect().check());
  options.bearer_token = secret(canary);
  EXPECT_EQ(connect().check().error().code(), errc::registry_unauthorized);
}

TEST_F(registry_test, SecretsRepeatedByAServerAreMasked) {
  start_server();
  options.bearer_token = secret(canary);
  connect();
  server->inject({.status = 500, .code = 500, .message = std::string("no such token: ") + canary});
  const auto failed = registry->check();
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find("no such token: ***"), std::string::npos);
  for (const auto& event : events()) EXPECT_EQ((event.url + event.error).find(canary), std::string::npos);
}

TEST_F(registry_test, OptionsThatContradictEachOtherAreRefusedWithoutTheirSecrets) {
  start_server();
  options.urls = {server->url()};
  const auto refused = [&](auto change) {
    client_options wrong = options;
    change(wrong);
    const auto created = client::create(std::move(wrong));
    if (created) return std::string("accepted");
    EXPECT_EQ(created.error().code(), errc::config_invalid);
    EXPECT_EQ(created.error().message().find(canary), std::string::npos) << created.error().message();
    return std::string();
  };
  EXPECT_EQ(refused([](client_options& o) { o.urls.clear(); }), "");
  EXPECT_EQ(refused([](client_options& o) { o.user = "a", o.bearer_token = secret(canary); }), "");
  EXPECT_EQ(refused([](client_options& o) { o.password = secret(canary); }), "");
  EXPECT_EQ(
      refused([](client_options& o) { o.bearer_token = secret(std::string(canary) + "\r\nX-Admin: yes"); }),
      "");
  EXPECT_EQ(refused([](client_options& o) { o.headers = {{"X-A", "1\r\nX-Admin: yes"}}; }), "");
  EXPECT_EQ(refused([](client_options& o) { o.oauth.emplace().token_url = "http://127.0.0.1:1/token"; }), "");
  EXPECT_EQ(refused([](client_options& o) { o.certificate_file = "/dev/null"; }), "");
  EXPECT_EQ(refused([](client_options& o) { o.proxy.emplace().url = "https://127.0.0.1:1"; }), "");
  EXPECT_EQ(
      refused([](client_options& o) { o.proxy.emplace().url = std::string("http://u:") + canary + "@h:1"; }),
      "");
  EXPECT_EQ(refused([](client_options& o) { o.connections_max = 0; }), "");
}

// Credentials that are rotated while a client runs; `current` is what the configuration holds.
class rotation_test : public registry_test {
 protected:
  rotation_test() {
    options.current_credentials = [this]() -> result<login> {
      ++readings_;
      if (unreadable_) return error(errc::config_invalid, "the configuration cannot be read");
      return current;
    };
  }
  void connect_as_current() {
    options.user = current.user;
    options.password = current.password;
    options.bearer_token = current.bearer_token;
    connect();
    ASSERT_TRUE(registry->check());
  }
  [[nodiscard]] int readings() const { return readings_; }
  void make_unreadable() { unreadable_ = true; }
  [[nodiscard]] std::size_t renewals() {
    const auto all = events();
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [](const auto& each) { return each.name == "credentials_renewed"; }));
  }

  login current;

 private:
  std::atomic<int> readings_{0};
  std::atomic<bool> unreadable_{false};
};

TEST_F(rotation_test, ANewPasswordIsUsedFromTheNextRequestOn) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  server->set_password("second");
  ASSERT_TRUE(registry->use({.user = "reader", .password = secret("second")}));
  EXPECT_TRUE(registry->check());
  EXPECT_EQ(server->requests(), 2U) << "no request was refused";
  EXPECT_EQ(readings(), 0);
  EXPECT_EQ(renewals(), 1U);
}

TEST_F(rotation_test, TheSameCredentialsAreNoRenewal) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  ASSERT_TRUE(registry->use(current));
  EXPECT_EQ(renewals(), 0U);
}

TEST_F(rotation_test, APasswordThatIsRefusedIsReadAgainAndTheRequestRepeatedOnce) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  server->put(7, text);
  server->set_password("second");
  current.password = secret("second");
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(server->requests("GET /schemas/ids/7"), 2U);
  EXPECT_EQ(readings(), 1);
  EXPECT_EQ(renewals(), 1U);
}

TEST_F(rotation_test, ABearerTokenThatIsRefusedIsReadAgain) {
  start_server({.bearer_token = "the first token"});
  current = {.bearer_token = secret("the first token")};
  connect_as_current();
  server->set_bearer_token("the second token");
  current.bearer_token = secret("the second token");
  EXPECT_TRUE(registry->check());
}

TEST_F(rotation_test, CredentialsThatAreStillTheSameAreNotSentTwice) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  server->set_password("second");
  const auto refused = registry->check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::registry_unauthorized);
  EXPECT_EQ(server->requests(), 2U);
  EXPECT_EQ(readings(), 1);
}

TEST_F(rotation_test, OtherCredentialsThatAreWrongTooAreSentOnceOnly) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  server->set_password("third");
  current.password = secret(canary);
  const auto refused = registry->check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::registry_unauthorized);
  EXPECT_EQ(refused.error().message().find(canary), std::string::npos);
  EXPECT_EQ(server->requests(), 3U);
}

TEST_F(rotation_test, AConfigurationThatCannotBeReadChangesNothing) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  make_unreadable();
  server->set_password("second");
  EXPECT_EQ(registry->check().error().code(), errc::registry_unauthorized);
  server->set_password("first");
  EXPECT_TRUE(registry->check());
}

TEST_F(rotation_test, AllLookupsThatWereRefusedShareOneReading) {
  start_server({.user = "reader", .password = "first"});
  current = {.user = "reader", .password = secret("first")};
  connect_as_current();
  for (std::int32_t id = 100; id < 150; ++id) server->put(id, text);
  server->set_password("second");
  current.password = secret("second");
  answers got;
  for (std::int32_t id = 100; id < 150; ++id) registry->fetch(id, got.next());
  for (const auto& answer : got.wait_for(50)) EXPECT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(readings(), 1);
}

TEST_F(rotation_test, CredentialsThatHttpCannotCarryAreRefusedWithoutThem) {
  start_server({.bearer_token = "the first token"});
  current = {.bearer_token = secret("the first token")};
  connect_as_current();
  const auto refused = registry->use({.bearer_token = secret(std::string(canary) + "\r\nX-Admin: yes")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::config_invalid);
  EXPECT_EQ(refused.error().message().find(canary), std::string::npos);
  const login by_oauth{.oauth_client_id = "app", .oauth_client_secret = secret(canary)};
  EXPECT_EQ(registry->use(by_oauth).error().code(), errc::config_invalid);
  EXPECT_TRUE(registry->check());
  EXPECT_EQ(renewals(), 0U);
}

TEST_F(rotation_test, SecretsOfTheFormerAndThePresentLoginAreMasked) {
  start_server();
  current.bearer_token = secret("former-4f1c");
  connect_as_current();
  ASSERT_TRUE(registry->use({.bearer_token = secret(canary)}));
  server->inject({.status = 500, .code = 500, .message = std::string("not former-4f1c, not ") + canary});
  const auto failed = registry->check();
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find("not ***, not ***"), std::string::npos) << failed.error().message();
}

class oauth_test : public registry_test {
 protected:
  oauth_test() {
    start_server({.oauth_client = "app", .oauth_secret = "s3cret of the app", .token_life_s = 100});
    server->put(7, text);
    options.oauth = oauth_options{server->url() + "/oauth/token", "app", secret("s3cret of the app"),
                                  "registry:read", ""};
  }
};

TEST_F(oauth_test, OneTokenServesAllThreads) {
  connect();
  for (std::int32_t id = 100; id < 150; ++id) server->put(id, text);
  answers got;
  for (std::int32_t id = 100; id < 150; ++id) registry->fetch(id, got.next());
  for (const auto& answer : got.wait_for(50)) EXPECT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(server->tokens_given(), 1U);
  EXPECT_EQ(registry->stats().tokens, 1U);
}

TEST_F(oauth_test, ATokenIsRenewedBeforeItExpires) {
  connect();
  EXPECT_TRUE(registry->check());
  time.advance(seconds(79));
  EXPECT_TRUE(registry->check());
  EXPECT_EQ(server->tokens_given(), 1U);
  time.advance(seconds(2));  // a fifth of its life is left
  EXPECT_TRUE(registry->check());
  EXPECT_EQ(server->tokens_given(), 2U);
}

TEST_F(oauth_test, ATokenThatIsRefusedIsReplacedAtOnce) {
  connect();
  EXPECT_TRUE(registry->check());
  server->revoke_tokens();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(server->tokens_given(), 2U);
}

TEST_F(oauth_test, AClientSecretThatIsRefusedIsReadAgain) {
  options.current_credentials = []() -> result<login> {
    return login{.oauth_client_id = "app", .oauth_client_secret = secret("another s3cret")};
  };
  connect();
  EXPECT_TRUE(registry->check());
  server->set_oauth_secret("another s3cret");
  server->revoke_tokens();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(server->tokens_given(), 2U);
  EXPECT_EQ(server->requests("POST /oauth/token"), 3U) << "one of them was refused";
}

TEST_F(oauth_test, ATokenOfTheFormerSecretIsUsedUntilItExpires) {
  connect();
  EXPECT_TRUE(registry->check());
  server->set_oauth_secret("another s3cret");
  ASSERT_TRUE(registry->use({.oauth_client_id = "app", .oauth_client_secret = secret("another s3cret")}));
  EXPECT_TRUE(registry->check());
  EXPECT_EQ(server->tokens_given(), 1U);
  time.advance(seconds(81));
  EXPECT_TRUE(registry->check());
  EXPECT_EQ(server->tokens_given(), 2U);
}

TEST_F(oauth_test, ATokenIsUsedUntilItExpiresWhileItsEndpointIsDown) {
  connect();
  EXPECT_TRUE(registry->check());
  server->inject({.status = 503, .code = 503, .times = UINT64_MAX, .path_prefix = "/oauth"});
  time.advance(seconds(90));
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt) << "it is valid for ten seconds more";
  EXPECT_EQ(server->requests("POST /oauth/token"), 2U);
  time.advance(seconds(11));
  EXPECT_EQ(failure_of(*registry, 8), errc::registry_unavailable);
  server->clear_faults();
  rest();
  EXPECT_TRUE(registry->check());
}

TEST_F(oauth_test, AFailingTokenEndpointIsNotRequestedDuringItsBackoff) {
  connect();
  server->inject({.status = 503, .code = 503, .times = UINT64_MAX, .path_prefix = "/oauth"});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(failure_of(*registry, 7), errc::registry_unavailable);
  EXPECT_EQ(server->requests("POST /oauth/token"), 1U);
  EXPECT_EQ(server->requests("GET /schemas/ids/7"), 0U);
}

TEST_F(oauth_test, ARefusedClientIsReportedWithoutItsSecret) {
  options.oauth->client_secret = secret(canary);
  connect();
  const auto refused = registry->check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::registry_unauthorized);
  EXPECT_NE(refused.error().message().find("invalid_client"), std::string::npos);
  EXPECT_EQ(refused.error().message().find(canary), std::string::npos);
}

TEST_F(oauth_test, AnAnswerWithoutATokenIsAnError) {
  connect();
  fail_next(registry_fault_kind::garbage);
  EXPECT_EQ(registry->check().error().code(), errc::registry_unavailable);
}

TEST_F(registry_test, RequestsAreSentThroughAProxy) {
  start_server();  // as the proxy: it answers itself
  server->put(7, text);
  options.urls = {"http://registry.invalid:8081"};
  options.proxy.emplace().url = server->url();
  options.proxy->user = "app";
  options.proxy->password = secret("secret");
  connect();
  EXPECT_EQ(failure_of(*registry, 7), std::nullopt);
  EXPECT_EQ(server->last_header("host"), "registry.invalid:8081");
  EXPECT_EQ(server->last_header("proxy-authorization"), "Basic YXBwOnNlY3JldA==");
}

TEST_F(registry_test, AProxyThatIsDownIsNamed) {
  start_server();
  options.urls = {"http://registry.invalid:8081"};
  options.proxy.emplace().url = "http://127.0.0.1:1";
  const auto failed = connect().check();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::registry_unavailable);
  EXPECT_NE(failed.error().message().find("through the proxy http://127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace millrace::registry::test
