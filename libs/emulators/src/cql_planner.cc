#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "cql_murmur3.h"
#include "cql_parser.h"
#include "cql_plan.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::int32_t flag_global_table = 0x0001;
constexpr std::int32_t flag_no_metadata = 0x0004;

// As Cassandra writes an operation in its errors.
std::string written(const assignment& of) {
  const std::string to = of.to.marker ? "?" : of.to.written.text;
  switch (of.is) {
    case assignment::form::set:
      return fmt::format("{} = {}", of.column, to);
    case assignment::form::append:
      return fmt::format("{0} = {0} + {1}", of.column, to);
    case assignment::form::prepend:
      return fmt::format("{0} = {1} + {0}", of.column, to);
    case assignment::form::subtract:
      return fmt::format("{0} = {0} - {1}", of.column, to);
    case assignment::form::element:
      return fmt::format("{}[{}] = {}", of.column, of.at.marker ? "?" : of.at.written.text, to);
    case assignment::form::field:
      return fmt::format("{}.{} = {}", of.column, of.name, to);
  }
  return {};
}

verdict field_of(std::size_t& out, const column& of, std::string_view name) {
  const auto found = std::find(of.of.fields.begin(), of.of.fields.end(), name);
  if (found == of.of.fields.end())
    return invalid(fmt::format("UDT column {} does not have a field named {}", of.name, name));
  out = static_cast<std::size_t>(found - of.of.fields.begin());
  return {};
}

bool counts(const table_schema& of) {
  return std::any_of(of.columns.begin(), of.columns.end(),
                     [](const column& each) { return each.of.id == type_id::counter; });
}

class planner {
 public:
  planner(const catalog& in, std::string_view session_keyspace)
      : catalog_(in), session_keyspace_(session_keyspace) {}

  answer<std::shared_ptr<const plan>> run(parsed_statement parsed) {
    out_ = std::make_shared<plan>();
    out_->keyspace = session_keyspace_;
    if (parsed.markers.size() > markers_max) return invalid("Too many bind variables");
    out_->markers.resize(parsed.markers.size());
    marker_names_ = std::move(parsed.markers);
    verdict bad;
    if (auto* select = std::get_if<select_statement>(&parsed.is))
      bad = plan_select(*select);
    else if (auto* insert = std::get_if<insert_statement>(&parsed.is))
      bad = plan_insert(*insert);
    else if (auto* update = std::get_if<update_statement>(&parsed.is))
      bad = plan_update(*update);
    else if (auto* remove = std::get_if<delete_statement>(&parsed.is))
      bad = plan_delete(*remove);
    else {
      out_->kind = operation::schema;
      if (!marker_names_.empty()) return invalid("Bind variables are not allowed in this statement");
      out_->does = std::move(parsed.is);
    }
    if (bad) return std::move(*bad);
    const auto* selects = std::get_if<selection_plan>(&out_->does);
    const auto* mutates = std::get_if<mutation_plan>(&out_->does);
    const auto hash = murmur3(selects != nullptr                         ? selects->metadata
                              : mutates != nullptr && mutates->announces ? mutates->metadata
                                                                         : std::string());
    put_number(out_->metadata_id, hash[0]);
    put_number(out_->metadata_id, hash[1]);
    return std::shared_ptr<const plan>(std::move(out_));
  }

 private:
  verdict open(const table_name& name, operation kind) {
    answer<std::shared_ptr<stored_table>> found = catalog_.find(name, session_keyspace_);
    if (!found) return std::move(found.why());
    out_->table = std::move(*found);
    out_->schema = out_->table->schema();
    out_->keyspace = out_->schema->keyspace;
    out_->table_name = out_->keyspace + "." + out_->schema->name;
    out_->kind = kind;
    out_->unqualified = name.keyspace.empty();
    if (is_system_keyspace(out_->keyspace)) {
      out_->kind = operation::system;
      if (kind != operation::select) {
        return failure{
            code::unauthorized, fmt::format("{} keyspace is not user-modifiable.", out_->keyspace), {}};
      }
    }
    return {};
  }

