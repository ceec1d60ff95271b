#include <map>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <millrace/emulators/cql_tables.h>

#include "cql_dispatch.h"
#include "cql_executor.h"
#include "cql_plan.h"

namespace millrace::emulators {
namespace {

cql::cluster_view lone_node() {
  cql::cluster_view view{"millrace emulator", 0, {}};
  cql::cluster_node one{"dc1", "rack1", "127.0.0.1"};
  one.host_id = cql::random_looking("tables");
  one.tokens = {INT64_MIN};
  view.nodes.push_back(std::move(one));
  return view;
}

// [option]: the id of a type and what it contains. User-defined types name their fields, as the product's client does.
std::string read_type(cql::wire_reader& in, int depth = 0) {
  const auto id = static_cast<cql::type_id>(in.u16());
  if (!in.ok() || depth > static_cast<int>(cql::type_depth_max)) return {};
  if (id == cql::type_id::list || id == cql::type_id::set)
    return (id == cql::type_id::list ? "list<" : "set<") + read_type(in, depth + 1) + ">";
  if (id == cql::type_id::map) {
    std::string key = read_type(in, depth + 1);
    return "map<" + std::move(key) + ", " + read_type(in, depth + 1) + ">";
  }
  if (id == cql::type_id::tuple) {
    std::string text;
    for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left)
      text += (text.empty() ? "" : ", ") + read_type(in, depth + 1);
    return "tuple<" + text + ">";
  }
  if (id == cql::type_id::user) {
    std::string text = "udt<" + std::string(in.string()) + ".";
    text += in.string();
    for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
      text += ", " + std::string(in.string()) + " ";
      text += read_type(in, depth + 1);
    }
    return text + ">";
  }
  return cql::to_string(cql::simple(id));
}

std::string type_text(const cql::type& of) {
  std::string bytes;
  cql::put_option(bytes, of);
  cql::wire_reader in(bytes);
  return read_type(in);
}

// [flags][count](paging state)[keyspace][table][name, option]...
std::vector<cql_named_type> read_columns(cql::wire_reader& in) {
  constexpr std::int32_t global_table = 0x0001;
  constexpr std::int32_t no_metadata = 0x0004;
  const std::int32_t flags = in.i32();
  const std::int32_t count = in.i32();
  std::vector<cql_named_type> columns;
  if ((flags & no_metadata) != 0) return columns;
  if ((flags & global_table) != 0) {
    in.string();
    in.string();
  }
  for (std::int32_t i = 0; i < count && in.ok(); ++i) {
    std::string name(in.string());
    columns.push_back({std::move(name), read_type(in)});
  }
  return columns;
}

error refused(const cql::failure& why) { return {errc::db_invalid, why.message}; }

}  // namespace

struct cql_tables::state {
  explicit state(std::string in) : node(cql_emulator_options(), lone_node(), 0), keyspace(std::move(in)) {}

  // Compiled once, until the schema changes.
  result<std::shared_ptr<const cql::plan>> plan_of(std::string_view cql) {
    if (const std::uint64_t now = node.tables.generation(); now != generation) {
      plans.clear();
      generation = now;
    }
    if (const auto known = plans.find(cql); known != plans.end()) return known->second;
    auto compiled = cql::compile(node.tables, cql, keyspace);
    if (!compiled) return refused(compiled.why());
    return plans.emplace(std::string(cql), *compiled).first->second;
  }

  cql::emulated_node node;
  std::string keyspace;
  cql::executor runs;
  std::uint64_t generation = 0;
  std::map<std::string, std::shared_ptr<const cql::plan>, std::less<>> plans;
};

cql_tables::cql_tables(std::string keyspace) : state_(std::make_unique<state>(std::move(keyspace))) {}
cql_tables::~cql_tables() = default;

result<void> cql_tables::execute(std::string_view cql, std::optional<std::int64_t> timestamp_us) {
  const auto compiled = state_->plan_of(cql);
  if (!compiled) return compiled.error();
  const cql::plan& what = **compiled;
  if (std::holds_alternative<cql::statement>(what.does)) {
    std::string ignored;
    if (auto bad = state_->node.run_schema_statement(ignored, what, state_->keyspace)) return refused(*bad);
    state_->plans.clear();
    return {};
  }
  if (const auto ran = run(cql, {}, timestamp_us); !ran) return ran.error();
  return {};
}

result<cql_description> cql_tables::describe(std::string_view cql) {
  const auto compiled = state_->plan_of(cql);
  if (!compiled) return compiled.error();
  const cql::plan& what = **compiled;
  cql_description made;
  for (const cql::marker& each : what.markers) made.parameters.push_back({each.name, type_text(each.of)});
  if (const auto* selection = std::get_if<cql::selection_plan>(&what.does)) {
    std::string head;
    cql::put_i32(head, 0x0001);
    cql::put_i32(head, selection->columns);
    head += selection->metadata;
    cql::wire_reader in(head);
    made.columns = read_columns(in);
  }
  return made;
}

result<cql_rows> cql_tables::run(std::string_view cql, bytes_view parameters,
                                 std::optional<std::int64_t> timestamp_us) {
  const auto compiled = state_->plan_of(cql);
  if (!compiled) return compiled.error();
  const cql::plan& what = **compiled;
  if (std::holds_alternative<cql::statement>(what.does))
    return error(errc::db_invalid, "a statement of the schema is executed directly");
  std::vector<cql::value> values;
  cql::wire_reader cells(as_text(parameters));
  while (cells.left() > 0 && cells.ok()) values.push_back(cells.cell());
  if (values.size() != what.markers.size()) {
    return error(errc::db_invalid, fmt::format("There were {} markers(?) in CQL but {} bound variables",
                                               what.markers.size(), values.size()));
  }
  std::string body;
  cql::request_options with;
  with.timestamp = timestamp_us;
  if (auto bad = state_->runs.run(body, what, values, with)) return refused(*bad);
  cql_rows made;
  cql::wire_reader in(body);
  if (in.i32() != cql::result_rows) return made;
  made.columns = read_columns(in);
  const std::int32_t count = in.i32();
  for (std::int32_t i = 0; i < count && in.ok(); ++i) {
    auto& row = made.rows.emplace_back();
    for (std::size_t c = 0; c < made.columns.size(); ++c) {
      const cql::value cell = in.bytes();
      if (!cell.present()) {
        row.emplace_back();
        continue;
      }
      const bytes_view bytes = as_bytes(cell.bytes);
      row.emplace_back(byte_buffer(bytes.begin(), bytes.end()));
    }
  }
  return made;
}

}  // namespace millrace::emulators
