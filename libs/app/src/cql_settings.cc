#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::spec;
using std::chrono::hours;

namespace {

void check_tls(const cql_settings& value, findings& found) {
  if (!value.tls && (!value.ca_file.empty() || !value.certificate_file.empty())) {
    found.error("tls", "TLS files are set but `cql.tls` is false, so connections would not be encrypted",
                "set `tls: true`, or remove ca_file and certificate_file");
  }
  if (value.tls && value.ca_file.empty()) {
    found.error("ca_file", "`cql.tls` is true but no authority is set to verify the servers with",
                "set `ca_file` to a PEM file");
  }
  if (value.certificate_file.empty() != value.key_file.empty())
    found.error("key_file", "a client certificate needs both `certificate_file` and `key_file`");
}

void check_cql(const cql_settings& value, findings& found) {
  check_tls(value, found);
  if (value.user.empty() && !value.password.empty()) found.error("user", "a password is set without a user");
  if (!value.user.empty() && value.password.empty())
    found.error("password", "a user is set without a password");
  if (!value.rack.empty() && value.datacenter.empty())
    found.error("rack", "a rack is preferred without its datacenter", "set `datacenter` too");
  if (value.datacenter_failover && value.datacenter.empty()) {
    found.error("datacenter_failover", "failover needs a preferred datacenter", "set `datacenter` too");
  }
  if (value.speculative_after.count() > 0 && value.speculative_after >= value.request_timeout) {
    found.error("speculative_after", "a speculative execution would start after the statement's deadline",
                "keep it below `request_timeout`");
  }
}

void check_lookup(const lookup_settings& value, findings& found) {
  if (value.on_miss == statements::miss_policy::retry && value.negative_ttl && value.retry_delay &&
      *value.negative_ttl > *value.retry_delay) {
    found.error("negative_ttl",
                "`negative_ttl` is longer than `retry_delay`: a retry would read the cached miss",
                "lower it, or raise `retry_delay`");
  }
}

// The settings of connections and requests that most installations leave as they are.
void add_details(spec<cql_settings>& to) {
  to.add({
      field(&cql_settings::connections_max, "connections_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("Limit of connections of the process. A worker has one to each node and shard, fewer when "
               "the limit requires it, and at least one to each node."),
      field(&cql_settings::compression, "compression")
          .choices({{"none", cql::frame_compression::none},
                    {"lz4", cql::frame_compression::lz4},
                    {"snappy", cql::frame_compression::snappy}})
          .doc("Compression of requests and responses, when the server offers it. Saves traffic between "
               "zones, and costs CPU time."),
      field(&cql_settings::client_timestamps_set, "client_timestamps")
          .doc("Give writes without a timestamp the worker's clock, strictly increasing, so that two "
               "writes of one worker take effect in their order. Default: true when a processor orders "
               "its records by key, otherwise false."),
      field(&cql_settings::request_bytes_max, "request_bytes_max")
          .range(kib(64), mib(256))
          .doc("Limit of the size of a request. Servers end a connection that sends a larger one "
               "(Cassandra: native_transport_max_frame_size)."),
      field(&cql_settings::unauthorized_after, "unauthorized_after")
          .range(milliseconds(0), hours(1))
          .doc("Period in which a refused permission, or a table that is gone, is retried before it ends the "
               "process: servers also refuse when they cannot read their tables of permissions, and a "
               "migration may make a table again."),
      field(&cql_settings::address_map, "address_map")
          .doc("Addresses to connect to in place of those that the cluster announces, for nodes behind "
               "NAT: \"10.0.0.1:9042\": \"127.0.0.1:19142\"."),
  });
}

}  // namespace

