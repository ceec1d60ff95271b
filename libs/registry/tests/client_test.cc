#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/registry/client.h>
#include <millrace/testkit/registry_double.h>

namespace millrace::registry {
namespace {

using testkit::registry_double;
using testkit::registry_fault;
using testkit::registry_fault_kind;

constexpr const char* text = R"({"type":"record","name":"R","fields":[]})";

// Waits for the answers of asynchronous lookups.
class answers {
 public:
  client::on_schema next() {
    return [this](result<client::schema_text> answer) {
      const std::lock_guard lock(mutex_);
      got_.push_back(std::move(answer));
      arrived_.notify_all();
    };
  }
  std::vector<result<client::schema_text>> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return got_.size() >= count; });
    return std::exchange(got_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<result<client::schema_text>> got_;
};

std::unique_ptr<client> client_of(std::vector<std::string> urls, milliseconds timeout = seconds(5)) {
  client_options options;
  options.urls = std::move(urls);
  options.timeout = timeout;
  return *client::create(std::move(options));
}

result<client::schema_text> fetch(client& from, std::int32_t id) {
  answers got;
  from.fetch(id, got.next());
  return got.wait_for(1).front();
}

TEST(RegistryClient, RegistersAndFetchesById) {
  auto server = *registry_double::start();
  auto registry = client_of({server->url()});
  const auto id = registry->register_schema("navigation-value", text);
  ASSERT_TRUE(id) << id.error().to_string();
  EXPECT_EQ(*registry->register_schema("navigation-value", text), *id);
  const auto schema = fetch(*registry, *id);
  ASSERT_TRUE(schema) << schema.error().to_string();
  EXPECT_NE((*schema)->find("\"R\""), std::string::npos);
}

TEST(RegistryClient, IdenticalLookupsShareOneRequestAndStayCached) {
  auto server = *registry_double::start();
  server->put(7, text);
  auto registry = client_of({server->url()});
  answers got;
  for (int i = 0; i < 50; ++i) registry->fetch(7, got.next());
  for (const auto& answer : got.wait_for(50)) EXPECT_TRUE(answer);
  EXPECT_TRUE(fetch(*registry, 7));
  EXPECT_EQ(registry->stats().requests, 1U);
}

TEST(RegistryClient, AnUnknownIdIsNotAnUnavailableRegistry) {
  auto server = *registry_double::start();
  auto registry = client_of({server->url()});
  const auto missing = fetch(*registry, 99);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), errc::schema_not_found);
  EXPECT_EQ(fetch(*registry, 99).error().code(), errc::schema_not_found);
  EXPECT_EQ(registry->stats().requests, 1U) << "a 404 is remembered for seconds";
}

TEST(RegistryClient, FailuresOfTheServerAreUnavailableAndNotRemembered) {
  auto server = *registry_double::start();
  server->put(7, text);
  auto registry = client_of({server->url()});
  for (const auto kind : {registry_fault_kind::status, registry_fault_kind::drop,
                          registry_fault_kind::garbage, registry_fault_kind::truncated}) {
    registry_fault fault;
    fault.kind = kind;
    server->inject(fault);
    const auto failed = fetch(*registry, 7);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), errc::registry_unavailable) << failed.error().to_string();
  }
  EXPECT_TRUE(fetch(*registry, 7));
}

TEST(RegistryClient, AHangingServerEndsWithTheTimeout) {
  auto server = *registry_double::start();
  registry_fault hang;
  hang.kind = registry_fault_kind::hang;
  hang.times = UINT64_MAX;
  server->inject(hang);
  auto registry = client_of({server->url()}, milliseconds(200));
  EXPECT_EQ(fetch(*registry, 7).error().code(), errc::registry_unavailable);
}

TEST(RegistryClient, AHugeAnswerIsCutOff) {
  auto server = *registry_double::start();
  registry_fault huge;
  huge.kind = registry_fault_kind::huge;
  huge.body_bytes = 8U << 20U;
  server->inject(huge);
  auto registry = client_of({server->url()});
  EXPECT_EQ(fetch(*registry, 7).error().code(), errc::registry_unavailable);
}

TEST(RegistryClient, TheNextUrlIsTriedWhenOneIsDown) {
  auto server = *registry_double::start();
  server->put(7, text);
  auto registry = client_of({"http://127.0.0.1:1", server->url()});
  EXPECT_TRUE(fetch(*registry, 7));
}

TEST(RegistryClient, OtherSchemaTypesAreRefusedClearly) {
  auto server = *registry_double::start();
  server->put(7, "{}", "JSON");
  auto registry = client_of({server->url()});
  const auto refused = fetch(*registry, 7);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::unsupported);
  EXPECT_NE(refused.error().message().find("JSON"), std::string::npos);
}

TEST(RegistryClient, WrongCredentialsAreTold) {
  testkit::registry_double_options options;
  options.user = "reader";
  options.password = "right";
  auto server = *registry_double::start(options);
  client_options wrong;
  wrong.urls = {server->url()};
  wrong.user = "reader";
  wrong.password = "canary-secret";
  auto registry = *client::create(wrong);
  const auto refused = registry->check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::registry_unauthorized);
  EXPECT_EQ(refused.error().message().find("canary-secret"), std::string::npos);
}

TEST(RegistryClient, UrlsAreChecked) {
  for (const char* url : {"registry:8081", "http://", "http://user:secret@host", "http://host:port"}) {
    client_options options;
    options.urls = {url};
    const auto created = client::create(options);
    ASSERT_FALSE(created) << url;
    EXPECT_EQ(created.error().code(), errc::config_invalid);
  }
}

class told final : public stream::schema_receiver {
 public:
  void on_schema(std::int32_t, result<std::shared_ptr<const std::string>> answer) override {
    ok = answer.ok();
  }
  std::optional<bool> ok;
};

TEST(Schemas, AnswersArriveOnTheWorkersLoop) {
  auto server = *registry_double::start();
  server->put(7, text);
  auto registry = client_of({server->url()});
  runtime::loop worker(system_clock());
  auto schemas = make_schemas(*registry, worker);
  told receiver;
  schemas->fetch(7, receiver);
  EXPECT_FALSE(receiver.ok) << "never inline";
  while (!receiver.ok) worker.run_turn(seconds(5));
  EXPECT_TRUE(*receiver.ok);
}

}  // namespace
}  // namespace millrace::registry
