#include "connections.h"

#include <future>
#include <memory>
#include <utility>

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
#include "shared_secrets.h"

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

kafka::client_config client_of(const kafka_settings& from, const std::string& application,
                               const shared_secrets& secrets) {
  kafka::client_config client = from.client;
  client.credentials = secrets.of_consumers();
  client.client_id = application;
  client.on_log = log_kafka;
  return client;
}

kafka::consumer_config consumer_of(const kafka_settings& from, kafka::client_config client, unsigned index,
                                   byte_size fetch_bytes_max) {
  kafka::consumer_config consumer = static_cast<const kafka::consumer_config&>(from);
  consumer.client = std::move(client);
  consumer.fetch_bytes_max = fetch_bytes_max;
  if (!from.instance_id.empty()) consumer.instance_id = from.instance_id + "-w" + std::to_string(index);
  return consumer;
}

kafka::producer_config producer_of(const kafka_settings& from, kafka::client_config client,
                                   byte_size queue_bytes_max) {
  kafka::producer_config producer = static_cast<const kafka::producer_config&>(from.producer);
  producer.bytes_max = queue_bytes_max.count();
  producer.client = std::move(client);
  for (const auto& [name, value] : from.producer_properties) producer.client.properties[name] = value;
  producer.on_error = [](const error& failure, bool fatal) {
    log_limited(fatal ? log_level::error : log_level::warning, "producer_error", to_string(failure.code()),
                {{"fatal", fatal}, {"error", failure.to_string()}});
  };
  return producer;
}

void log_renewed(std::string_view of) { log_event(log_level::info, "credentials_renewed", {{"of", of}}); }

void log_registry(const registry::client_event& event) {
  if (event.name == "credentials_renewed") return log_renewed("registry");
  if (event.error.empty()) return log_event(log_level::info, event.name, {{"url", event.url}});
  if (event.url.empty()) return log_event(log_level::warning, event.name, {{"error", event.error}});
  log_event(log_level::warning, event.name, {{"url", event.url}, {"error", event.error}});
}

