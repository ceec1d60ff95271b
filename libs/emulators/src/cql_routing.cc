#include "cql_routing.h"

#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <millrace/base/bytes.h>

#include "cql_executor.h"
#include "cql_murmur3.h"

namespace millrace::emulators::cql {
namespace {

// Consistency levels, section 3 of native_protocol_v4.spec.
namespace level {
constexpr std::uint16_t any = 0x0000;
constexpr std::uint16_t one = 0x0001;
constexpr std::uint16_t two = 0x0002;
constexpr std::uint16_t three = 0x0003;
constexpr std::uint16_t quorum = 0x0004;
constexpr std::uint16_t all = 0x0005;
constexpr std::uint16_t local_quorum = 0x0006;
constexpr std::uint16_t each_quorum = 0x0007;
constexpr std::uint16_t serial = 0x0008;
constexpr std::uint16_t local_serial = 0x0009;
constexpr std::uint16_t local_one = 0x000A;
}  // namespace level

constexpr std::array<std::string_view, 11> level_names{
    "ANY",          "ONE",         "TWO",    "THREE",        "QUORUM",   "ALL",
    "LOCAL_QUORUM", "EACH_QUORUM", "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE"};

std::optional<std::int64_t> token_of(std::span<const source* const> key, std::span<const value> values) {
  std::vector<std::string_view> parts;
  for (const source* each : key) {
    const value part = resolve(*each, values);
    if (!part.present()) return std::nullopt;
    parts.push_back(part.bytes);
  }
  if (parts.empty()) return std::nullopt;
  std::string whole;
  put_partition_key(whole, parts);
  return cql::token_of(whole);
}

struct count {
  std::int32_t live = 0;
  std::int32_t copies = 0;  // that the keyspace asks for

  [[nodiscard]] std::int32_t quorum() const noexcept { return copies / 2 + 1; }
};

// Of one datacentre, or of all.
count count_replicas(const table_routing& in, std::int64_t token,
                     std::optional<std::string_view> datacenter) {
  count out;
  if (in.by.is == placement::strategy::simple) out.copies = static_cast<std::int32_t>(in.by.factor);
  for (const auto& [name, copies] : in.by.of_dc) {
    if (!datacenter || *datacenter == name) out.copies += static_cast<std::int32_t>(copies);
  }
  for (const token_replica& each : in.range_of(token).replicas) {
    const cluster_node& node = in.nodes->nodes[each.node];
    if (node.live && (!datacenter || *datacenter == node.datacenter)) ++out.live;
  }
  return out;
}

failure unavailable(std::uint16_t consistency, std::int32_t required, std::int32_t live,
                    const std::string& where) {
  failure out{code::unavailable,
              fmt::format("Cannot achieve consistency level {}{}", level_names[consistency], where),
              {}};
  put_u16(out.extra, consistency);
  put_i32(out.extra, required);
  put_i32(out.extra, live);
  return out;
}

}  // namespace

std::optional<std::int64_t> token_of_request(const plan& what, std::span<const value> values) {
  std::vector<const source*> key;
  if (const auto* mutation = std::get_if<mutation_plan>(&what.does)) {
    for (const source& each : mutation->partition_key) key.push_back(&each);
  } else if (const auto* selection = std::get_if<selection_plan>(&what.does)) {
    for (const restriction& each : selection->partition_key) {
      if (each.is != relation::op::eq) return std::nullopt;
      key.push_back(&each.values[0]);
    }
  }
  return token_of(key, values);
}

bool routable(const plan& what) noexcept { return !what.key_markers.empty(); }

routed_kind routed_kind_of(const plan& what) noexcept {
  const auto* mutation = std::get_if<mutation_plan>(&what.does);
  if (mutation == nullptr) return routed_kind::select;
  return mutation->condition == if_clause::what::nothing ? routed_kind::write : routed_kind::conditional;
}

// tuple<bigint, bigint, list<tuple<uuid, int>>>; the elements of tuples and lists are [bytes].
void put_tablet_payload(std::string& out, const table_routing& in, std::int64_t token) {
  const token_range& tablet = in.range_of(token);
  std::string replicas;
  put_i32(replicas, static_cast<std::int32_t>(tablet.replicas.size()));
  for (const token_replica& each : tablet.replicas) {
    std::string one;
    put_bytes(one, as_text(in.nodes->nodes[each.node].host_id.bytes));
    std::string shard;
    put_i32(shard, static_cast<std::int32_t>(each.shard));
    put_bytes(one, shard);
    put_bytes(replicas, one);
  }
  std::string whole;
  for (const std::int64_t each : {tablet.first, tablet.last}) {
    std::string bound;
    put_i64(bound, each);
    put_bytes(whole, bound);
  }
  put_bytes(whole, replicas);
  put_u16(out, 1);
  put_string(out, "tablets-routing-v1");
  put_bytes(out, whole);
}

verdict check_replicas(const table_routing& in, std::int64_t token, const std::string& datacenter,
                       std::uint16_t consistency) {
  if (in.ranges.empty()) return {};
  const count everywhere = count_replicas(in, token, std::nullopt);
  const count here =
      in.by.is == placement::strategy::simple ? everywhere : count_replicas(in, token, datacenter);
  const auto needs = [&](std::int32_t required, const count& of) -> verdict {
    if (of.live >= required) return {};
    return unavailable(consistency, required, of.live, {});
  };
  switch (consistency) {
    case level::one:
      return needs(1, everywhere);
    case level::two:
      return needs(2, everywhere);
    case level::three:
      return needs(3, everywhere);
    case level::quorum:
    case level::serial:
      return needs(everywhere.quorum(), everywhere);
    case level::all:
      return needs(everywhere.copies, everywhere);
    case level::local_quorum:
    case level::local_serial:
      return needs(here.quorum(), here);
    case level::local_one:
      return needs(1, here);
    case level::each_quorum:
      for (const auto& [name, copies] : in.by.of_dc) {
        const count there = count_replicas(in, token, name);
        if (copies == 0 || there.live >= there.quorum()) continue;
        return unavailable(consistency, there.quorum(), there.live, " in DC " + name);
      }
      return {};
    case level::any:
    default:  // an open set of numbers: the reader of requests has refused unknown ones
      return {};
  }
}

}  // namespace millrace::emulators::cql
