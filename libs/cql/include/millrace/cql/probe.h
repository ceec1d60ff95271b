// Probe of a node: its offer to clients, before any login. For tools that describe a cluster.
//
// Example, at namespace scope:
//
//   result<bool> is_sharded(const cql::session_options& options) {
//     const auto offer = cql::probe(options, {.host = "10.0.0.1", .port = 9042});
//     if (!offer) return offer.error();
//     return offer->shards > 1;
//   }
//
// The probe connects, with TLS when the options say so, sends OPTIONS and reads SUPPORTED (section 4.1.3 of the native
// protocol, and ScyllaDB's description of its protocol extensions). It needs no password and changes nothing.
//
// Threads: any; probe() blocks for up to session_options::connect_timeout.
// Errors: errc::db_unavailable (nothing answers, or no name is found), errc::tls_error, errc::db_protocol (the answer
// is not that of a CQL server).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/cql/session.h>

namespace millrace::cql {

// Where to connect.
struct probe_target {
  // A shard of a node, asked for by the source port.
  struct shard_choice {
    std::uint32_t shard = 0;
    std::uint32_t shards = 1;
  };

  std::string host = {};  // a name or an address
  std::uint16_t port = 9042;
  std::optional<shard_choice> by_shard = {};  // for ports that look at the source port
};

// The answer of a node.
struct node_offer {
  std::vector<std::pair<std::string, std::vector<std::string>>> supported = {};  // as the server listed it
  // The extensions of `supported` that connections of a session accept, by the names that STARTUP has.
  std::vector<std::string> accepted = {};
  // Of ScyllaDB. `shards` is 0 for a node without shards.
  std::uint32_t shards = 0;
  std::uint32_t shard = 0;  // that serves this connection
  std::uint32_t ignored_msb = 0;
  std::uint16_t shard_port = 0;  // where the source port chooses the shard, of the options' kind; 0: none
};

// Asks a node.
[[nodiscard]] result<node_offer> probe(const session_options& options, const probe_target& at);

// The shard that has a token, as ScyllaDB computes it without tablets.
[[nodiscard]] std::uint32_t shard_of_token(std::int64_t token, const node_offer& node) noexcept;

}  // namespace millrace::cql
