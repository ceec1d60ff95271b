// Configuration errors are reported before anything connects. No broker is needed.
#include <fixtures/cluster_fixture.h>

namespace millrace::kafka {
namespace {

consumer_config valid() {
  consumer_config config;
  config.client.bootstrap_servers = "127.0.0.1:1";
  config.group = "g";
  config.topics = {"t"};
  return config;
}

error refusal_of(const consumer_config& config) {
  runtime::loop loop(system_clock());
  const result<std::unique_ptr<consumer>> made = consumer::create(config, loop);
  EXPECT_FALSE(made.ok());
  return made.ok() ? error(errc::internal, "accepted") : made.error();
}

bool mentions(const error& failure, std::string_view text) {
  return failure.message().find(text) != std::string::npos;
}

TEST(kafka_config, an_unknown_property_is_refused_with_the_nearest_name) {
  consumer_config config = valid();
  config.client.properties["sesion.timeout.ms"] = "6000";
  const error failure = refusal_of(config);
  EXPECT_EQ(failure.code(), errc::config_invalid);
  EXPECT_TRUE(mentions(failure, "'sesion.timeout.ms'")) << failure.message();
  EXPECT_TRUE(mentions(failure, "did you mean 'session.timeout.ms'")) << failure.message();
}

TEST(kafka_config, a_property_without_a_default_is_suggested_too) {
  consumer_config config = valid();
  config.client.properties["sasl.pasword"] = "canary";
  const error failure = refusal_of(config);
  EXPECT_TRUE(mentions(failure, "did you mean 'sasl.password'")) << failure.message();
  EXPECT_FALSE(mentions(failure, "canary")) << failure.message();
}

TEST(kafka_config, a_property_that_millrace_sets_is_refused_with_the_option_to_use) {
  consumer_config config = valid();
  config.client.properties["enable.auto.commit"] = "true";
  EXPECT_TRUE(mentions(refusal_of(config), "set by Millrace")) << refusal_of(config).message();
  config.client.properties = {{"auto.offset.reset", "latest"}};
  EXPECT_TRUE(mentions(refusal_of(config), "start_from")) << refusal_of(config).message();
}

TEST(kafka_config, an_invalid_value_is_refused) {
  consumer_config config = valid();
  config.client.properties["isolation.level"] = "sometimes";
  EXPECT_TRUE(mentions(refusal_of(config), "isolation.level")) << refusal_of(config).message();
}

TEST(kafka_config, properties_of_the_brokers_are_refused_under_the_consumer_protocol) {
  consumer_config config = valid();
  config.protocol = group_protocol::consumer;
  config.client.properties["session.timeout.ms"] = "6000";
  EXPECT_TRUE(mentions(refusal_of(config), "group.consumer.session.timeout.ms"))
      << refusal_of(config).message();
}

TEST(kafka_config, a_ca_file_that_is_not_there_is_a_tls_error_that_names_the_property) {
  consumer_config config = valid();
  config.client.properties["security.protocol"] = "ssl";
  config.client.properties["ssl.ca.location"] = "/nowhere/ca.pem";
  const error failure = refusal_of(config);
  EXPECT_EQ(failure.code(), errc::tls_error) << failure.to_string();
  EXPECT_TRUE(mentions(failure, "ssl.ca.location")) << failure.message();
}

TEST(kafka_config, a_secret_appears_in_no_message) {
  consumer_config config = valid();
  config.client.properties["ssl.key.pem"] = "canary-7431";
  config.client.properties["sasl.password"] = "canary-7431";
  config.client.properties["security.protocol"] = "sasl_ssl";
  config.client.properties["sasl.mechanism"] = "PLAIN";
  EXPECT_FALSE(mentions(refusal_of(config), "canary"));
}

TEST(kafka_config, topics_and_group_are_required_and_patterns_refused) {
  consumer_config config = valid();
  config.group.clear();
  EXPECT_TRUE(mentions(refusal_of(config), "group"));
  config = valid();
  config.topics.clear();
  EXPECT_TRUE(mentions(refusal_of(config), "topics"));
  config.topics = {"^visits.*"};
  EXPECT_TRUE(mentions(refusal_of(config), "patterns"));
  config.topics = {"t", "t"};
  EXPECT_TRUE(mentions(refusal_of(config), "twice"));
  config = valid();
  config.client.bootstrap_servers.clear();
  EXPECT_TRUE(mentions(refusal_of(config), "bootstrap_servers"));
  config = valid();
  config.fetch_bytes_max = {10};
  EXPECT_TRUE(mentions(refusal_of(config), "fetch_bytes_max"));
}

TEST(kafka_config, a_producer_stays_idempotent) {
  runtime::loop loop(system_clock());
  producer_config config;
  config.client.bootstrap_servers = "127.0.0.1:1";
  config.client.properties["enable.idempotence"] = "false";
  const auto made = producer::create(config, loop);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), errc::config_invalid);
}

}  // namespace
}  // namespace millrace::kafka