  const table_schema& schema() const { return *out_->schema; }
  failure undefined(std::string_view name) const {
    return invalid(
        fmt::format("Undefined column name {} in table {}.{}", name, schema().keyspace, schema().name));
  }

  verdict bind(source& out, const term& from, std::string_view name, const type& of) {
    if (from.marker) {
      out.marker = from.marker;
      const std::string& given = marker_names_[*from.marker];
      out_->markers[*from.marker] = {given.empty() ? std::string(name) : given, of};
      return {};
    }
    if (from.written.is == literal::shape::null) {
      out.null = true;
      return {};
    }
    answer<std::string> encoded = encode(of, from.written, name);
    if (!encoded) return std::move(encoded.why());
    out.constant = std::move(*encoded);
    return {};
  }

  verdict bind_using(mutation_plan& into, const using_clause& with) {
    if (with.timestamp) {
      if (verdict bad =
              bind(into.timestamp.emplace(), *with.timestamp, "[timestamp]", simple(type_id::bigint)))
        return bad;
    }
    if (with.ttl) return bind(into.ttl.emplace(), *with.ttl, "[ttl]", simple(type_id::int_));
    return {};
  }

  // Markers of the partition key, in key order: what a token-aware driver routes by.
  void note_key_markers(const std::vector<const source*>& key) {
    for (const source* each : key) {
      if (!each->marker) return out_->key_markers.clear();
      out_->key_markers.push_back(static_cast<std::uint16_t>(*each->marker));
    }
  }

  static std::string missing(const table_schema& of, column::role role, const std::vector<bool>& given) {
    std::string names;
    for (const column& each : of.columns) {
      if (each.is == role && !given[each.position]) names.append(names.empty() ? "" : ", ").append(each.name);
    }
    return names;
  }

  verdict plan_insert(const insert_statement& from) {
    if (verdict bad = open(from.into, operation::insert)) return bad;
    if (counts(schema())) {
      return invalid("INSERT statements are not allowed on counter tables, use UPDATE instead");
    }
    mutation_plan does;
    does.inserts = true;
    does.partition_key.resize(schema().partition_columns);
    does.clustering.resize(schema().clustering_columns);
    std::vector<bool> key_given(schema().partition_columns);
    std::vector<bool> clustering_given(schema().clustering_columns);
    for (const assignment& each : from.columns) {
      const column* to = schema().find(each.column);
      if (to == nullptr) return undefined(each.column);
      source* target = nullptr;
      switch (to->is) {
        case column::role::partition_key:
          target = &does.partition_key[to->position];
          key_given[to->position] = true;
          break;
        case column::role::clustering:
          target = &does.clustering[to->position];
          clustering_given[to->position] = true;
          break;
        case column::role::static_:
        case column::role::regular:
          target = &add_cell(does, *to).from;
          break;
      }
      if (verdict bad = bind(*target, each.to, to->name, to->of)) return bad;
    }
    if (const std::string names = missing(schema(), column::role::partition_key, key_given); !names.empty()) {
      return invalid(fmt::format("Some partition key parts are missing: {}", names));
    }
    if (const std::string names = missing(schema(), column::role::clustering, clustering_given);
        !names.empty()) {
      const bool none_given =
          std::find(clustering_given.begin(), clustering_given.end(), true) == clustering_given.end();
      does.only_static = none_given && all_static(does);
      if (!does.only_static) return invalid(fmt::format("Some clustering keys are missing: {}", names));
      does.clustering.clear();
    }
    return finish(std::move(does), from.with, from.condition);
  }

  static cell_plan& add_cell(mutation_plan& into, const column& of) {
    cell_plan& fresh = into.cells.emplace_back();
    fresh.to = &of;
    return fresh;
  }
  static bool all_static(const mutation_plan& does) {
    return !does.cells.empty() && std::all_of(does.cells.begin(), does.cells.end(), [](const auto& each) {
      return each.to->is == column::role::static_;
    });
  }

