#include <algorithm>

#include <millrace/app/app_config.h>
#include <millrace/base/assert.h>
#include <millrace/http/exchange.h>
#include <millrace/registry/client.h>

#include "observing_config.h"

namespace millrace::app {
namespace {

using config::field;
using config::findings;
using config::section;
using config::spec;
using std::chrono::hours;

const spec<kafka_config>& kafka_spec() {
  static const spec<kafka_config> declared{
      field(&kafka_config::bootstrap_servers, "bootstrap_servers")
          .required()
          .doc("Brokers to start from, host:port separated by commas.")
          .example("broker-1:9092,broker-2:9092"),
      field(&kafka_config::group, "group").required().doc("The consumer group.").example("navigation"),
      field(&kafka_config::former_groups, "former_groups")
          .doc("Groups that this application had before and that no longer run: their dead letters are "
               "redriven, and records redriven for them are processed.")
          .example("[navigation-v1]"),
      field(&kafka_config::other_groups, "other_groups")
          .doc("Groups of other applications that read the same topics: records redriven for them are "
               "skipped. "
               "A record redriven for a group that is not known becomes a dead letter again."),
      field(&kafka_config::topics, "topics").required().doc("Topics to read.").example("[navigation]"),
      field(&kafka_config::instance_id, "instance_id")
          .doc("Static membership: worker N joins as <instance_id>-w<N>. Empty: dynamic members.")
          .example("${env:POD_NAME}"),
      field(&kafka_config::protocol, "protocol")
          .choices({{"classic", group_protocol::classic}, {"consumer", group_protocol::consumer}})
          .doc(
              "The group protocol: classic, or consumer (KIP-848, Kafka 4), under which the brokers assign."),
      field(&kafka_config::assignor, "assignor")
          .choices({{"cooperative-sticky", group_assignor::cooperative_sticky},
                    {"range", group_assignor::range},
                    {"roundrobin", group_assignor::round_robin}})
          .doc("Of the classic protocol. Default: cooperative-sticky, where a rebalance takes only what "
               "moves. With "
               "range and roundrobin it takes everything from everybody: the whole group drains, commits and "
               "stands still. All members of a group must have the same; to change between the two kinds, "
               "stop "
               "all of them."),
      field(&kafka_config::start_from, "start_from")
          .choices({{"fail", offset_policy::fail},
                    {"earliest", offset_policy::earliest},
                    {"latest", offset_policy::latest}})
          .doc(
              "Where a partition without a committed offset starts. latest is resolved and committed once; a "
              "partition that is added later starts at its beginning."),
      field(&kafka_config::on_offset_out_of_range, "on_offset_out_of_range")
          .choices({{"fail", offset_policy::fail},
                    {"earliest", offset_policy::earliest},
                    {"latest", offset_policy::latest}})
          .doc("What to do when the next offset is not in the log, as its first and last offsets confirm. "
               "fail "
               "stops the process and skips nothing; earliest and latest go on there and count the gap."),
      field(&kafka_config::fetch_bytes_max, "fetch_bytes_max")
          .range(config::byte_size{1U << 20U}, config::byte_size{4ULL << 30U})
          .doc("Memory that prefetched records may use, of one worker."),
      field(&kafka_config::properties, "properties")
          .doc("librdkafka properties for the consumer and the producer, e.g. security.protocol or "
               "ssl.ca.location."),
      field(&kafka_config::producer_properties, "producer_properties")
          .doc("librdkafka properties for the producer only."),
  };
  return declared;
}

const spec<oauth_config>& oauth_spec() {
  static const spec<oauth_config> declared{
      field(&oauth_config::token_url, "token_url")
          .required()
          .doc("Where tokens come from.")
          .example("https://login.example.com/oauth2/token"),
      field(&oauth_config::client_id, "client_id").required().doc("The client's id.").example("millrace"),
      field(&oauth_config::client_secret, "client_secret")
          .required()
          .doc("The client's secret.")
          .example("${file:/run/secrets/registry-client}"),
      field(&oauth_config::scope, "scope").doc("Asked for with every token. Empty: none."),
      field(&oauth_config::ca_file, "ca_file")
          .doc("PEM file of the authorities to trust at the token endpoint. Empty: the registry's."),
  };
  return declared;
}

const spec<proxy_config>& proxy_spec() {
  static const spec<proxy_config> declared{
      field(&proxy_config::url, "url").required().doc("The proxy.").example("http://proxy:3128"),
      field(&proxy_config::user, "user").doc("User of the proxy."),
      field(&proxy_config::password, "password")
          .doc("Password of the proxy.")
          .example("${file:/run/secrets/proxy}"),
  };
  return declared;
}

const spec<registry_config>& registry_spec() {
  using registry::subject_naming;
  static const spec<registry_config> declared{
      field(&registry_config::urls, "urls")
          .required()
          .doc("Schema registries, tried in order, the one that answered last first.")
          .example("[http://registry:8081]"),
      field(&registry_config::context, "context")
          .doc("The registry's context, such as .staging. Empty: the default one."),
      field(&registry_config::user, "user").doc("User of basic authentication."),
      field(&registry_config::password, "password")
          .doc("Password of basic authentication.")
          .example("${file:/run/secrets/registry}"),
      field(&registry_config::bearer_token, "bearer_token")
          .doc("A fixed bearer token.")
          .example("${file:/run/secrets/registry-token}"),
      section(&registry_config::oauth, "oauth", oauth_spec())
          .doc("Bearer tokens by OAuth 2.0 client credentials, renewed before they expire."),
      field(&registry_config::headers, "headers")
          .doc("Sent with every request, such as target-sr-cluster of Confluent Cloud. Not for secrets."),
      field(&registry_config::ca_file, "ca_file")
          .doc("PEM file of the authorities to trust. Empty: the system's."),
      field(&registry_config::certificate_file, "certificate_file")
          .doc("PEM file of the client certificate. Read anew for every connection, so it may be replaced."),
      field(&registry_config::key_file, "key_file").doc("PEM file of the client certificate's key."),
      field(&registry_config::key_password, "key_password")
          .doc("Password of the key.")
          .example("${file:/run/secrets/registry-key}"),
      section(&registry_config::proxy, "proxy", proxy_spec())
          .doc("An HTTP proxy; https goes through a tunnel. Variables such as https_proxy are not read."),
      field(&registry_config::connect_timeout, "connect_timeout")
          .range(milliseconds(10), milliseconds(120'000))
          .doc("Of one connection to one registry, TLS included."),
      field(&registry_config::timeout, "timeout")
          .range(milliseconds(10), milliseconds(120'000))
          .doc("Of one request to one registry, to the last byte of its answer."),
      field(&registry_config::backoff_first, "backoff_first")
          .range(milliseconds(1), seconds(60))
          .doc("How long a registry that failed is left alone. It doubles with every failure; up to half is "
               "taken off at random."),
      field(&registry_config::backoff_max, "backoff_max")
          .range(milliseconds(1), seconds(600))
          .doc("The longest of these times. A Retry-After may ask for more, up to a minute."),
      field(&registry_config::connections_max, "connections_max")
          .range(1U, 64U)
          .doc("Requests under way at a time."),
      field(&registry_config::response_bytes_max, "response_bytes_max")
          .range(config::byte_size{1'024}, config::byte_size{1U << 30U})
          .doc("The largest answer, and the largest schema with its references."),
      field(&registry_config::not_found_ttl, "not_found_ttl")
          .range(milliseconds(0), seconds(60))
          .doc("How long the answer that there is no such id is remembered."),
      field(&registry_config::not_found_grace, "not_found_grace")
          .range(milliseconds(0), hours(1))
          .doc("How long an id may stay unknown, because a follower of the registry lags, before its records "
               "are dead-lettered. A registry that does not answer is never a reason for that."),
      field(&registry_config::cached_ids_max, "cached_ids_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("Schemas kept in memory."),
      field(&registry_config::cached_bytes_max, "cached_bytes_max")
          .range(config::byte_size{1U << 20U}, config::byte_size{64ULL << 30U})
          .doc("Memory that these may take."),
      field(&registry_config::cache_folder, "cache_folder")
          .doc(
              "Where schemas and registrations are kept on disk, so that a process starts and runs while the "
              "registry is down. Empty: nowhere. Empty the folder when a registry is built anew.")
          .example("/var/cache/millrace/schemas"),
      field(&registry_config::disk_ids_max, "disk_ids_max")
          .range(std::size_t{1}, std::size_t{10'000'000})
          .doc("Files in the cache folder; the oldest goes for a new one."),
      field(&registry_config::subject_naming, "subject_naming")
          .choices({{"topic", subject_naming::topic},
                    {"record", subject_naming::record},
                    {"topic_record", subject_naming::topic_record}})
          .doc("Under which subject the schema of an output is registered: <topic>-value, the record's full "
               "name, or <topic>-<full name>."),
      field(&registry_config::register_outputs, "register_outputs")
          .doc("Register the outputs' schemas at start-up. false: they must be there already."),
      field(&registry_config::normalize, "normalize")
          .doc("Let the registry ignore differences without a meaning when it looks for a schema."),
  };
  return declared;
}

const spec<cql_config>& cql_spec() {
  static const spec<cql_config> declared = spec<cql_config>{
      field(&cql_config::contact_points, "contact_points")
          .required()
          .doc("Nodes to start from, host or host:port.")
          .example("[scylla-1, scylla-2]"),
      field(&cql_config::keyspace, "keyspace").doc("Keyspace of statements that name none."),
      field(&cql_config::user, "user").doc("User name."),
      field(&cql_config::password, "password").doc("Password.").example("${file:/run/secrets/cql}"),
      field(&cql_config::tls, "tls").doc("Encrypt and verify. There is no fallback to plaintext."),
      field(&cql_config::ca_file, "ca_file").doc("PEM file of the authorities to trust."),
      field(&cql_config::certificate_file, "certificate_file").doc("PEM file of the client certificate."),
      field(&cql_config::key_file, "key_file").doc("PEM file of the client certificate's key."),
      field(&cql_config::datacenter, "datacenter").doc("Preferred datacentre. Empty: no preference."),
      field(&cql_config::rack, "rack").doc("Preferred rack within the datacentre."),
      field(&cql_config::datacenter_failover, "datacenter_failover")
          .doc("Whether requests may go to another datacentre when the preferred one is down."),
      field(&cql_config::consistency, "consistency").doc("Default consistency of statements."),
      field(&cql_config::connect_timeout, "connect_timeout")
          .range(milliseconds(100), milliseconds(120'000))
          .doc("Of connecting at start-up, all nodes together."),
      field(&cql_config::request_timeout, "request_timeout")
          .range(milliseconds(10), milliseconds(120'000))
          .doc("Default deadline of a statement; keep it above the server's own timeout."),
      field(&cql_config::keepalive, "keepalive")
          .range(milliseconds(1'000), milliseconds(300'000))
          .doc("A connection that says nothing for twice as long is given up."),
      field(&cql_config::speculative_after, "speculative_after")
          .range(milliseconds(0), milliseconds(120'000))
          .doc("An idempotent statement without an answer after this is also executed on another node. 0: "
               "never."),
      field(&cql_config::speculative_max, "speculative_max")
          .range(1U, 5U)
          .doc("How many further executions `speculative_after` may start."),
      field(&cql_config::in_flight_max, "in_flight_max")
          .range(std::size_t{1}, std::size_t{65'536})
          .doc("Requests in flight per worker; more wait. No node holds more than its share of them."),
      field(&cql_config::prepared_max, "prepared_max")
          .range(std::size_t{1}, std::size_t{100'000})
          .doc("Distinct statements that the process may have prepared."),
      field(&cql_config::io_threads, "io_threads").range(1U, 64U).doc("I/O threads of the driver."),
      field(&cql_config::data_plane, "data_plane")
          .choices({{"direct", cql_data_plane::direct}, {"driver", cql_data_plane::driver}})
          .doc("Who sends statements: direct, the workers over connections of their own (a fifth of the CPU "
               "per "
               "request); or driver, the driver's I/O threads."),
  };
  return declared;
}

const spec<lookup_config>& lookup_spec() {
  using statements::miss_policy;
  static const spec<lookup_config> declared{
      field(&lookup_config::name, "name")
          .required()
          .doc("The lookup, as the processor declares it.")
          .example("profiles"),
      field(&lookup_config::entries_max, "entries_max")
          .range(std::size_t{0}, std::size_t{10'000'000})
          .doc("Cached answers, per worker. 0: none."),
      field(&lookup_config::bytes_max, "bytes_max")
          .range(config::byte_size{0}, config::byte_size{1ULL << 36U})
          .doc("Memory of cached answers, per worker; all of them together at most half of "
               "`engine.memory_max`, which they count against."),
      field(&lookup_config::ttl, "ttl")
          .range(milliseconds(0), hours(24))
          .doc("How long a row is used after it was asked for. 0: rows are not cached."),
      field(&lookup_config::negative_ttl, "negative_ttl")
          .range(milliseconds(0), hours(24))
          .doc("The same of the answer that there is no row."),
      field(&lookup_config::on_miss, "on_miss")
          .choices({{"default", miss_policy::use_default},
                    {"skip", miss_policy::skip},
                    {"retry", miss_policy::retry},
                    {"dead_letter", miss_policy::dead_letter}})
          .doc("What becomes of a record for which there is no row: it goes on with the default row, is "
               "skipped, looks again later, or is dead-lettered."),
      field(&lookup_config::retry_delay, "retry_delay")
          .range(milliseconds(1), hours(1))
          .doc("With on_miss retry: how long until it looks again."),
      field(&lookup_config::retry_for, "retry_for")
          .range(milliseconds(0), hours(24))
          .doc("With on_miss retry: for how long it looks again, since its first look."),
      field(&lookup_config::when_late, "when_late")
          .choices({{"default", miss_policy::use_default},
                    {"skip", miss_policy::skip},
                    {"dead_letter", miss_policy::dead_letter}})
          .doc("With on_miss retry: what becomes of it then."),
  };
  return declared;
}

const spec<engine::retry_policy>& retry_spec() {
  using engine::retry_policy;
  static const spec<retry_policy> declared{
      field(&retry_policy::attempts_max, "attempts_max")
          .range(1U, 1'000'000U)
          .doc("Attempts on one record, the first included; then it is dead-lettered."),
      field(&retry_policy::age_max, "age_max")
          .range(milliseconds(0), hours(24))
          .doc("How long a record is retried after its first failure; then it is dead-lettered."),
      field(&retry_policy::backoff_first, "backoff_first")
          .range(milliseconds(1), seconds(60))
          .doc("Wait before the second attempt. It doubles with every further one."),
      field(&retry_policy::backoff_max, "backoff_max")
          .range(milliseconds(1), seconds(600))
          .doc("The longest wait between two attempts."),
      field(&retry_policy::jitter, "jitter")
          .range(0.0, 1.0)
          .doc("Share of the wait that is taken off at random, so that retries spread."),
  };
  return declared;
}

const spec<engine::retry_budget_policy>& retry_budget_spec() {
  using engine::retry_budget_policy;
  static const spec<retry_budget_policy> declared{
      field(&retry_budget_policy::ratio, "ratio")
          .range(0.0, 1.0)
          .doc("Retries that may fail within the window, as a share of the first attempts. 1: no limit."),
      field(&retry_budget_policy::reserve, "reserve")
          .range(1U, 1'000'000U)
          .doc("Retries that may fail within the window besides, so that single failures are retried at "
               "once."),
      field(&retry_budget_policy::window, "window")
          .range(seconds(1), seconds(600))
          .doc("The sliding window."),
  };
  return declared;
}

const spec<engine::breaker_policy>& breaker_spec() {
  using engine::breaker_policy;
  static const spec<breaker_policy> declared{
      field(&breaker_policy::ratio, "ratio")
          .range(0.01, 1.0)
          .doc("It opens when more than this share of the requests within the window fail because the server "
               "is unhealthy. 1: never."),
      field(&breaker_policy::failures_min, "failures_min")
          .range(1U, 1'000'000U)
          .doc("It does not open for fewer failures than these."),
      field(&breaker_policy::window, "window").range(seconds(1), seconds(600)).doc("The sliding window."),
      field(&breaker_policy::open_first, "open_first")
          .range(milliseconds(10), seconds(60))
          .doc("How long nothing is asked after it opened. It doubles with every probe that fails."),
      field(&breaker_policy::open_max, "open_max")
          .range(milliseconds(10), seconds(600))
          .doc("The longest time nothing is asked: what a recovery may cost."),
      field(&breaker_policy::probe_interval, "probe_interval")
          .range(milliseconds(1), seconds(60))
          .doc("Time between two probes that are under way."),
      field(&breaker_policy::probes_min, "probes_min")
          .range(1U, 1'000U)
          .doc("Probes in a row that must succeed to close it."),
  };
  return declared;
}

const spec<engine_config>& engine_spec() {
  using engine::order_mode;
  static const spec<engine_config> declared{
      field(&engine_config::workers, "workers")
          .range(0U, 256U)
          .doc("Workers: threads, each a member of the group. 0: one, or the cores minus one from three "
               "cores on."),
      field(&engine_config::in_flight_records_max, "in_flight_records_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("Records in flight, per worker. It must be free to rise when the database slows down."),
      field(&engine_config::memory_max, "memory_max")
          .range(config::byte_size{8U << 20U}, config::byte_size{1ULL << 40U})
          .doc("Bytes that records in flight may hold, of the whole process."),
      field(&engine_config::emits_per_record_max, "emits_per_record_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("What one processor may emit for one record. A record with more is dead-lettered."),
      field(&engine_config::order, "order")
          .choices({{"unordered", order_mode::unordered},
                    {"key", order_mode::key},
                    {"partition", order_mode::partition}})
          .doc("Which records wait for one another: none, those of one key, those of one partition."),
      field(&engine_config::dead_letter_topic, "dead_letter_topic")
          .required()
          .doc("Where records go that can never be processed, untouched, with the reason in headers.")
          .example("navigation-dlq"),
      field(&engine_config::dead_letter_headers, "dead_letter_headers")
          .choices({{"millrace", engine::dead_letter_header_names::millrace},
                    {"streams", engine::dead_letter_header_names::streams},
                    {"both", engine::dead_letter_header_names::both}})
          .doc("Names of a dead letter's headers: millrace.dlq.*, those of Kafka Streams (KIP-1034: "
               "__streams.errors.*), or both."),
      section(&engine_config::retry, "retry", retry_spec())
          .doc("Attempts on a record whose processing failed with an error that may pass."),
      section(&engine_config::retry_budget, "retry_budget", retry_budget_spec())
          .doc("How many retries of the whole process may fail, so that a sick database is not hammered. A "
               "retry over it waits longer; it costs no attempt, and its record does not get older."),
      section(&engine_config::breaker, "breaker", breaker_spec())
          .doc("The circuit breakers of database and broker, of each worker. While one is open nothing is "
               "taken from Kafka, and what fails costs no attempt."),
      field(&engine_config::commit_interval, "commit_interval")
          .range(milliseconds(10), seconds(600))
          .doc("How often offsets are committed."),
      field(&engine_config::start_timeout, "start_timeout")
          .range(milliseconds(0), hours(24))
          .doc("At start-up: how long Kafka, the database and the schema registry are waited for when they "
               "do not answer, not ready meanwhile. What they refuse (a password, a missing topic) ends the "
               "start at once."),
      field(&engine_config::drain_timeout, "drain_timeout")
          .range(milliseconds(0), hours(1))
          .doc("On SIGTERM: how long work in flight may take to finish."),
      field(&engine_config::leave_timeout, "leave_timeout")
          .range(milliseconds(100), seconds(300))
          .doc("On SIGTERM, after the last commits (10 s at most): how long the coordinator may take to let "
               "the workers leave the group. Then the process ends without it."),
      field(&engine_config::revoke_drain_timeout, "revoke_drain_timeout")
          .range(milliseconds(0), seconds(300))
          .doc("On a rebalance: how long the work of a partition that is given up may take to finish."),
      field(&engine_config::stuck_after, "stuck_after")
          .range(milliseconds(1'000), hours(1))
          .doc("A worker whose loop has not turned for so long is reported and fails /healthz."),
      field(&engine_config::ignore_trailing_bytes, "ignore_trailing_bytes")
          .doc("Accept records with bytes left over after the value."),
      field(&engine_config::outputs, "outputs")
          .doc("Topics of outputs, by the output's name, when they differ from it."),
  };
  return declared;
}

const spec<admin_config>& admin_spec() {
  static const spec<admin_config> declared{
      field(&admin_config::address, "address").doc("IP address of /metrics, /healthz, /readyz and /status."),
      field(&admin_config::port, "port")
          .range(std::uint16_t{0}, std::uint16_t{65535})
          .doc("0: a free port, printed at start."),
      field(&admin_config::token, "token")
          .doc("Bearer token of POST /records/TOPIC/PARTITION/OFFSET/{retry|skip|dead-letter}. Empty: these "
               "are "
               "off.")
          .example("${file:/run/secrets/millrace-admin}"),
  };
  return declared;
}

// No finding repeats a value: a URL may hold a password where none belongs.
void check_url(std::string_view path, const std::string& url, findings& found, std::string_view hint = {}) {
  if (url.empty()) return;
  if (const auto good = http::parse_url(url); !good)
    found.error(path, good.error().message(), std::string(hint));
}

void check_observing(const app_config& value, findings& found) {
  if (value.tap.enabled && value.admin.token.empty()) {
    found.error("tap.enabled", "the tap shows payloads, and `admin.token` does not protect it",
                "set `admin.token`, or remove `tap.enabled`");
  }
  check_url("tracing.endpoint", value.tracing.endpoint, found,
            "name the collector's OTLP/HTTP port: http://collector:4318");
  if (!value.tracing.ca_file.empty()) {
    const auto good = http::check({.ca_file = value.tracing.ca_file});
    if (!good) found.error("tracing.ca_file", good.error().message());
  }
}

void check_tls(const app_config& value, findings& found) {
  if (!value.cql) return;
  const cql_config& cql = *value.cql;
  if (!cql.tls && (!cql.ca_file.empty() || !cql.certificate_file.empty())) {
    found.error("cql.tls", "TLS files are given but `cql.tls` is false, so nothing would be encrypted",
                "set `tls: true`, or remove ca_file and certificate_file");
  }
  if (cql.tls && cql.ca_file.empty()) {
    found.error("cql.ca_file", "`cql.tls` is true but there is no authority to verify the servers with",
                "set `ca_file` to a PEM file");
  }
  if (cql.certificate_file.empty() != cql.key_file.empty()) {
    found.error("cql.key_file", "a client certificate needs both `certificate_file` and `key_file`");
  }
  if (cql.user.empty() && !cql.password.empty())
    found.error("cql.user", "a password is given without a user");
  if (!cql.user.empty() && cql.password.empty())
    found.error("cql.password", "a user is given without a password");
}

void check_cql(const app_config& value, findings& found) {
  if (!value.cql) return;
  const cql_config& cql = *value.cql;
  if (!cql.rack.empty() && cql.datacenter.empty()) {
    found.error("cql.rack", "a rack is preferred without its datacentre", "set `datacenter` too");
  }
  if (cql.datacenter_failover && cql.datacenter.empty()) {
    found.error("cql.datacenter_failover", "there is no preferred datacentre to leave",
                "set `datacenter` too");
  }
  if (cql.speculative_after.count() > 0 && cql.speculative_after >= cql.request_timeout) {
    found.error("cql.speculative_after", "a second execution would begin after the statement's deadline",
                "keep it below `request_timeout`");
  }
}

void check_registry(const app_config& value, findings& found) {
  if (!value.registry) return;
  const registry_config& registry = *value.registry;
  bool encrypted = true;
  for (std::size_t i = 0; i < registry.urls.size(); ++i) {
    check_url("registry.urls[" + std::to_string(i) + "]", registry.urls[i], found);
    if (!registry.urls[i].starts_with("https://")) encrypted = false;
  }
  const int ways =
      (registry.user.empty() ? 0 : 1) + (registry.bearer_token.empty() ? 0 : 1) + (registry.oauth ? 1 : 0);
  if (ways > 1) {
    found.error("registry", "more than one of `user`, `bearer_token` and `oauth` is given",
                "keep the one that the registry asks for");
  }
  if (registry.user.empty() && !registry.password.empty())
    found.error("registry.user", "a password is given without a user");
  if (registry.certificate_file.empty() != registry.key_file.empty())
    found.error("registry.key_file", "a client certificate needs both `certificate_file` and `key_file`");
  if (registry.key_file.empty() && !registry.key_password.empty())
    found.error("registry.key_password", "the password of a key is given without the key");
  if (registry.backoff_first > registry.backoff_max)
    found.error("registry.backoff_first", "the first pause is longer than `backoff_max`, the longest",
                "lower it, or raise `registry.backoff_max`");
  if (registry.oauth) check_url("registry.oauth.token_url", registry.oauth->token_url, found);
  if (registry.proxy) {
    check_url("registry.proxy.url", registry.proxy->url, found);
    if (registry.proxy->url.starts_with("https://"))
      found.error("registry.proxy.url", "a proxy is spoken to with http, not https");
    if (registry.proxy->user.empty() && !registry.proxy->password.empty())
      found.error("registry.proxy.user", "a password is given without a user");
  }
  if (ways > 0 && !encrypted) {
    found.warning("registry.urls", "credentials are sent unencrypted to a URL that begins with http://",
                  "use https:// where the network is not yours alone");
  }
}

void check_lookups(const app_config& value, findings& found) {
  for (std::size_t i = 0; i < value.lookups.size(); ++i) {
    const lookup_config& each = value.lookups[i];
    const std::string path = "lookups[" + std::to_string(i) + "]";
    for (std::size_t k = 0; k < i; ++k) {
      if (value.lookups[k].name == each.name)
        found.error(path + ".name", "lookup '" + each.name + "' is configured twice",
                    "put both into one entry");
    }
    if (each.on_miss == statements::miss_policy::retry && each.negative_ttl && each.retry_delay &&
        *each.negative_ttl > *each.retry_delay) {
      found.error(path + ".negative_ttl",
                  "it is longer than `retry_delay`: a record that looks again would see the cached miss",
                  "lower it, or raise `retry_delay`");
    }
  }
}

void check_engine(const app_config& value, findings& found) {
  for (const std::string& topic : value.kafka.topics) {
    if (topic == value.engine.dead_letter_topic) {
      found.error("engine.dead_letter_topic", "the dead-letter topic is also read: letters would loop",
                  "choose a topic that is not in `kafka.topics`");
    }
  }
  if (value.engine.retry.backoff_first > value.engine.retry.backoff_max) {
    found.error("engine.retry.backoff_first", "the first wait is longer than `backoff_max`, the longest",
                "lower it, or raise `engine.retry.backoff_max`");
  }
  if (value.engine.breaker.open_first > value.engine.breaker.open_max) {
    found.error("engine.breaker.open_first", "the first pause is longer than `open_max`, the longest",
                "lower it, or raise `engine.breaker.open_max`");
  }
  if (value.kafka.protocol == group_protocol::consumer && value.kafka.assignor) {
    found.error("kafka.assignor", "under the group protocol `consumer` the brokers assign the partitions",
                "remove it, and set group.consumer.assignors on the brokers; or choose `protocol: classic`");
  }
  if (value.kafka.start_from == offset_policy::latest) {
    found.warning("kafka.start_from", "records produced before the first start will not be processed");
  }
}

}  // namespace

const config::spec<app_config>& app_spec() {
  static const spec<app_config> declared =
      spec<app_config>{
          section(&app_config::kafka, "kafka", kafka_spec()).doc("The source and the producer."),
          section(&app_config::registry, "registry", registry_spec()).doc("The schema registry."),
          section(&app_config::cql, "cql", cql_spec()).doc("ScyllaDB or Cassandra."),
          config::sections(&app_config::lookups, "lookups", lookup_spec())
              .doc("Settings of the lookups that processors declare (docs/lookups.md)."),
          section(&app_config::engine, "engine", engine_spec()).doc("Limits and policies."),
          section(&app_config::admin, "admin", admin_spec()).doc("The admin endpoint."),
          section(&app_config::log, "log", log_spec()).doc("Messages on standard error."),
          section(&app_config::metrics, "metrics", metrics_spec()).doc("What /metrics counts."),
          section(&app_config::tap, "tap", tap_spec()).doc("Samples of live records for `millrace tap`."),
          section(&app_config::tracing, "tracing", tracing_spec()).doc("Sampled records as traces."),
      }
          .check(check_buckets)
          .check(check_observing)
          .check(check_tls)
          .check(check_registry)
          .check(check_lookups)
          .check(check_cql)
          .check(check_engine);
  return declared;
}

}  // namespace millrace::app
