// The opcodes that open a connection (OPTIONS, STARTUP, AUTH_RESPONSE, REGISTER), and the events of the cluster.
#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include <millrace/base/assert.h>

#include "cql_request.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::string_view tablets_extension = "TABLETS_ROUTING_V1";
constexpr std::string_view rate_limit_extension = "SCYLLA_RATE_LIMIT_ERROR";
constexpr std::string_view metadata_id_extension = "SCYLLA_USE_METADATA_ID";
constexpr std::string_view lwt_mark_extension = "SCYLLA_LWT_ADD_METADATA_MARK";

// By event_kind.
constexpr std::array<std::string_view, event_kind_count> event_names{"SCHEMA_CHANGE", "TOPOLOGY_CHANGE",
                                                                     "STATUS_CHANGE"};

using string_multimap = std::vector<std::pair<std::string, std::vector<std::string>>>;

void put_multimap(std::string& out, const string_multimap& entries) {
  put_u16(out, static_cast<std::uint16_t>(entries.size()));
  for (const auto& [key, values] : entries) {
    put_string(out, key);
    put_u16(out, static_cast<std::uint16_t>(values.size()));
    for (const std::string& each : values) put_string(out, each);
  }
}

// ScyllaDB's extensions (protocol-extensions.md): which shard this connection is served by, how tokens map to
// shards, and what a client may ask for.
void add_scylla_options(string_multimap& out, const emulated_node& of, const session& with,
                        const cluster_node& node) {
  out.push_back({"SCYLLA_SHARD", {std::to_string(with.shard)}});
  out.push_back({"SCYLLA_NR_SHARDS", {std::to_string(node.shards)}});
  out.push_back({"SCYLLA_PARTITIONER", {"org.apache.cassandra.dht.Murmur3Partitioner"}});
  out.push_back({"SCYLLA_SHARDING_ALGORITHM", {"biased-token-round-robin"}});
  out.push_back({"SCYLLA_SHARDING_IGNORE_MSB", {std::to_string(sharding_ignored_bits)}});
  if (of.options.shard_aware_port != shard_aware_port_mode::hidden) {
    const bool tls = !of.options.tls_certificate_file.empty();
    out.push_back({tls ? "SCYLLA_SHARD_AWARE_PORT_SSL" : "SCYLLA_SHARD_AWARE_PORT",
                   {std::to_string(of.shard_aware_port)}});
  }
  out.push_back({"SCYLLA_HOST_ID", {node.host_id.to_string()}});
  out.push_back({std::string(tablets_extension), {""}});
  out.push_back(
      {std::string(lwt_mark_extension), {fmt::format("LWT_OPTIMIZATION_META_BIT_MASK={}", lwt_mark)}});
  if (of.options.metadata_id) out.push_back({std::string(metadata_id_extension), {""}});
  out.push_back({std::string(rate_limit_extension), {fmt::format("ERROR_CODE={}", code::rate_limit)}});
}

}  // namespace

std::string node_event(event_kind kind, std::string_view change, const std::string& address,
                       std::uint16_t port) {
  std::string out;
  const std::size_t begun = begin_frame(out, opcode::event, -1);
  put_string(out, kind == event_kind::topology ? "TOPOLOGY_CHANGE" : "STATUS_CHANGE");
  put_string(out, change);
  in_addr raw{};
  const int parsed = ::inet_pton(AF_INET, address.c_str(), &raw);
  invariant(parsed == 1, "the emulator's addresses are IPv4 addresses");
  put_u8(out, sizeof raw);
  out.append(reinterpret_cast<const char*>(&raw), sizeof raw);
  put_i32(out, port);
  end_frame(out, begun);
  return out;
}

