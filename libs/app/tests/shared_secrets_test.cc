#include "shared_secrets.h"

#include <string>

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

app_config with_secrets(const std::string& password) {
  app_config config;
  config.kafka.client.properties = {{"sasl.username", "app"}, {"sasl.password", password}};
  config.registry.emplace().user = "reader";
  config.registry->password = secret(password);
  config.cql.emplace().user = "app";
  config.cql->password = secret(password);
  return config;
}

TEST(shared_secrets, values_of_the_start_are_those_of_the_clients) {
  const shared_secrets secrets(with_secrets("first"));
  ASSERT_TRUE(secrets.of_consumers());
  ASSERT_TRUE(secrets.of_producers());
  EXPECT_EQ(secrets.of_consumers()->get().user, "app");
  EXPECT_EQ(secrets.of_producers()->get().password, secret("first"));
  EXPECT_EQ(secrets.of_database().password, secret("first"));
}

TEST(shared_secrets, the_same_values_are_no_change) {
  shared_secrets secrets(with_secrets("first"));
  const auto changed = secrets.renew(with_secrets("first"));
  EXPECT_FALSE(changed.kafka);
  EXPECT_FALSE(changed.database);
  EXPECT_FALSE(changed.failure);
}

TEST(shared_secrets, other_values_reach_all_clients) {
  shared_secrets secrets(with_secrets("first"));
  const app_config now = with_secrets("second");
  const auto changed = secrets.renew(now);
  EXPECT_TRUE(changed.kafka);
  EXPECT_TRUE(changed.database);
  EXPECT_EQ(secrets.of_consumers()->get().password, secret("second"));
  EXPECT_EQ(secrets.of_producers()->get().password, secret("second"));
  EXPECT_EQ(secrets.of_database().password, secret("second"));
  const auto login = secrets.of_registry(now);
  ASSERT_TRUE(login);
  EXPECT_EQ(login->password, secret("second"));
}

TEST(shared_secrets, a_producer_with_a_user_of_its_own_keeps_it) {
  app_config config = with_secrets("first");
  config.kafka.producer_properties = {{"sasl.username", "writer"}, {"sasl.password", "of the writer"}};
  shared_secrets secrets(config);
  config.kafka.client.properties["sasl.password"] = "second";
  EXPECT_TRUE(secrets.renew(config).kafka);
  EXPECT_EQ(secrets.of_consumers()->get().password, secret("second"));
  EXPECT_EQ(secrets.of_producers()->get().user, "writer");
  EXPECT_EQ(secrets.of_producers()->version(), 1U);
  config.kafka.producer_properties["sasl.password"] = "second of the writer";
  EXPECT_TRUE(secrets.renew(config).kafka);
  EXPECT_EQ(secrets.of_consumers()->version(), 2U);
  EXPECT_EQ(secrets.of_producers()->get().password, secret("second of the writer"));
}

// A file that is empty for a moment must not replace a password.
TEST(shared_secrets, an_empty_secret_is_refused_and_the_former_one_stays) {
  shared_secrets secrets(with_secrets("first"));
  app_config now = with_secrets("second");
  now.kafka.client.properties["sasl.password"].clear();
  now.registry->password.clear();
  const auto changed = secrets.renew(now);
  ASSERT_TRUE(changed.failure);
  EXPECT_EQ(changed.failure->code(), errc::config_invalid);
  EXPECT_NE(changed.failure->message().find("sasl.password"), std::string::npos);
  EXPECT_FALSE(changed.kafka);
  EXPECT_TRUE(changed.database) << "the other parts are taken up";
  EXPECT_EQ(secrets.of_consumers()->get().password, secret("first"));
  const auto login = secrets.of_registry(now);
  ASSERT_FALSE(login);
  EXPECT_NE(login.error().message().find("registry.password"), std::string::npos);
  now.registry.reset();
  EXPECT_FALSE(secrets.of_registry(now));
}

TEST(shared_secrets, clients_without_credentials_stay_without) {
  app_config none;
  none.kafka.client.properties = {{"sasl.username", "only a user"}};
  shared_secrets secrets(none);
  EXPECT_FALSE(secrets.of_consumers());
  EXPECT_FALSE(secrets.of_producers());
  const auto changed = secrets.renew(with_secrets("second"));
  EXPECT_FALSE(changed.kafka || changed.database || changed.failure);
  EXPECT_EQ(secrets.of_database().user, "");
}

}  // namespace
}  // namespace millrace::app