  // Columns of the answer, and their metadata: [applied] first.
  void plan_answer(mutation_plan& into) {
    const bool whole = into.condition != if_clause::what::columns;
    for (const column& each : schema().columns) {
      const auto named = std::find_if(into.conditions.begin(), into.conditions.end(),
                                      [&](const restriction& by) { return by.on == &each; });
      if (whole || named != into.conditions.end()) into.shown.push_back(&each);
    }
    into.announces = catalog_.scylla();
    put_string(into.metadata, schema().keyspace);
    put_string(into.metadata, schema().name);
    put_string(into.metadata, "[applied]");
    put_option(into.metadata, simple(type_id::boolean));
    for (const column* each : into.shown) {
      put_string(into.metadata, each->name);
      put_option(into.metadata, each->of);
    }
  }

  verdict plan_condition(mutation_plan& into, const if_clause& from) {
    into.condition = from.is;
    if (from.is == if_clause::what::nothing) return {};
    if (into.counts) return invalid("Conditional updates are not supported on counter tables");
    if (into.timestamp) return invalid("Cannot provide custom timestamp for conditional updates");
    for (const relation& each : from.columns) {
      restriction out;
      out.is = each.is;
      out.on = schema().find(each.columns[0]);
      if (out.on == nullptr) return undefined(each.columns[0]);
      if (out.on->primary_key()) {
        return invalid(fmt::format("PRIMARY KEY column '{}' cannot have IF conditions", out.on->name));
      }
      if (each.is == relation::op::in || each.token) {
        return invalid("IN and token() in an IF clause are not supported by the emulator");
      }
      if (verdict bad = bind(out.values.emplace_back(), each.terms[0], out.on->name, out.on->of)) return bad;
      if (into.only_static && out.on->is == column::role::regular) {
        return invalid(fmt::format("Some clustering keys are missing: {}", schema().clustering(0).name));
      }
      into.conditions.push_back(std::move(out));
    }
    plan_answer(into);
    if (into.deletes && into.clustering.size() != schema().clustering_columns) {
      return invalid("DELETE statements must restrict all PRIMARY KEY columns with equality relations");
    }
    return {};
  }

  verdict finish(mutation_plan does, const using_clause& with, const if_clause& condition) {
    does.counts = counts(schema());
    if (does.counts && with.timestamp) return invalid("Cannot provide custom timestamp for counter updates");
    if (does.counts && with.ttl) return invalid("Cannot provide custom TTL for counter updates");
    if (verdict bad = bind_using(does, with)) return bad;
    if (verdict bad = plan_condition(does, condition)) return bad;
    std::vector<const source*> key;
    key.reserve(does.partition_key.size());
    for (const source& each : does.partition_key) key.push_back(&each);
    note_key_markers(key);
    out_->does = std::move(does);
    return {};
  }

