// Where requests were coordinated, by the traces that the servers keep of them.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/base/values.h>

#include "cluster.h"
#include "worker.h"

namespace millrace::app::certify {

// A node of cluster_facts, and the shard that took the request; none without shards.
struct place {
  std::size_t node = 0;
  std::optional<std::uint32_t> shard = {};
  friend auto operator<=>(const place&, const place&) = default;
};

// The coordinators of traced requests, in the order of the traces; nullopt: the trace was not found within a few
// seconds, which servers do not promise. Fails when system_traces cannot be read.
[[nodiscard]] result<std::vector<std::optional<place>>> places_of(worker& by, const cluster_facts& in,
                                                                  const std::vector<uuid>& traces);

// "shard 3" of the column `thread` of ScyllaDB's events.
[[nodiscard]] std::optional<std::uint32_t> shard_of_thread(std::string_view thread);

}  // namespace millrace::app::certify
