// What a coordinator knows about the way of a request: its token, whether it came to a replica, which tablet a
// driver should have known, and whether enough replicas live.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "cql_cluster.h"
#include "cql_plan.h"
#include "cql_wire.h"

namespace millrace::emulators::cql {

// The token of the one partition that a request reads or writes. Nothing when it is about several, or when a
// part of the key is null.
[[nodiscard]] std::optional<std::int64_t> token_of_request(const plan& what, std::span<const value> values);
// Whether drivers can know that token: each part of the partition key is a bind marker.
[[nodiscard]] bool routable(const plan& what) noexcept;
[[nodiscard]] routed_kind routed_kind_of(const plan& what) noexcept;

// ScyllaDB's `tablets-routing-v1`: a [bytes map] of one entry with the tablet of the token.
void put_tablet_payload(std::string& out, const table_routing& in, std::int64_t token);

// UNAVAILABLE when fewer replicas of the token live than the level needs, as a coordinator in `datacenter`
// counts them; nothing otherwise, also for levels that are unknown.
[[nodiscard]] verdict check_replicas(const table_routing& in, std::int64_t token,
                                     const std::string& datacenter, std::uint16_t consistency);

}  // namespace millrace::emulators::cql