  // WHERE of a mutation: equality on primary key columns only.
  verdict plan_key(mutation_plan& into, const std::vector<relation>& where, bool whole) {
    into.only_static = all_static(into);
    into.partition_key.resize(schema().partition_columns);
    std::vector<bool> key_given(schema().partition_columns);
    std::vector<bool> clustering_given(schema().clustering_columns);
    into.clustering.resize(schema().clustering_columns);
    for (const relation& each : where) {
      const column* on = schema().find(each.columns[0]);
      if (on == nullptr) return undefined(each.columns[0]);
      if (!on->primary_key()) {
        return invalid(fmt::format("Non PRIMARY KEY columns found in where clause: {} ", on->name));
      }
      if (each.is != relation::op::eq || each.token) {
        return invalid(
            "Only equality on primary key columns is supported by the emulator in UPDATE and DELETE");
      }
      const bool partitions = on->is == column::role::partition_key;
      (partitions ? key_given : clustering_given)[on->position] = true;
      source& target = partitions ? into.partition_key[on->position] : into.clustering[on->position];
      if (verdict bad = bind(target, each.terms[0], on->name, on->of)) return bad;
    }
    if (const std::string names = missing(schema(), column::role::partition_key, key_given); !names.empty()) {
      return invalid(fmt::format("Some partition key parts are missing: {}", names));
    }
    const std::string names = missing(schema(), column::role::clustering, clustering_given);
    const bool some_given =
        std::find(clustering_given.begin(), clustering_given.end(), true) != clustering_given.end();
    if (into.only_static) {
      if (some_given) {
        return invalid(fmt::format(
            "Invalid restrictions on clustering columns since the {} statement modifies only static "
            "columns",
            out_->kind == operation::update ? "UPDATE" : "DELETE"));
      }
      into.clustering.clear();
      return {};
    }
    if (names.empty()) return {};
    if (!whole) return invalid(fmt::format("Some clustering keys are missing: {}", names));
    if (some_given) {
      return invalid("A DELETE of a range of rows is not supported by the emulator");
    }
    into.clustering.clear();
    return {};
  }

  verdict plan_assignment(cell_plan& into, const assignment& from) {
    using form = assignment::form;
    const column& to = *into.to;
    const auto misfit = [&](std::string_view reason) {
      return invalid(fmt::format("Invalid operation ({}) for {} column {}", written(from), reason, to.name));
    };
    if (from.is == form::element) return plan_element(into, from);
    if (from.is == form::field) {
      if (to.of.id != type_id::user) return misfit("non-UDT");
      if (to.of.frozen) return misfit("frozen UDT");
      into.is = change::put_field;
      if (verdict bad = field_of(into.field, to, from.name)) return bad;
      return bind(into.from, from.to, to.name + "." + from.name, to.of.parameters[into.field]);
    }
    if (to.of.id == type_id::counter && from.is == form::set) {
      return invalid(fmt::format(
          "Cannot set the value of counter column {} (counters can only be incremented/decremented, not set)",
          to.name));
    }
    if (from.is == form::set) return bind(into.from, from.to, to.name, to.of);
    if (!to.of.collection() && to.of.id != type_id::counter) return misfit("non counter");
    if (to.of.frozen) return misfit("frozen collection");
    if (from.is == form::prepend && to.of.id != type_id::list) return misfit("non list");
    into.is = from.is == form::append    ? change::append
              : from.is == form::prepend ? change::prepend
                                         : change::subtract;
    // What is subtracted from a map is a set of its keys.
    const bool keys = to.of.id == type_id::map && from.is == form::subtract;
    return bind(into.from, from.to, to.name, keys ? set_of(to.of.parameters[0]) : to.of);
  }

  verdict plan_element(cell_plan& into, const assignment& from) {
    const column& to = *into.to;
    const auto misfit = [&](std::string_view reason) {
      return invalid(fmt::format("Invalid operation ({}) for {} column {}", written(from), reason, to.name));
    };
    if (!to.of.collection()) return misfit("non collection");
    if (to.of.frozen) return misfit("frozen collection");
    if (to.of.id == type_id::set) return misfit("set");
    if (to.of.id == type_id::list)
      return invalid("An update of one element of a list is not supported by the emulator");
    into.is = change::put_element;
    if (verdict bad = bind(into.at, from.at, fmt::format("key({})", to.name), to.of.parameters[0]))
      return bad;
    return bind(into.from, from.to, fmt::format("value({})", to.name), to.of.parameters[1]);
  }

