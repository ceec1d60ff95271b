#include "keyspace.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <millrace/base/text.h>
#include <millrace/cql/statement.h>

namespace millrace::app::certify {
namespace {

constexpr std::string_view marker = "certify_marker";
constexpr std::array tables{"certify_kv", "certify_wide", "certify_claim", "certify_growing",
                            "certify_other"};
constexpr const char* type = "certify_address";
constexpr std::size_t copies_max = 3;

struct schema_statements {
  cql::statement<replication(std::string_view)> keyspace{
      "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?"};
  cql::statement<std::vector<std::string>(std::string_view)> tables_of{
      "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?"};
};

struct tablets_statement {
  cql::statement<std::optional<std::int32_t>(std::string_view)> initial{
      "SELECT initial_tablets FROM system_schema.scylla_keyspaces WHERE keyspace_name = ?"};
};

bool is_own(const std::string& table) {
  return table == marker || std::find(tables.begin(), tables.end(), table) != tables.end();
}

// DDL on another thread, so that the loop goes on.
result<void> execute(worker& by, cql::session& in, const std::string& cql) {
  return by.beside([&] { return in.execute(cql); });
}

error with_remedy(const error& why, const std::string& keyspace) {
  if (why.code() != errc::db_unauthorized) return why.in("the keyspace " + keyspace);
  return error(why.code(),
               fmt::format("the keyspace {0} cannot be made: {1}\n"
                           "  grant the user CREATE ON ALL KEYSPACES (and DROP, ALTER, SELECT and "
                           "MODIFY ON KEYSPACE {0}), or create it and pass --use-existing",
                           keyspace, why.message()));
}

std::vector<std::string> racks_of(const std::vector<const node_facts*>& nodes) {
  std::vector<std::string> out;
  out.reserve(nodes.size());
  for (const node_facts* each : nodes) out.push_back(each->rack);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

result<own_keyspace> own_keyspace::make(worker& by, cql::session& in, const cluster_facts& cluster,
                                        const arguments& given) {
  own_keyspace out(given.keyspace);
  if (auto begun = out.begin(by, in, cluster, given); !begun) return begun.error();
  auto made = out.create_tables(by, in);
  if (made) made = out.read_back(by);
  if (!made) {
    if (out.created_) static_cast<void>(execute(by, in, "DROP KEYSPACE IF EXISTS " + out.name_));
    return with_remedy(made.error(), out.name_);
  }
  return out;
}

result<void> own_keyspace::begin(worker& by, cql::session& in, const cluster_facts& cluster,
                                 const arguments& given) {
  const auto ask = by.declare<schema_statements>();
  if (!ask) return ask.error();
  const auto existing = by.finish((*ask)->keyspace(by.context(), name_));
  if (!existing) return existing.error();
  if (!*existing) {
    if (given.use_existing) {
      return error(errc::config_invalid,
                   "the keyspace " + name_ + " does not exist; --use-existing needs one that does");
    }
    return create(by, in, cluster, given);
  }
  const auto found = by.finish((*ask)->tables_of(by.context(), name_));
  if (!found) return found.error();
  bool marked = false;
  bool same_names = false;
  for (const std::string& each : *found) {
    marked = marked || each == marker;
    same_names = same_names || is_own(each);
  }
  if (!marked && !given.use_existing) {
    return error(errc::config_invalid,
                 fmt::format("the keyspace {} exists and was not made by this command; name another one with "
                             "--keyspace, or pass --use-existing to make tables certify_* in it",
                             name_));
  }
  if (!marked && same_names) {
    return error(errc::config_invalid,
                 "the keyspace " + name_ + " has tables certify_* that are not this command's");
  }
  created_ = marked && !given.use_existing;
  return drop_tables(by, in);
}

// With ScyllaDB's tablets there may be no more copies than racks, which is found out by asking.
result<void> own_keyspace::create(worker& by, cql::session& in, const cluster_facts& cluster,
                                  const arguments& given) {
  const auto create_with = [&](const std::string& by_what) {
    return execute(by, in, fmt::format("CREATE KEYSPACE {} WITH replication = {}", name_, by_what));
  };
  created_ = true;
  if (!given.replication.empty()) {
    auto made = create_with(given.replication);
    if (!made) return with_remedy(made.error(), name_);
    return {};
  }
  const std::string datacenter = given.datacenter.empty() ? *cluster.datacenters().begin() : given.datacenter;
  const auto nodes = cluster.nodes_in(datacenter);
  const auto create_copies = [&](std::size_t copies) {
    return create_with(fmt::format("{{'class': 'NetworkTopologyStrategy', '{}': {}}}", datacenter, copies));
  };
  const std::size_t copies = std::clamp<std::size_t>(nodes.size(), 1, copies_max);
  auto made = create_copies(copies);
  const std::size_t racks = racks_of(nodes).size();
  if (!made && made.error().code() == errc::db_invalid && racks > 0 && racks < copies) {
    made = create_copies(racks);
  }
  if (!made) return with_remedy(made.error(), name_);
  return {};
}

result<void> own_keyspace::create_tables(worker& by, cql::session& in) const {
  const char* const growing =
      "CREATE TABLE {0}.certify_growing (id bigint PRIMARY KEY, note text, "
      "homes list<frozen<{0}.certify_address>>)";
  for (const char* each :
       {"CREATE TABLE {}.certify_marker (id int PRIMARY KEY)", "CREATE TYPE {}.certify_address (street text)",
        "CREATE TABLE {}.certify_kv (id text PRIMARY KEY, value text, n bigint)",
        "CREATE TABLE {}.certify_wide (part text, n int, note text, PRIMARY KEY (part, n))",
        "CREATE TABLE {}.certify_claim (id text PRIMARY KEY, holder text)", growing,
        "CREATE TABLE {}.certify_other (id bigint PRIMARY KEY, amount bigint)"}) {
    if (auto done = execute(by, in, fmt::format(fmt::runtime(each), name_)); !done) return done;
  }
  return {};
}

result<void> own_keyspace::drop_tables(worker& by, cql::session& in) const {
  for (const char* each : tables) {
    if (auto done = execute(by, in, fmt::format("DROP TABLE IF EXISTS {}.{}", name_, each)); !done)
      return done;
  }
  if (auto done = execute(by, in, fmt::format("DROP TYPE IF EXISTS {}.{}", name_, type)); !done) return done;
  return execute(by, in, fmt::format("DROP TABLE IF EXISTS {}.{}", name_, marker));
}

result<void> own_keyspace::read_back(worker& by) {
  const auto ask = by.declare<schema_statements>();
  if (!ask) return ask.error();
  const auto row = by.finish((*ask)->keyspace(by.context(), name_));
  if (!row) return row.error();
  if (*row) replication_ = ***row;
  // Only ScyllaDB has the table; null: no tablets.
  const auto asks = by.declare<tablets_statement>();
  if (!asks) return {};
  const auto initial = by.finish((*asks)->initial(by.context(), name_));
  tablets_ = initial && *initial && (***initial).has_value();
  return {};
}

void own_keyspace::describe(report& to) const {
  std::vector<std::string> parts;
  parts.reserve(replication_.size());
  for (const auto& [name, value] : replication_) parts.push_back(name + ": " + value);
  to.add(verdict::note, "keyspace",
         fmt::format("{} ({}), {}", name_, joined(parts, ", "),
                     created_ ? "made for this run" : "used as it is"));
  to.add(verdict::note, "tablets", tablets_ ? "the keyspace has them" : "the keyspace has none");
}

result<void> own_keyspace::drop(worker& by, cql::session& in) const {
  if (created_) {
    const auto ask = by.declare<schema_statements>();
    if (!ask) return ask.error();
    const auto found = by.finish((*ask)->tables_of(by.context(), name_));
    if (!found) return found.error();
    if (std::all_of(found->begin(), found->end(), is_own)) {
      return execute(by, in, "DROP KEYSPACE " + name_);
    }
  }
  return drop_tables(by, in);
}

}  // namespace millrace::app::certify