cql::session_options session_of(const app_config& settings, const std::string& application,
                                const std::string& version) {
  const cql_settings& from = *settings.cql;
  cql::session_options session = static_cast<const cql::session_options&>(from);
  session.application_name = application;
  session.application_version = version;
  // Ordered writes over coordinators with different clocks would otherwise take effect in another order.
  session.client_timestamps =
      from.client_timestamps_set.value_or(settings.engine.order == engine::order_mode::key);
  session.on_renewal = [](const error* why) {
    if (why == nullptr) return log_renewed("cql");
    log_limited(log_level::error, "cql_renewal_failed", to_string(why->code()),
                {{"error", why->to_string()},
                 {"consequence", "new connections use the former credentials and certificates"}});
  };
  return session;
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

class no_schemas final : public stream::schemas {
 public:
  void fetch(std::int32_t id, stream::schema_receiver& receiver) override {
    receiver.on_schema(id, error(errc::schema_not_found, "the configuration has no `registry` section"));
  }
  result<std::int32_t> register_schema(std::string_view, std::string_view) override {
    return error(errc::config_invalid,
                 "the application emits records and the configuration has no `registry` section");
  }
};

class real_connections final : public connections {
 public:
  real_connections(const app_config& settings, std::string application, const surroundings& within)
      : settings_(settings),
        application_(std::move(application)),
        within_(within),
        secrets_(settings),
        counts_(*within.counts),
        kafka_statistics_(*within.counts) {}

  result<void> open(const std::string& version, const std::vector<std::string>& outputs) {
    if (auto reached = open_registry(); !reached) return with_hint(reached.error(), part::registry);
    if (settings_.cql && !session_) {
      cql::session_options options = session_of(settings_, application_, version);
      if (!settings_.cql->user.empty())
        options.current_credentials = [this]() -> result<cql::credentials> { return secrets_.of_database(); };
      auto session = cql::session::open(options);
      if (!session) return with_hint(session.error().in("database"), part::database);
      session_ = std::move(*session);
      session_metrics_ = cql::add_metrics(counts_, *session_);
    }
    std::vector<std::string> topics = topics_of(settings_);
    const std::size_t read = topics.size();
    topics.insert(topics.end(), outputs.begin(), outputs.end());
    const std::vector<std::string> dead = dead_letter_topics_of(settings_.engine);
    topics.insert(topics.end(), dead.begin(), dead.end());
    kafka::client_config client = client_of(settings_.kafka, application_, secrets_);
    client.on_log = {};  // the one error contains what the log would report in several messages
    const auto cluster = kafka::check_connectivity(client, topics, kafka_check_timeout);
    if (!cluster) return with_hint(cluster.error(), part::kafka);
    partitions_ = 0;
    for (std::size_t i = 0; i < read; ++i)
      partitions_ += static_cast<std::size_t>(cluster->topics[i].partitions);
    return {};
  }

  std::size_t partitions() const noexcept override { return partitions_; }

  result<worker_ports> attach(runtime::loop& loop, metrics::shard& counts) override {
    worker_ports ports;
    if (registry_) {
      ports.schemas = registry::make_schemas(*registry_, loop);
    } else {
      ports.schemas = std::make_unique<no_schemas>();
    }
    if (session_) {
      cql::store_options options = settings_.cql->store;
      options.on_trace = [](const statements::statement_declaration& statement, const uuid& trace) {
        log_event(log_level::info, "statement_traced",
                  {{"statement", statement.name()}, {"session_id", trace.to_string()}});
      };
      options.on_warning = [](const statements::statement_declaration& statement, std::string_view text) {
        log_limited(log_level::warning, "cql_warning", statement.name(),
                    {{"statement", statement.name()}, {"text", std::string(text)}});
      };
      options.on_node = [](const std::string& node, const error* why) {
        if (why == nullptr) return log_event(log_level::info, "cql_node_connected", {{"node", node}});
        log_limited(log_level::warning, "cql_node_unreachable", node,
                    {{"node", node}, {"error", why->to_string()}});
      };
      options.memory = within_.memory;
      auto store = session_->attach(loop, std::move(options), &counts);
      if (!store) return store.error();
      ports.store = std::move(*store);
    } else {
      ports.store = std::make_unique<no_store>();
    }
    return ports;
  }

  result<void> join(worker_ports& ports, runtime::loop& loop, unsigned index,
                    const client_memory& memory) override {
    kafka::client_config client = client_of(settings_.kafka, application_, secrets_);
    kafka::producer_config producer = producer_of(settings_.kafka, client, memory.producer_bytes_max);
    producer.client.credentials = secrets_.of_producers();
    producer.client.on_statistics = kafka_statistics_.add(kafka_statistics::client::producer);
    auto sink = kafka::producer::create(std::move(producer), loop);
    if (!sink) return sink.error();
    ports.sink = std::move(*sink);
    kafka::consumer_config consumer =
        consumer_of(settings_.kafka, std::move(client), index, memory.fetch_bytes_max);
    consumer.topics = topics_of(settings_);
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

  result<void> renew(const app_config& now) override {
    const shared_secrets::changes changed = secrets_.renew(now);
    if (changed.kafka) log_renewed("kafka");
    if (changed.database && session_) session_->renew();
    if (registry_) {
      const auto login = secrets_.of_registry(now);
      if (!login) return login.error();
      if (auto used = registry_->use(*login); !used) return used;
    }
    if (changed.failure) return *changed.failure;
    return {};
  }

  result<std::vector<stream::schema_document>> versions_of(const std::string& subject) override {
    if (!registry_) return error(errc::config_invalid, "the configuration has no `registry` section");
    const auto newest = registry_->find(subject, registry::client::latest);
    if (!newest) return newest.error();
    std::vector<stream::schema_document> all;
    for (std::int32_t version = 1; version <= newest->version; ++version) {
      auto one = registry_->find(subject, version);
      if (one) {
        all.push_back(std::move(one->schema));
      } else if (one.error().code() != errc::schema_not_found) {  // a version may be deleted
        return one.error();
      }
    }
    return all;
  }

  std::string schema_text(std::int32_t id) override {
    if (!registry_) return {};
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
    if (!settings_.registry) return {};  // needs_registry() was checked
    if (!registry_) {
      registry::client_options options = static_cast<const registry::client_options&>(*settings_.registry);
      options.on_event = log_registry;
      options.current_credentials = [this]() -> result<registry::login> {
        const auto now = within_.settings_now();
        if (!now) return now.error();
        return secrets_.of_registry(*now);
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
  const surroundings within_;
  shared_secrets secrets_;
  metrics::registry& counts_;
  kafka_statistics kafka_statistics_;
  std::unique_ptr<registry::client> registry_;
  std::unique_ptr<cql::session> session_;
  std::size_t partitions_ = 0;
  metrics::scrape_hook session_metrics_;
};

}  // namespace

result<std::unique_ptr<connections>> connections::open(
    const app_config& settings, const std::string& application, const std::string& version,
    const std::vector<std::string>& outputs, const surroundings& within, const try_again& tries_again) {
  auto made = std::make_unique<real_connections>(settings, application, within);
  for (;;) {
    const auto opened = made->open(version, outputs);
    if (opened) return std::unique_ptr<connections>(std::move(made));
    const bool may_pass = stream::disposition_of(opened.error().code()) == stream::disposition::retry;
    if (!may_pass || !tries_again(opened.error())) return opened.error();
  }
}

}  // namespace millrace::app
