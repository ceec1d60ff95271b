// The phases of a run, in their order. Each adds its lines to the report.
//
// Threads: the main one; phases that need a second worker, or DDL, use another one and wait for it.
#pragma once

#include <optional>
#include <string>

#include "certify_command.h"
#include "cluster.h"
#include "keyspace.h"
#include "report.h"
#include "worker.h"

namespace millrace::app::certify {

struct run {
  const arguments& given;
  cql::session& session;
  worker& main;
  const cluster_facts& cluster;
  const own_keyspace& keyspace;
  report& to;
  std::optional<error> no_conditions;  // why the server refuses statements with IF

  [[nodiscard]] nanoseconds budget() const noexcept { return seconds(given.seconds); }
  // "INSERT INTO {}.t ...": {} is the keyspace.
  [[nodiscard]] std::string text(std::string_view cql) const;
};

void certify_routing(const run& in);
void certify_schema_changes(const run& in);
void certify_values(const run& in);
void certify_latencies(const run& in);

}  // namespace millrace::app::certify
