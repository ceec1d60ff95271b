// Client of a Confluent-compatible schema registry: schemas by id and GUID with their references, for the
// record path; registration and queries of subjects, for start-up and tools.
//
// Example, at namespace scope:
//
//   result<std::int32_t> newest_id(registry::client_options options) {
//     options.urls = {"http://registry-1:8081", "http://registry-2:8081"};
//     const auto client = registry::client::create(std::move(options));
//     if (!client) return client.error();
//     const auto newest = (*client)->find("visits-value", registry::client::latest);
//     if (!newest) return newest.error();
//     return newest->id;
//   }
//
// Cache. The schema of an id, or of a GUID, never changes within a registry's context. It is kept in memory
// without expiry (the least recently used is removed first) and, with `cache_folder`, on disk. Identical
// lookups in flight share one request. "No such id" is cached for seconds only, because a follower of the
// registry may lag. Nothing else is cached: "latest" is requested every time.
//
// Failover. The client tries every URL in turn, first the one that answered last. A URL that fails, or
// answers 429, is not used for a time that doubles with every failure and is jittered, or that the answer
// named (Retry-After). While no URL may be used, calls fail at once. Within one call nothing is sent twice,
// except once more with a new token or other credentials. No message holds a password, token or key.
//
// Rotation. use() replaces the credentials for the requests that follow. After a 401, or a refusal of the token
// endpoint, the client also requests the credentials of now (`current_credentials`); when they are others, it
// uses them from then on, and the request is repeated once.
//
// Errors:
//
//   code                  cause
//   registry_unavailable  no usable answer; another try may succeed; never a reason to give up a record
//   schema_not_found      a registry said so in its own words; a 404 without them is registry_unavailable
//   registry_unauthorized 401, 403, or the token endpoint refuses the credentials
//   tls_error             a certificate is refused; nothing was sent
//   unsupported           not Avro, or its rules encrypt
//   schema_invalid        the registry refuses the schema that was sent, or references form a cycle
//   schema_incompatible   409
//   limit_exceeded        too many references
//   cancelled             the client was destroyed
//
// Threads: every call is thread-safe. There is one client per process, with a few threads of its own for HTTP
// and files, so that a worker never waits for the network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/byte_size.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/secret.h>
#include <millrace/base/values.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>

namespace millrace::metrics {
class catalogue;
class registry;
}  // namespace millrace::metrics

namespace millrace::registry {

// OAuth 2.0 client credentials. The client fetches a token when it needs one, once for all threads, and
// renews it 300 s before it expires, or a fifth of its life before when that is shorter.
struct oauth_options {
  std::string token_url;
  std::string client_id;
  secret client_secret;
  std::string scope;    // "": none is requested
  std::string ca_file;  // PEM file of the authorities of the token endpoint; "": client_options::ca_file
};

struct proxy_options {
  std::string url;   // http://host:port; https goes through a CONNECT tunnel
  std::string user;  // "": the proxy asks for no credentials
  secret password;
};

// The secrets of a client that may change while it runs.
struct login {
  std::string user = {};
  secret password = {};
  secret bearer_token = {};
  std::string oauth_client_id = {};
  secret oauth_client_secret = {};
};

// A change of state. The views are valid during the call.
struct client_event {
  std::string_view name;   // registry_failed, registry_recovered, schema_cache_failed, credentials_renewed
  std::string_view url;    // of the registry; empty for the cache and for credentials
  std::string_view error;  // empty for a recovery and for credentials
};

struct client_options {
  std::vector<std::string> urls;  // http://host:port[/path] or https://..., tried in order
  std::string context;  // such as ".staging"; ids are unique within a context. "": the default context

  // At most one of user, bearer_token and oauth.
  std::string user;  // basic authentication
  secret password;
  secret bearer_token;
  std::optional<oauth_options> oauth;
  // Returns the credentials of now; called after a refusal, on the thread of the refused call. Empty: only use()
  // replaces credentials.
  std::function<result<login>()> current_credentials = {};
  std::map<std::string, std::string> headers;  // sent with every request to a registry

  // For https. The client always verifies authority and host name. It reads the files for every connection.
  std::string ca_file;           // PEM; "": the system's authorities
  std::string certificate_file;  // PEM; for mutual TLS, with key_file
  std::string key_file;
  secret key_password;
  std::optional<proxy_options> proxy;