const spec<cql_settings>& cql_spec() {
  static const spec<cql_settings> declared = [] {
    auto all = spec<cql_settings>{
        field(&cql_settings::contact_points, "contact_points")
            .required()
            .doc("Nodes to connect to first, as host or host:port. The default port is 9042.")
            .example("[scylla-1, scylla-2]"),
        field(&cql_settings::keyspace, "keyspace").doc("Keyspace of statements that name none."),
        field(&cql_settings::user, "user").doc("User name."),
        field(&cql_settings::password, "password")
            .doc("Password. It may be rotated: new connections use the password of now.")
            .example("${file:/run/secrets/cql}"),
        field(&cql_settings::tls, "tls")
            .doc("Encrypt connections and verify the servers. There is no fallback to plaintext."),
        field(&cql_settings::ca_file, "ca_file").doc("PEM file of the authorities to trust."),
        field(&cql_settings::certificate_file, "certificate_file").doc("PEM file of the client certificate."),
        field(&cql_settings::key_file, "key_file").doc("PEM file of the client certificate's key."),
        field(&cql_settings::datacenter, "datacenter").doc("Preferred datacenter. Empty: no preference."),
        field(&cql_settings::rack, "rack").doc("Preferred rack within the datacenter."),
        field(&cql_settings::datacenter_failover, "datacenter_failover")
            .doc("Allow requests to another datacenter when the preferred one is down."),
        field(&cql_settings::consistency, "consistency")
            .check([](const std::string& name) { return cql::expected_consistency(name); })
            .doc("Default consistency level of statements."),
        field(&cql_settings::connect_timeout, "connect_timeout")
            .range(milliseconds(100), milliseconds(120'000))
            .doc("Timeout for connecting at start-up, for all nodes together."),
        field(&cql_settings::request_timeout, "request_timeout")
            .range(milliseconds(10), milliseconds(120'000))
            .doc("Default deadline of a statement. Keep it above the server's own timeout."),
        field(&cql_settings::keepalive, "keepalive")
            .range(milliseconds(1'000), milliseconds(300'000))
            .doc("Interval of keep-alive requests. A connection that is silent for twice as long is "
                 "closed."),
        field(&cql_settings::speculative_after, "speculative_after")
            .range(milliseconds(0), milliseconds(120'000))
            .doc("Delay after which an idempotent statement without a response is also executed on "
                 "another node. 0: never."),
        field(&cql_settings::speculative_max, "speculative_max")
            .range(1U, 5U)
            .doc("Limit of further executions that `speculative_after` starts."),
        field(&cql_settings::store, &cql::store_options::in_flight_max, "in_flight_max")
            .range(std::size_t{1}, std::size_t{65'536})
            .doc("Limit of requests in flight per worker; further requests wait. One node holds at most "
                 "its share."),
        field(&cql_settings::prepared_max, "prepared_max")
            .range(std::size_t{1}, std::size_t{100'000})
            .doc("Limit of distinct prepared statements of the process."),
    };
    add_details(all);
    return std::move(all)
        .check(check_cql)
        .retired("data_plane", "all requests go over the workers' own connections")
        .retired("io_threads", "all requests go over the workers' own connections");
  }();
  return declared;
}

const spec<lookup_settings>& lookup_spec() {
  using statements::miss_policy;
  static const spec<lookup_settings> declared =
      spec<lookup_settings>{
          field(&lookup_settings::name, "name")
              .required()
              .doc("Name of the lookup, as the processor declares it.")
              .example("profiles"),
          field(&lookup_settings::entries_max, "entries_max")
              .range(std::size_t{0}, std::size_t{10'000'000})
              .doc("Limit of cached rows, per worker. 0: no cache."),
          field(&lookup_settings::bytes_max, "bytes_max")
              .range(byte_size{0}, gib(64))
              .doc("Memory limit of cached rows, per worker. All caches together may use half of "
                   "`engine.memory_max`, which they count against."),
          field(&lookup_settings::ttl, "ttl")
              .range(milliseconds(0), hours(24))
              .doc("Lifetime of a cached row, from its request on. 0: rows are not cached."),
          field(&lookup_settings::negative_ttl, "negative_ttl")
              .range(milliseconds(0), hours(24))
              .doc("Lifetime of the cached response that a row does not exist."),
          field(&lookup_settings::on_miss, "on_miss")
              .choices({{"default", miss_policy::use_default},
                        {"skip", miss_policy::skip},
                        {"retry", miss_policy::retry},
                        {"dead_letter", miss_policy::dead_letter}})
              .doc("Action for a record without a row: continue with the default row, skip the record, "
                   "retry the lookup later, or send the record to the dead-letter topic."),
          field(&lookup_settings::retry_delay, "retry_delay")
              .range(milliseconds(1), hours(1))
              .doc("With on_miss retry: delay between two lookups."),
          field(&lookup_settings::retry_for, "retry_for")
              .range(milliseconds(0), hours(24))
              .doc("With on_miss retry: period of retries, from the first lookup on."),
          field(&lookup_settings::when_late, "when_late")
              .choices({{"default", miss_policy::use_default},
                        {"skip", miss_policy::skip},
                        {"dead_letter", miss_policy::dead_letter}})
              .doc("With on_miss retry: action for a record without a row after that period."),
      }
          .check(check_lookup);
  return declared;
}

}  // namespace millrace::app
