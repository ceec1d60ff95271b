// Looks for what an application needs on the servers of its configuration, and makes what is missing. A server that
// cannot be reached is a finding about each thing on it, so that one run names everything.
#pragma once

#include <cstdint>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/app/schema_file.h>

#include "finding.h"
#include "needs.h"

namespace millrace::app::provisioning {

struct wanted {
  bool create = false;
  std::int32_t partitions = -1;  // of topics that are created; -1: the broker's default
  std::int32_t replication = -1;
};

void check_topics(const application_needs& needs, const app_config& settings, const wanted& how,
                  std::vector<finding>& into);
void check_subjects(const application_needs& needs, const app_config& settings, const wanted& how,
                    std::vector<finding>& into);
// Keyspaces, types, tables, columns, indexes and views of a schema file without faults.
void check_tables(const schema_file& file, const app_config& settings, const wanted& how,
                  std::vector<finding>& into);

}  // namespace millrace::app::provisioning
