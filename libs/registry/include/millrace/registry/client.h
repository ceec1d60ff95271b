// Client of a Confluent-compatible schema registry: schemas by id and GUID with their references, for the
// record path; registration and questions about subjects, for start-up and tools.
//
// One client per process. It has a few threads of its own for HTTP and files: a worker never touches the
// network. Every call is thread-safe.
//
// What is cached: the schema of an id, or of a GUID, never changes within a registry's context, so it is kept
// in memory without expiry (the longest unused goes first) and, with `cache_folder`, on disk. Identical
// lookups in flight share one request. "No such id" is remembered for seconds only, because a follower of the
// registry may lag. Nothing else is cached: "latest" is asked every time.
//
// How it asks: every URL in turn, the one that answered last first. A URL that fails, or says 429, rests for
// a time that doubles with every failure and is jittered, or that the answer named (Retry-After); while all
// of them rest, calls fail at once. Nothing is asked twice within one call except once more with a new token.
//
// Errors: registry_unavailable (no usable answer: worth another try, never a reason to give up a record),
// schema_not_found (a registry said so in its own words; a 404 without them is registry_unavailable),
// registry_unauthorized (401, 403, or the token endpoint refuses us), tls_error (a certificate is refused:
// nothing was sent), unsupported (not Avro, or its rules encrypt), schema_invalid (the registry refuses what
// was sent; references that form a cycle), schema_incompatible (409), limit_exceeded (too many references).
// No message holds a password, token or key.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>

namespace millrace::metrics {
class catalogue;
class registry;
}  // namespace millrace::metrics

namespace millrace::registry {

// OAuth 2.0 client credentials: the token is fetched when it is needed, once for all threads, and renewed
// before it expires (300 s before, or a fifth of its life when that is shorter).
struct oauth_options {
  std::string token_url;  // empty: no OAuth
  std::string client_id;
  std::string client_secret;
  std::string scope;
  std::string ca_file;  // of the token endpoint; "" = the registry's
};

struct client_options {
  // http://host:port[/path] or https://..., tried in order.
  std::vector<std::string> urls;
  // A registry's context such as ".staging", where ids have a meaning of their own. "": the default one.
  std::string context;

  // At most one of user, bearer_token and oauth.
  std::string user;  // basic authentication
  std::string password;
  std::string bearer_token;
  oauth_options oauth;
  std::map<std::string, std::string> headers;  // sent with every request to a registry

  // For https. Certificates are always verified, for authority and host name. Files are read anew for every
  // connection.
  std::string ca_file;           // "" = the system's authorities
  std::string certificate_file;  // mutual TLS
  std::string key_file;
  std::string key_password;
  std::string proxy_url;  // http://host:port; https goes through a CONNECT tunnel
  std::string proxy_user;
  std::string proxy_password;

  milliseconds connect_timeout{3'000};  // of one connection, TLS included
  milliseconds timeout{5'000};          // of one request on it, to the last byte of the answer
  milliseconds backoff_first{100};
  milliseconds backoff_max{5'000};
  milliseconds retry_after_max{60'000};        // the longest rest that an answer may name
  milliseconds not_found_ttl{2'000};           // how long "no such id" is remembered
  std::uint32_t connections_max = 4;           // requests under way at a time
  std::size_t response_bytes_max = 4U << 20U;  // of one answer, and of one schema with its references

  std::size_t cached_ids_max = 10'000;
  std::size_t cached_bytes_max = 64U << 20U;
  std::string cache_folder;            // "": nothing on disk. Created when missing; may be shared
  std::size_t disk_ids_max = 100'000;  // the oldest is removed for a new one

  // Whether register_schema() may register. Off: the schema must be there already.
  bool registers = true;
  bool normalizes = false;  // the registry ignores differences without a meaning

  // Told about changes of state, seldom, on any thread: "event=registry_down url=... error=...".
  std::function<void(const std::string&)> on_event;
  metrics::registry* counts = nullptr;  // must outlive the client
  const clock* time = nullptr;          // for tests; thread-safe. Timeouts of sockets are real
};

// How one schema uses another: the name it uses, and where that is defined.
struct schema_reference {
  std::string name;
  std::string subject;
  std::int32_t version = 0;
};

// What stands under a version of a subject.
struct subject_version {
  std::string subject;
  std::int32_t version = 0;
  std::int32_t id = 0;
  stream::schema_document schema;
};

struct compatibility {
  bool compatible = false;
  std::string why;  // what the registry says when it is not
};

// What clients count.
void declare_metrics(metrics::catalogue& into);

class client {
 public:
  using document = std::shared_ptr<const stream::schema_document>;
  // Called once: on the caller's thread for what is in memory, on one of the client's otherwise.
  using on_schema = std::function<void(result<document>)>;

  // errc::config_invalid, errc::tls_error (files). Connects lazily.
  [[nodiscard]] static result<std::unique_ptr<client>> create(client_options options);
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  // Gives up what is under way; pending lookups are answered with errc::cancelled.
  virtual ~client() = default;

  // errc::registry_unavailable also when lookups_max others wait already.
  static constexpr std::size_t lookups_max = 100'000;
  virtual void fetch(std::int32_t id, on_schema done) = 0;
  virtual void fetch(const uuid& guid, on_schema done) = 0;

  // The calls below block.

  // Idempotent: an equal schema of the subject keeps its id. With a cache folder the id is known from then
  // on, also to a later process that cannot reach the registry.
  [[nodiscard]] virtual result<std::int32_t> register_schema(
      std::string_view subject, std::string_view text,
      const std::vector<schema_reference>& references = {}) = 0;
  // `version`: 1 and up; latest for the newest one.
  static constexpr std::int32_t latest = -1;
  [[nodiscard]] virtual result<subject_version> find(std::string_view subject, std::int32_t version) = 0;
  // Whether the registry would take `text` as the subject's next version, by the subject's own rules.
  [[nodiscard]] virtual result<compatibility> compare(
      std::string_view subject, std::string_view text,
      const std::vector<schema_reference>& references = {}) = 0;
  // Can the registry be reached, and does it accept our credentials?
  [[nodiscard]] virtual result<void> check() = 0;

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
    std::size_t resting = 0;  // URLs that are not asked now
  };
  [[nodiscard]] virtual statistics stats() const = 0;

 protected:
  client() = default;
};

// errc::config_invalid when it is not a URL this client can use; the message repeats no credentials.
[[nodiscard]] result<void> check_url(std::string_view url);

// The schemas port of one worker: answers arrive on the worker's loop. The client must outlive it; receivers
// that still wait when it is destroyed are never told.
[[nodiscard]] std::unique_ptr<stream::schemas> make_schemas(client& shared, runtime::loop& worker);

}  // namespace millrace::registry
