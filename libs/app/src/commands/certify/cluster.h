// What a cluster says of itself: its nodes, by its system tables and by a probe of each.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/cql/cell.h>
#include <millrace/cql/probe.h>
#include <millrace/cql/session.h>
#include <millrace/statement/declaration.h>

#include "report.h"
#include "ring.h"
#include "worker.h"

namespace millrace::app::certify {

struct node_facts {
  uuid host_id;
  std::string address;              // that clients connect to
  std::set<std::string> addresses;  // all that it is known by
  std::string datacenter;
  std::string rack;
  std::string release;
  std::vector<std::int64_t> tokens;
  std::optional<cql::node_offer> offer;
  std::string trouble;             // why there is no offer
  std::string shard_port_trouble;  // "": it leads to the shards that are asked for
};

struct cluster_facts {
  std::vector<node_facts> nodes;
  std::uint64_t known = 0;  // nodes, to the session
  std::string partitioner;
  std::string scylla_version;  // "": not ScyllaDB, or of a version that does not say it
  std::string protocol;

  [[nodiscard]] bool is_scylla() const noexcept;
  [[nodiscard]] std::set<std::string> datacenters() const;
  [[nodiscard]] std::vector<const node_facts*> nodes_in(const std::string& datacenter) const;  // "": all
  // The node that has an address; nullopt: none.
  [[nodiscard]] std::optional<std::size_t> find(const std::string& address) const;
};

[[nodiscard]] std::string to_text(const cql::inet_address& address);

// For tables of which each node has its own, or of which one copy is enough.
[[nodiscard]] statements::statement_options of_one_node();

// Reads the system tables, and probes every node of the datacentre ("": of all) at `port`.
[[nodiscard]] result<cluster_facts> read_cluster(worker& by, const cql::session& in,
                                                 const cql::session_options& options, std::uint16_t port);
void report_cluster(const cluster_facts& found, const cql::session_options& options, report& to);
// Waits until every shard of every node has its connection, for a few seconds.
void report_connections(const cluster_facts& found, worker& by, const cql::session& in,
                        const cql::session_options& options, report& to);

}  // namespace millrace::app::certify