  verdict plan_deletion(cell_plan& into, const deletion& from) {
    const column& to = *into.to;
    into.from.null = true;
    if (from.element) {
      if (!to.of.collection())
        return invalid(fmt::format("Invalid deletion operation for non collection column {}", to.name));
      if (to.of.frozen)
        return invalid(fmt::format("Invalid deletion operation for frozen collection column {}", to.name));
      if (to.of.id == type_id::list)
        return invalid("A DELETE of one element of a list is not supported by the emulator");
      into.is = change::remove_element;
      const std::string_view what = to.of.id == type_id::map ? "key" : "value";
      return bind(into.at, *from.element, fmt::format("{}({})", what, to.name), to.of.parameters[0]);
    }
    if (from.field.empty()) return {};
    if (to.of.id != type_id::user)
      return invalid(fmt::format("Invalid field deletion operation for non-UDT column {}", to.name));
    if (to.of.frozen)
      return invalid(fmt::format("Frozen UDT column {} does not support field deletions", to.name));
    into.is = change::put_field;
    return field_of(into.field, to, from.field);
  }

  verdict plan_update(const update_statement& from) {
    if (verdict bad = open(from.table, operation::update)) return bad;
    mutation_plan does;
    for (const assignment& each : from.set) {
      const column* to = schema().find(each.column);
      if (to == nullptr) return undefined(each.column);
      if (to->primary_key()) return invalid(fmt::format("PRIMARY KEY part {} found in SET part", to->name));
      if (verdict bad = plan_assignment(add_cell(does, *to), each)) return bad;
    }
    if (verdict bad = plan_key(does, from.where, false)) return bad;
    return finish(std::move(does), from.with, from.condition);
  }

  verdict plan_delete(const delete_statement& from) {
    if (verdict bad = open(from.from, operation::remove)) return bad;
    mutation_plan does;
    does.deletes = from.columns.empty();
    for (const deletion& each : from.columns) {
      const column* to = schema().find(each.column);
      if (to == nullptr) return undefined(each.column);
      if (to->primary_key()) {
        return invalid(fmt::format("Invalid identifier {} for deletion (should not be a PRIMARY KEY part)",
                                   each.column));
      }
      if (verdict bad = plan_deletion(add_cell(does, *to), each)) return bad;
    }
    if (verdict bad = plan_key(does, from.where, does.deletes)) return bad;
    return finish(std::move(does), from.with, from.condition);
  }

  verdict plan_outputs(selection_plan& into, const select_statement& from) {
    std::vector<selector> wanted = from.selectors;
    if (wanted.empty()) {
      for (const column& each : schema().columns) wanted.push_back({selector::what::column, {each.name}, {}});
    }
    std::string specs;
    for (const selector& each : wanted) {
      output next{each.is, nullptr};
      if (each.is != selector::what::count) {
        next.of = schema().find(each.columns[0]);
        if (next.of == nullptr) return undefined(each.columns[0]);
      }
      std::string name;
      type of = simple(type_id::bigint);
      switch (each.is) {
        case selector::what::column:
          name = next.of->name;
          of = next.of->of;
          break;
        case selector::what::count:
          name = "count";
          break;
        case selector::what::token:
          name = fmt::format("system.token({})", fmt::join(each.columns, ", "));
          break;
        case selector::what::write_time:
          name = fmt::format("writetime({})", next.of->name);
          break;
        case selector::what::ttl:
          name = fmt::format("ttl({})", next.of->name);
          of = simple(type_id::int_);
          break;
      }
      if ((each.is == selector::what::write_time || each.is == selector::what::ttl) &&
          next.of->primary_key()) {
        return invalid(fmt::format("Cannot use selection function {} on PRIMARY KEY part {}",
                                   each.is == selector::what::ttl ? "ttl" : "writetime", next.of->name));
      }
      const bool distinct_fits = next.of == nullptr || next.of->is == column::role::partition_key ||
                                 next.of->is == column::role::static_;
      if (from.distinct && !distinct_fits) {
        return invalid(fmt::format(
            "SELECT DISTINCT queries must only request partition key columns and/or static columns "
            "(not {})",
            next.of->name));
      }
      into.counts = into.counts || each.is == selector::what::count;
      put_string(specs, each.alias.empty() ? name : each.alias);
      put_option(specs, of);
      into.outputs.push_back(next);
    }
    if (into.counts && into.outputs.size() != 1)
      return invalid("count() beside other selections is not supported by the emulator");
    into.columns = static_cast<std::int32_t>(into.outputs.size());
    put_string(into.metadata, schema().keyspace);
    put_string(into.metadata, schema().name);
    into.metadata += specs;
    return {};
  }

