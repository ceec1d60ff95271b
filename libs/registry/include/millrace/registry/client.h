// Client of a Confluent-compatible schema registry: schemas by id, registration.
//
// One client per process, with one thread of its own for HTTP: the network is never touched on a worker. Ids
// are immutable, so a schema once fetched stays in memory; identical lookups in flight share one request; an
// unknown id is remembered for seconds only, because a follower of the registry may lag. Every call is
// thread-safe.
//
// Errors: schema_not_found (the registry says 404), registry_unauthorized (401, 403), registry_unavailable
// (no answer, 429, 5xx: worth another try; every URL was tried), tls_error (certificate refused: nothing was
// sent), unsupported (the schema is not Avro, or its rules say that the data is encrypted).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>

namespace millrace::registry {

struct client_options {
  std::vector<std::string>
      urls;          // http://host:port or https://host:port, tried in order, the last good one first
  std::string user;  // basic authentication when not empty
  std::string password;
  std::string
      ca_file;  // "" = the system's authorities; certificates are always verified, for peer and host name
  milliseconds timeout{5'000};        // of one request to one URL, connecting included
  milliseconds not_found_ttl{2'000};  // how long a 404 is remembered
  std::size_t response_bytes_max = 4U << 20U;
  std::size_t cached_ids_max = 10'000;  // the longest unused is forgotten first
};

class client {
 public:
  using schema_text = std::shared_ptr<const std::string>;
  // Called once, on the client's thread or, for what is cached, on the caller's.
  using on_schema = std::function<void(result<schema_text>)>;

  // errc::config_invalid when a URL cannot be used. Connects lazily.
  [[nodiscard]] static result<std::unique_ptr<client>> create(client_options options);
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  // Pending lookups are answered with errc::cancelled.
  virtual ~client() = default;

  virtual void fetch(std::int32_t id, on_schema done) = 0;
  // Blocks. Idempotent: an equal schema of the subject keeps its id.
  [[nodiscard]] virtual result<std::int32_t> register_schema(std::string_view subject,
                                                             std::string_view text) = 0;
  // Blocks: can the registry be reached and does it accept our credentials?
  [[nodiscard]] virtual result<void> check() = 0;

  struct statistics {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t requests = 0;  // HTTP requests, retries included
    std::uint64_t failures = 0;  // of those
    std::size_t entries = 0;
  };
  [[nodiscard]] virtual statistics stats() const = 0;

 protected:
  client() = default;
};

// The schemas port of one worker: answers arrive on the worker's loop. The client must outlive it; receivers
// that still wait when it is destroyed are never told.
[[nodiscard]] std::unique_ptr<stream::schemas> make_schemas(client& shared, runtime::loop& worker);

}  // namespace millrace::registry
