#include "connections.h"

#include <cerrno>
#include <future>
#include <memory>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <millrace/cql/session.h>
#include <millrace/kafka/connectivity.h>
#include <millrace/kafka/consumer.h>
#include <millrace/kafka/producer.h>
#include <millrace/registry/client.h>
#include <millrace/stream/outcome.h>

#include "error_hints.h"
#include "kafka_statistics.h"
#include "log.h"
#include "reporting_source.h"

namespace millrace::app {
namespace {

constexpr milliseconds kafka_check_timeout{10'000};
constexpr milliseconds schema_timeout{500};

// librdkafka's own words at the level they were said with (syslog's numbers).
void log_kafka(const kafka::log_line& line) {
  // `kafka.properties` are for consumers and producers: what one of them has no use for is not worth a
  // warning.
  if (line.facility == "CONFWARN" && line.text.find("will be ignored by this") != std::string_view::npos)
    return;
  const auto level = line.level <= 3   ? log_level::error
                     : line.level <= 4 ? log_level::warning
                     : line.level <= 6 ? log_level::info
                                       : log_level::debug;
  log_limited(level, "kafka_client", line.facility, {{"facility", line.facility}, {"text", line.text}});
}

kafka::client_config client_of(const kafka_settings& from, const std::string& application) {
  kafka::client_config client = from.client;
  client.client_id = application;
  client.on_log = log_kafka;
  return client;
}

kafka::consumer_config consumer_of(const kafka_settings& from, const std::string& application,
                                   unsigned index) {
  kafka::consumer_config consumer = static_cast<const kafka::consumer_config&>(from);
  consumer.client = client_of(from, application);
  if (!from.instance_id.empty()) consumer.instance_id = from.instance_id + "-w" + std::to_string(index);
  return consumer;
}

kafka::producer_config producer_of(const kafka_settings& from, const std::string& application) {
  kafka::producer_config producer;
  producer.client = client_of(from, application);
  for (const auto& [name, value] : from.producer_properties) producer.client.properties[name] = value;
  producer.on_error = [](const error& failure, bool fatal) {
    log_limited(fatal ? log_level::error : log_level::warning, "producer_error", to_string(failure.code()),
                {{"fatal", fatal}, {"error", failure.to_string()}});
  };
  return producer;
}

cql::session_options session_of(const cql_settings& from, const std::string& application,
                                const std::string& version) {
  cql::session_options session = static_cast<const cql::session_options&>(from);
  session.application_name = application;
  session.application_version = version;
  return session;
}

// Files that the clients read themselves, and would report less clearly.
result<void> check_files(const app_config& settings) {
  std::vector<std::pair<std::string, std::string>> files;  // key, path
  for (const std::string name :
       {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location"}) {
    const auto given = settings.kafka.client.properties.find(name);
    if (given == settings.kafka.client.properties.end() || given->second == "probe") continue;
    files.emplace_back("kafka.properties." + name, given->second);
  }
  if (settings.registry) {
    files.emplace_back("registry.ca_file", settings.registry->ca_file);
    files.emplace_back("registry.certificate_file", settings.registry->certificate_file);
    files.emplace_back("registry.key_file", settings.registry->key_file);
    if (settings.registry->oauth)
      files.emplace_back("registry.oauth.ca_file", settings.registry->oauth->ca_file);
  }
  if (settings.cql) {
    files.emplace_back("cql.ca_file", settings.cql->ca_file);
    files.emplace_back("cql.certificate_file", settings.cql->certificate_file);
    files.emplace_back("cql.key_file", settings.cql->key_file);
  }
  for (const auto& [key, path] : files) {
    if (path.empty() || ::access(path.c_str(), R_OK) == 0) continue;
    return error(errc::config_invalid,
                 "`" + key + "`: cannot read '" + path + "': " + std::generic_category().message(errno));
  }
  return {};
}

// For applications without a database or a registry: a use of one is an error at start-up.
class no_store final : public stream::store {
 public:
  result<void> prepare(statements::statement_declaration&) override {
    return error(errc::config_invalid,
                 "the application uses a database and the configuration has no `cql` section");
  }
  void submit(stream::store_request&) override {
    invariant_broken("a statement that was never prepared was executed");
  }
  [[nodiscard]] std::size_t in_flight() const noexcept override { return 0; }
};

class real_connections final : public connections {
 public:
  real_connections(const app_config& settings, std::string application, metrics::registry& counts)
      : settings_(settings),
        application_(std::move(application)),
        counts_(counts),
        kafka_statistics_(counts) {}

  result<void> open(const std::string& version, const std::vector<std::string>& outputs) {
    if (auto readable = check_files(settings_); !readable) return readable.error();
    if (auto reached = open_registry(); !reached) return with_hint(reached.error(), part::registry);
    if (settings_.cql && !session_) {
      auto session = cql::session::open(session_of(*settings_.cql, application_, version));
      if (!session) return with_hint(session.error().in("database"), part::database);
      session_ = std::move(*session);
      session_metrics_ = cql::add_metrics(counts_, *session_);
    }
    std::vector<std::string> topics = settings_.kafka.topics;
    topics.insert(topics.end(), outputs.begin(), outputs.end());
    topics.push_back(settings_.engine.dead_letter_topic);
    kafka::client_config client = client_of(settings_.kafka, application_);
    client.on_log = {};  // the one error contains what the log would report in several messages
    const auto cluster = kafka::check_connectivity(client, topics, kafka_check_timeout);
    if (!cluster) return with_hint(cluster.error(), part::kafka);
    return {};
  }

  result<worker_ports> attach(runtime::loop& loop, metrics::shard& counts) override {
    worker_ports ports;
    ports.schemas = registry::make_schemas(*registry_, loop);
    if (session_) {
      cql::store_options options = settings_.cql->store;
      options.on_trace = [](const statements::statement_declaration& statement, const uuid& trace) {
        log_event(log_level::info, "statement_traced",
                  {{"statement", statement.name()}, {"session_id", trace.to_string()}});
      };
      auto store = session_->attach(loop, std::move(options), &counts);
      if (!store) return store.error();
      ports.store = std::move(*store);
    } else {
      ports.store = std::make_unique<no_store>();
    }
    return ports;
  }

  result<void> join(worker_ports& ports, runtime::loop& loop, metrics::shard& /*counts*/,
                    unsigned index) override {
    kafka::producer_config producer = producer_of(settings_.kafka, application_);
    producer.client.on_statistics = kafka_statistics_.add(kafka_statistics::client::producer);
    auto sink = kafka::producer::create(std::move(producer), loop);
    if (!sink) return sink.error();
    ports.sink = std::move(*sink);
    kafka::consumer_config consumer = consumer_of(settings_.kafka, application_, index);
    consumer.client.on_statistics = kafka_statistics_.add(kafka_statistics::client::consumer);
    auto source = kafka::consumer::create(std::move(consumer), loop);
    if (!source) return source.error();
    ports.source = std::make_unique<reporting_source>(
        std::move(*source),
        rate_limited_log(
            system_clock(), [index](std::string_view event, const error& failure, std::uint64_t suppressed) {
              log_event(log_level::warning, event,
                        {{"error", failure.to_string()}, {"worker", index}, {"suppressed", suppressed}});
            }));
    return {};
  }

  std::string schema_text(std::int32_t id) override {
    auto told = std::make_shared<std::promise<std::string>>();
    auto answer = told->get_future();
    registry_->fetch(id, [told](result<registry::client::document> found) {
      told->set_value(found ? (*found)->text : std::string());
    });
    if (answer.wait_for(schema_timeout) != std::future_status::ready) return {};
    return answer.get();
  }

 private:
  result<void> open_registry() {
    if (!settings_.registry) {
      return error(errc::config_invalid,
                   "the records have schema ids and the configuration has no `registry` section");
    }
    if (!registry_) {
      registry::client_options options = static_cast<const registry::client_options&>(*settings_.registry);
      options.on_event = [](const std::string& event) {
        log_event(log_level::warning, "registry", {{"text", event}});
      };
      options.counts = &counts_;
      auto client = registry::client::create(std::move(options));
      if (!client) return client.error();
      registry_ = std::move(*client);
    }
    auto reached = registry_->check();
    const std::size_t kept = registry_->stats().disk_entries;
    if (reached || reached.error().code() != errc::registry_unavailable || kept == 0) return reached;
    log_event(
        log_level::warning, "registry_unavailable",
        {{"consequence",
          "the process starts with the schemas and registrations of the cache folder; records with other "
          "schemas wait"},
         {"kept", kept},
         {"error", reached.error().message()}});
    return {};
  }

  const app_config& settings_;
  const std::string application_;
  metrics::registry& counts_;
  kafka_statistics kafka_statistics_;
  std::unique_ptr<registry::client> registry_;
  std::unique_ptr<cql::session> session_;
  metrics::scrape_hook session_metrics_;
};

}  // namespace

result<std::unique_ptr<connections>> connections::open(
    const app_config& settings, const std::string& application, const std::string& version,
    const std::vector<std::string>& outputs, metrics::registry& counts, const try_again& tries_again) {
  auto made = std::make_unique<real_connections>(settings, application, counts);
  for (;;) {
    const auto opened = made->open(version, outputs);
    if (opened) return std::unique_ptr<connections>(std::move(made));
    const bool may_pass = stream::disposition_of(opened.error().code()) == stream::disposition::retry;
    if (!may_pass || !tries_again(opened.error())) return opened.error();
  }
}

}  // namespace millrace::app