  verdict plan_relation(selection_plan& into, const relation& from) {
    restriction out;
    out.is = from.is;
    out.in_marker = from.in_marker;
    type of = simple(type_id::bigint);
    std::string name = "partition key token";
    if (!from.token) {
      out.on = schema().find(from.columns[0]);
      if (out.on == nullptr) return undefined(from.columns[0]);
      name = out.on->name;
      of = out.on->of;
      if (of.collection() && !of.frozen) {
        return invalid(fmt::format("Collection column '{}' ({}) cannot be restricted by a '=' relation", name,
                                   to_string(of)));
      }
      if (of.multi_cell()) {
        return invalid(fmt::format("Non-frozen UDT column '{}' ({}) cannot be restricted by any relation",
                                   name, to_string(of)));
      }
    } else if (from.is == relation::op::in || from.columns.size() != schema().partition_columns) {
      return invalid("The token() function must contain all partition key components");
    }
    if (from.in_marker) {
      of = list_of(of);
      name = fmt::format("in({})", name);
    }
    for (const term& each : from.terms) {
      if (verdict bad = bind(out.values.emplace_back(), each, name, of)) return bad;
      if (out.values.back().null)
        return invalid(fmt::format("Invalid null value in condition for column {}", name));
    }
    (from.token ? into.tokens : into.filters).push_back(std::move(out));
    return {};
  }

  // Sorts the restrictions into those that find partitions, those that find rows, and the rest.
  verdict arrange(selection_plan& into, bool filtering) {
    const auto take = [&into](column::role role, std::size_t position,
                              bool or_in) -> std::optional<restriction> {
      const auto found = std::find_if(into.filters.begin(), into.filters.end(), [&](const restriction& each) {
        return each.on->is == role && each.on->position == position &&
               (each.is == relation::op::eq || (or_in && each.is == relation::op::in));
      });
      if (found == into.filters.end()) return std::nullopt;
      restriction taken = std::move(*found);
      into.filters.erase(found);
      return taken;
    };
    for (std::size_t i = 0; i < schema().partition_columns; ++i) {
      if (std::optional<restriction> found = take(column::role::partition_key, i, true))
        into.partition_key.push_back(std::move(*found));
    }
    const bool keyed = into.partition_key.size() == schema().partition_columns;
    if (!keyed) {
      for (restriction& each : into.partition_key) into.filters.push_back(std::move(each));
      into.partition_key.clear();
    }
    bool needs_filtering = !keyed && !into.filters.empty();
    for (std::size_t i = 0; keyed && i < schema().clustering_columns; ++i) {
      std::optional<restriction> found = take(column::role::clustering, i, false);
      if (!found) break;
      into.clustering.push_back(std::move(*found));
    }
    for (const restriction& each : into.filters) {
      const bool next_clustering =
          each.on->is == column::role::clustering && each.on->position == into.clustering.size();
      needs_filtering = needs_filtering || !next_clustering;
    }
    if (needs_filtering && !filtering) {
      return invalid(
          "Cannot execute this query as it might involve data filtering and thus may have unpredictable "
          "performance. "
          "If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING");
    }
    return {};
  }

  // What is scanned is told apart by its partition key.
  verdict check_distinct(const selection_plan& does) const {
    if (!does.distinct || !does.partition_key.empty()) return {};
    for (std::size_t i = 0; i < schema().partition_columns; ++i) {
      const column& key = schema().columns[i];
      const bool shown = std::any_of(does.outputs.begin(), does.outputs.end(),
                                     [&](const output& each) { return each.of == &key; });
      if (!shown) {
        return invalid(fmt::format(
            "SELECT DISTINCT queries must request all the partition key columns (missing {})", key.name));
      }
    }
    return {};
  }

