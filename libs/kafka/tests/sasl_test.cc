// SASL credentials that are rotated while clients use them, before a relay that demands them.
#include <thread>

#include <fixtures/cluster_fixture.h>

#include <millrace/emulators/kafka_relay.h>
#include <millrace/kafka/connectivity.h>

namespace millrace::kafka {
namespace {

TEST(sasl_credentials, only_other_values_are_another_version) {
  sasl_credentials login("app", secret("first"));
  EXPECT_EQ(login.version(), 1U);
  EXPECT_FALSE(login.set("app", secret("first")));
  EXPECT_EQ(login.version(), 1U);
  EXPECT_TRUE(login.set("app", secret("second")));
  EXPECT_TRUE(login.set("other", secret("second")));
  const sasl_credentials::login now = login.get();
  EXPECT_EQ(now.user, "other");
  EXPECT_EQ(now.password, secret("second"));
  EXPECT_EQ(now.version, 3U);
  EXPECT_EQ(login.version(), 3U);
}

TEST(sasl_credentials, user_and_password_of_one_version_belong_together) {
  sasl_credentials login("0", secret("0"));
  std::thread rotating([&login] {
    for (int i = 1; i <= 1'000; ++i) login.set(std::to_string(i), secret(std::to_string(i)));
  });
  std::uint64_t seen = 0;
  while (seen < 1'001) {
    const sasl_credentials::login now = login.get();
    ASSERT_EQ(now.user, now.password.reveal());
    ASSERT_GE(now.version, seen);
    seen = now.version;
  }
  rotating.join();
}

class sasl_test : public cluster_test {
 protected:
  void SetUp() override {
    cluster_test::SetUp();
    topic("t", 1);
    relay_ = std::make_unique<emulators::kafka_relay>(cluster());
    relay_->require("app", "first");
  }
  void authenticate(client_config& config) const {
    config.bootstrap_servers = relay_->bootstrap_servers();
    config.properties["security.protocol"] = "SASL_PLAINTEXT";
    config.properties["sasl.mechanism"] = "PLAIN";
    config.properties["reconnect.backoff.max.ms"] = "200";
    config.credentials = login_;
  }
  [[nodiscard]] consumer_config reading_as_app() const {
    consumer_config config = reading({"t"});
    authenticate(config.client);
    return config;
  }
  [[nodiscard]] producer_config writing_as_app() const {
    producer_config config = writing();
    authenticate(config.client);
    return config;
  }
  // The brokers know the new password only.
  void rotate() {
    relay().require("app", "second");
    relay().drop_connections();
  }
  [[nodiscard]] emulators::kafka_relay& relay() const { return *relay_; }
  [[nodiscard]] sasl_credentials& login() const { return *login_; }

 private:
  std::shared_ptr<sasl_credentials> login_ = std::make_shared<sasl_credentials>("app", secret("first"));
  std::unique_ptr<emulators::kafka_relay> relay_;
};

TEST_F(sasl_test, a_consumer_reconnects_with_a_password_that_was_rotated) {
  fill("t", 10);
  member reader(reading_as_app());
  ASSERT_TRUE(reader.until_records(10));
  login().set("app", secret("second"));
  rotate();
  fill("t", 10, 10);
  EXPECT_TRUE(reader.until_records(20));
  EXPECT_FALSE(reader.fatal_error);
}

TEST_F(sasl_test, a_consumer_that_was_refused_goes_on_when_the_new_password_is_known) {
  fill("t", 10);
  member reader(reading_as_app());
  ASSERT_TRUE(reader.until_records(10));
  rotate();
  ASSERT_TRUE(reader.until([&] { return relay().refused() > 0; }));
  login().set("app", secret("second"));
  fill("t", 10, 10);
  EXPECT_TRUE(reader.until_records(20));
  EXPECT_FALSE(reader.fatal_error);
}

TEST_F(sasl_test, a_producer_reconnects_with_a_password_that_was_rotated) {
  writer out(writing_as_app());
  ASSERT_TRUE(out.write("t", "k", "v").ok());
  ASSERT_TRUE(out.settle());
  login().set("app", secret("second"));
  rotate();
  ASSERT_TRUE(out.write("t", "k", "v").ok());
  ASSERT_TRUE(out.settle());
  for (const auto& each : out.answers) EXPECT_TRUE(each->given->ok()) << each->given->error().to_string();
}

TEST_F(sasl_test, connections_that_exist_continue_after_a_rotation) {
  fill("t", 10);
  member reader(reading_as_app());
  ASSERT_TRUE(reader.until_records(10));
  const std::size_t before = relay().authenticated();
  relay().require("app", "second");
  login().set("app", secret("second"));
  fill("t", 10, 10);
  EXPECT_TRUE(reader.until_records(20));
  EXPECT_EQ(relay().authenticated(), before);
  EXPECT_EQ(relay().refused(), 0U);
}

TEST_F(sasl_test, a_new_client_uses_the_password_of_now) {
  login().set("app", secret("second"));
  rotate();
  const consumer_config config = reading_as_app();
  const std::string topics[] = {"t"};
  const auto cluster = check_connectivity(config.client, topics, seconds(10));
  EXPECT_TRUE(cluster.ok()) << cluster.error().to_string();
  EXPECT_EQ(relay().refused(), 0U);
}

TEST_F(sasl_test, a_wrong_password_is_refused_and_not_repeated_in_the_error) {
  login().set("app", secret("canary-7431"));
  const consumer_config config = reading_as_app();
  const auto cluster = check_connectivity(config.client, {}, seconds(10));
  ASSERT_FALSE(cluster.ok());
  EXPECT_EQ(cluster.error().code(), errc::broker_unauthorized);
  EXPECT_EQ(cluster.error().message().find("canary"), std::string::npos) << cluster.error().message();
}

}  // namespace
}  // namespace millrace::kafka
