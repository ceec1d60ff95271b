#include <fmt/format.h>

#include <millrace/registry/client.h>
#include <millrace/workload/environment.h>
#include <millrace/workload/navigation_schema.h>
#include <millrace/workload/visit_generator.h>

namespace millrace::workload {

using emulators::operation;

result<void> environment::start() {
  auto cql = emulators::cql_emulator::start();
  if (!cql) return cql.error();
  database_ = std::move(*cql);
  if (auto created = create_tables(); !created) return created.error();
  // P95 at about twice the median, as in production.
  database_->set_latency(operation::select, {microseconds(250), 0.42});
  database_->set_latency(operation::insert, {microseconds(660), 0.42});

  auto schemas = emulators::registry_double::start();
  if (!schemas) return schemas.error();
  registry_ = std::move(*schemas);
  registry::client_options options;
  options.urls = {registry_->url()};
  auto client = registry::client::create(std::move(options));
  if (!client) return client.error();
  auto id = (*client)->register_schema("navigation-value", navigation_schema());
  if (!id) return id.error();
  schema_id_ = *id;

  auto brokers = emulators::mock_kafka::start();
  if (!brokers) return brokers.error();
  kafka_ = std::move(*brokers);
  kafka_->set_initial_rebalance_delay(milliseconds(0));
  kafka_->set_heartbeat_interval(milliseconds(200));  // of `kafka.protocol: consumer`
  for (const char* topic : {"navigation", "enriched-visits", "navigation-dlq"}) {
    if (auto made = kafka_->create_topic(topic, partitions); !made) return made.error();
  }
  return {};
}

result<void> environment::create_tables() const {
  std::string_view rest = navigation_tables();
  for (auto end = rest.find(';'); end != std::string_view::npos; end = rest.find(';')) {
    if (auto done = database_->execute(rest.substr(0, end)); !done) return done.error();
    rest.remove_prefix(end + 1);
  }
  return {};
}

std::string environment::config_text(std::size_t in_flight_max, std::uint16_t admin_port) const {
  return fmt::format(
      "# Written by `millrace demo`.\n"
      "kafka:\n  bootstrap_servers: {}\n  group: navigation\n  topics: [navigation]\n"
      "  properties:\n    fetch.wait.max.ms: \"5\"  # the mock broker answers a fetch only when this has "
      "passed\n"
      "registry:\n  urls: [{}]\n"
      "cql:\n  contact_points: [{}]\n  keyspace: {}\n  consistency: LOCAL_ONE\n"
      "engine:\n  workers: 1\n  in_flight_records_max: {}\n  dead_letter_topic: navigation-dlq\n"
      "admin:\n  port: {}\n",
      kafka_->bootstrap_servers(), registry_->url(), database_->contact_point(), keyspace, in_flight_max,
      admin_port);
}

result<void> environment::add_profile(std::uint32_t visitor, const std::string& visitor_id) {
  if (visitor >= has_profile_.size()) has_profile_.resize(visitor + 1, false);
  if (has_profile_[visitor]) return {};
  has_profile_[visitor] = true;
  const visit_profile profile = profile_of(visitor);
  if (!profile.known) return {};
  return database_->execute(
      fmt::format("INSERT INTO {}.visitor_profile (visitor_id, segment, score) VALUES ('{}', '{}', {})",
                  keyspace, visitor_id, profile.segment, profile.score));
}

}  // namespace millrace::workload