  verdict plan_select(const select_statement& from) {
    if (verdict bad = open(from.from, operation::select)) return bad;
    selection_plan does;
    does.distinct = from.distinct;
    if (verdict bad = plan_outputs(does, from)) return bad;
    for (const relation& each : from.where) {
      if (verdict bad = plan_relation(does, each)) return bad;
    }
    for (const restriction& each : does.filters) {
      const bool fits = each.on->is == column::role::partition_key || each.on->is == column::role::static_;
      if (does.distinct && !fits) {
        return invalid(
            "SELECT DISTINCT with WHERE clause only supports restriction by partition key and/or static "
            "columns.");
      }
    }
    if (verdict bad = arrange(does, from.filtering)) return bad;
    if (verdict bad = check_distinct(does)) return bad;
    if (!from.order_by.empty()) {
      const column* by = schema().find(from.order_by);
      if (by == nullptr) return undefined(from.order_by);
      if (does.partition_key.empty())
        return invalid("ORDER BY is only supported when the partition key is restricted by an EQ or an IN.");
      if (by->is != column::role::clustering || by->position != 0) {
        return invalid(
            "Order by is currently only supported on the clustered columns of the PRIMARY KEY, the first one "
            "here");
      }
      does.reversed = from.descending != by->descending;
    }
    if (from.limit) {
      if (verdict bad = bind(does.limit.emplace(), *from.limit, "[limit]", simple(type_id::int_))) return bad;
    }
    std::vector<const source*> key;
    for (const restriction& each : does.partition_key) {
      if (each.is == relation::op::eq) key.push_back(&each.values[0]);
    }
    if (key.size() == schema().partition_columns) note_key_markers(key);
    out_->does = std::move(does);
    return {};
  }

  const catalog& catalog_;
  std::string_view session_keyspace_;
  std::vector<std::string> marker_names_;
  std::shared_ptr<plan> out_;
};

}  // namespace

void plan::put_prepared_metadata(std::string& out, bool mark) const {
  const bool table_known = schema != nullptr && !markers.empty();
  const auto* mutation = std::get_if<mutation_plan>(&does);
  const bool conditional = mutation != nullptr && mutation->condition != if_clause::what::nothing;
  put_number(out, (table_known ? static_cast<std::uint32_t>(flag_global_table) : 0U) |
                      (mark && conditional ? lwt_mark : 0U));
  put_i32(out, static_cast<std::int32_t>(markers.size()));
  put_i32(out, static_cast<std::int32_t>(key_markers.size()));
  for (const std::uint16_t each : key_markers) put_u16(out, each);
  if (table_known) {
    put_string(out, schema->keyspace);
    put_string(out, schema->name);
  }
  for (const marker& each : markers) {
    put_string(out, each.name);
    put_option(out, each.of);
  }
  if (const auto* selection = std::get_if<selection_plan>(&does)) {
    put_i32(out, flag_global_table);
    put_i32(out, selection->columns);
    out += selection->metadata;
  } else if (mutation != nullptr && mutation->announces) {
    put_i32(out, flag_global_table);
    put_i32(out, static_cast<std::int32_t>(1 + mutation->shown.size()));
    out += mutation->metadata;
  } else {
    put_i32(out, flag_no_metadata);
    put_i32(out, 0);
  }
}

answer<std::shared_ptr<const plan>> compile(const catalog& in, std::string_view text,
                                            std::string_view session_keyspace) {
  answer<parsed_statement> parsed = parse_statement(text);
  if (!parsed) return std::move(parsed.why());
  return planner(in, session_keyspace).run(std::move(*parsed));
}

}  // namespace millrace::emulators::cql