fate dispatcher::on_options(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  thread_counters::add(counters_.options_frames);
  string_multimap offered;
  const cluster_node& node = nodes_->nodes[of.with.node];
  if (node.shards > 0) add_scylla_options(offered, node_, of.with, node);
  offered.push_back({"CQL_VERSION", {"3.4.7"}});
  offered.push_back({"COMPRESSION", {}});
  if (node_.options.compression) offered.back().second = {"lz4", "snappy"};
  offered.push_back({"PROTOCOL_VERSIONS", {"4/v4"}});
  return of.answer(opcode::supported, [&offered](std::string& out) { put_multimap(out, offered); });
}

fate dispatcher::on_startup(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  wire_reader in(of.body);
  bool versioned = false;
  const bool scylla = node_.options.shards > 0;
  const std::uint16_t entries = in.u16();
  for (std::uint16_t i = 0; i < entries && in.ok(); ++i) {
    const std::string_view key = in.string();
    const std::string_view given = in.string();
    if (key == "CQL_VERSION") versioned = true;
    if (key == tablets_extension) of.with.tablets_routing = scylla;
    if (key == rate_limit_extension) of.with.rate_limit_error = scylla;
    if (key == lwt_mark_extension) of.with.wants_lwt_mark = scylla;
    if (key == metadata_id_extension) of.with.sends_metadata_id = scylla && node_.options.metadata_id;
    if (key != "COMPRESSION" || given.empty()) continue;
    const bool known = given == "lz4" || given == "snappy";
    if (!node_.options.compression || !known)
      return protocol_error(of, fmt::format("Unknown compression algorithm: {}", given));
    of.with.compresses = given == "lz4" ? compressor::lz4 : compressor::snappy;
  }
  if (!in.ok()) return protocol_error(of, "Invalid STARTUP message");
  if (!versioned) return protocol_error(of, "Missing value CQL_VERSION in STARTUP message");
  if (node_.options.user.empty()) {
    of.with.at = session::stage::ready;
    return of.answer(opcode::ready, [](std::string&) {});
  }
  of.with.at = session::stage::authenticating;
  return of.answer(opcode::authenticate, [](std::string& out) {
    put_string(out, "org.apache.cassandra.auth.PasswordAuthenticator");
  });
}

fate dispatcher::on_auth_response(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  if (of.with.at != session::stage::authenticating)
    return protocol_error(of, "Unexpected message AUTH_RESPONSE");
  wire_reader in(of.body);
  // SASL PLAIN: [authorisation id] NUL user NUL password
  const std::string_view given = in.bytes().bytes;
  const std::size_t first = given.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : given.find('\0', first + 1);
  if (!in.ok() || second == std::string_view::npos) {
    return answer_error(of, {code::bad_credentials, "Password must not be null", {}});
  }
  const std::string_view user = given.substr(first + 1, second - first - 1);
  const std::string_view password = given.substr(second + 1);
  if (user != node_.options.user || password != script_->password) {
    return answer_error(
        of,
        {code::bad_credentials, fmt::format("Provided username {} and/or password are incorrect", user), {}});
  }
  of.with.at = session::stage::ready;
  return of.answer(opcode::auth_success, [](std::string& out) { put_null(out); });
}

fate dispatcher::on_register(request& of) {
  thread_counters::add(counters_.requests[static_cast<std::size_t>(operation::control)]);
  wire_reader in(of.body);
  const std::uint16_t count = in.u16();
  std::array<bool, event_kind_count> wanted{};
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view event = in.string();
    const auto known = std::find(event_names.begin(), event_names.end(), event);
    if (known != event_names.end()) {
      wanted[static_cast<std::size_t>(known - event_names.begin())] = true;
    } else if (in.ok()) {
      return protocol_error(of, fmt::format("Invalid value '{}' for Type", event));
    }
  }
  if (!in.ok()) return protocol_error(of, "Invalid REGISTER message");
  for (std::size_t i = 0; i < event_kind_count; ++i) {
    of.with.wants_events[i] = of.with.wants_events[i] || wanted[i];
  }
  return of.answer(opcode::ready, [](std::string&) {});
}

}  // namespace millrace::emulators::cql