  milliseconds connect_timeout{3'000};  // for one connection attempt, including TLS
  milliseconds timeout{5'000};          // for one request, to the last byte of the response
  milliseconds backoff_first{100};      // before a URL that failed is used again; doubles with each failure
  milliseconds backoff_max{5'000};
  milliseconds retry_after_max{60'000};   // upper bound of a Retry-After header
  milliseconds not_found_ttl{2'000};      // for the cached response "no such id"
  std::uint32_t connections_max = 4;      // concurrent requests
  byte_size response_bytes_max = mib(4);  // for one response, and for one schema with its references

  std::size_t cached_ids_max = 10'000;
  byte_size cached_bytes_max = mib(64);
  std::string cache_folder;            // "": no cache on disk. Created when missing; processes may share it
  std::size_t disk_ids_max = 100'000;  // files in the folder; the oldest is removed for a new one

  bool registers = true;    // false: register_schema() finds the schema and fails when it is absent
  bool normalizes = false;  // the registry ignores differences without a meaning

  std::function<void(const client_event&)> on_event;  // called on any thread; may be empty
  metrics::registry* counts = nullptr;                // must outlive the client
  const clock* time = nullptr;  // for tests; thread-safe. Socket timeouts use the real clock
};

// Calls `refuse` for every rule that the options break, with the option's name ("oauth.token_url") and the
// reason, which repeats no value. Reads no file. Thread-safe.
using option_problem = std::function<void(std::string_view option, std::string why)>;
void check(const client_options& options, const option_problem& refuse);
// Returns what use() may replace.
[[nodiscard]] login login_of(const client_options& options);

// How one schema uses another: the name it uses, and where that is defined.
struct schema_reference {
  std::string name;
  std::string subject;
  std::int32_t version = 0;
};

// A version of a subject.
struct subject_version {
  std::string subject;
  std::int32_t version = 0;
  std::int32_t id = 0;
  stream::schema_document schema;
};

// The registry's verdict on a new version.
struct compatibility {
  bool compatible = false;
  std::string why;  // the registry's reasons when it is not
};

// Declares the metrics of clients.
void declare_metrics(metrics::catalogue& into);

// The client.
class client {
 public:
  using document = std::shared_ptr<const stream::schema_document>;
  // Receives the answer of fetch(), once: on the caller's thread when the schema is in memory, on one of the
  // client's threads otherwise.
  using on_schema = std::function<void(result<document>)>;

  // Creates a client, which connects at its first request. Returns errc::config_invalid, or errc::tls_error
  // for a file that cannot be used.
  [[nodiscard]] static result<std::unique_ptr<client>> create(client_options options);
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  // Cancels requests in flight; pending lookups are answered with errc::cancelled.
  virtual ~client() = default;

  // The most lookups that may wait. Further ones are answered with errc::registry_unavailable.
  static constexpr std::size_t lookups_max = 100'000;
  // Requests the schema of an id, or of a GUID. Does not block.
  virtual void fetch(std::int32_t id, on_schema done) = 0;
  virtual void fetch(const uuid& guid, on_schema done) = 0;

  // The calls below block, for up to the timeouts of a few requests.

  // Registers a schema and returns its id. Idempotent: an equal schema of the subject keeps its id. With a
  // cache folder the id is also known to a later process that cannot reach the registry.
  [[nodiscard]] virtual result<std::int32_t> register_schema(
      std::string_view subject, std::string_view text,
      const std::vector<schema_reference>& references = {}) = 0;
  // Returns a version of a subject: 1 and up, or `latest` for the newest.
  static constexpr std::int32_t latest = -1;
  [[nodiscard]] virtual result<subject_version> find(std::string_view subject, std::int32_t version) = 0;
  // Returns whether the registry would accept `text` as the subject's next version, by the subject's own
  // rules.
  [[nodiscard]] virtual result<compatibility> compare(
      std::string_view subject, std::string_view text,
      const std::vector<schema_reference>& references = {}) = 0;
  // Checks that the registry can be reached and accepts the credentials.
  [[nodiscard]] virtual result<void> check() = 0;

  // Replaces the credentials for the requests that follow, and reports `credentials_renewed` when they are
  // others. A token in use stays in use. Returns errc::config_invalid, and changes nothing, for credentials that
  // HTTP cannot carry, and where OAuth is added or removed. Does not block.
  [[nodiscard]] virtual result<void> use(const login& now) = 0;

  // Counters since the start, and sizes as of now.
  struct statistics {
    std::uint64_t hits = 0;  // lookups answered from memory, "no such id" included
    std::uint64_t misses = 0;
    std::uint64_t disk_hits = 0;
    std::uint64_t requests = 0;  // HTTP requests
    std::uint64_t failures = 0;  // of those: no usable answer
    std::uint64_t tokens = 0;    // requests to the token endpoint
    std::size_t entries = 0;
    std::size_t bytes = 0;
    std::size_t disk_entries = 0;  // schemas and registrations
    std::uint64_t disk_failures = 0;
    std::size_t resting = 0;  // URLs that are not used now
  };
  // The statistics as of now.
  [[nodiscard]] virtual statistics stats() const = 0;

 protected:
  client() = default;
};

// Checks that the client can use a URL. Returns errc::config_invalid otherwise; the message repeats no
// credentials.
[[nodiscard]] result<void> check_url(std::string_view url);

// Returns the port `schemas` of one worker, whose answers arrive on the worker's loop. The client must
// outlive it. A receiver that still waits when the port is destroyed is never called.
[[nodiscard]] std::unique_ptr<stream::schemas> make_schemas(client& shared, runtime::loop& worker);

}  // namespace millrace::registry
