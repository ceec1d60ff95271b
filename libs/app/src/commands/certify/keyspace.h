// The keyspace of a run: what it may be, its tables, and its end.
//
// A table `certify_marker` says that the keyspace, or the tables in it, are those of an earlier run, which may be
// dropped. Nothing else is ever dropped: a keyspace with further tables loses the tables of the run only.
//
// Threads: one.
#pragma once

#include <string>

#include <millrace/base/result.h>
#include <millrace/cql/session.h>

#include "certify_command.h"
#include "cluster.h"
#include "report.h"
#include "ring.h"
#include "worker.h"

namespace millrace::app::certify {

class own_keyspace {
 public:
  // Creates the keyspace, unless it is to be used as it is, and its tables. The errors say what to do.
  [[nodiscard]] static result<own_keyspace> make(worker& by, cql::session& in, const cluster_facts& cluster,
                                                 const arguments& given);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const replication& replicated() const noexcept { return replication_; }
  [[nodiscard]] bool has_tablets() const noexcept { return tablets_; }
  void describe(report& to) const;
  // Drops what was made.
  [[nodiscard]] result<void> drop(worker& by, cql::session& in) const;

 private:
  explicit own_keyspace(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] result<void> begin(worker& by, cql::session& in, const cluster_facts& cluster,
                                   const arguments& given);
  [[nodiscard]] result<void> create(worker& by, cql::session& in, const cluster_facts& cluster,
                                    const arguments& given);
  [[nodiscard]] result<void> create_tables(worker& by, cql::session& in) const;
  [[nodiscard]] result<void> drop_tables(worker& by, cql::session& in) const;
  [[nodiscard]] result<void> read_back(worker& by);

  std::string name_;
  replication replication_;
  bool tablets_ = false;
  bool created_ = false;
};

}  // namespace millrace::app::certify
