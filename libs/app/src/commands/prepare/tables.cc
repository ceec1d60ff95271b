#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>
#include <millrace/cql/type.h>

#include "commands/certify/worker.h"
#include "servers.h"

namespace millrace::app::provisioning {
namespace {

using kind = cql::declared_statement::kind;

struct column_row {
  std::string table_name;
  std::string column_name;
};

struct system_statements {
  cql::statement<std::string(std::string_view)> keyspace{
      "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?"};
  cql::statement<std::vector<column_row>(std::string_view)> columns{
      "SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = ?"};
  cql::statement<std::vector<std::string>(std::string_view)> types{
      "SELECT type_name FROM system_schema.types WHERE keyspace_name = ?"};
  cql::statement<std::vector<std::string>(std::string_view)> indexes{
      "SELECT index_name FROM system_schema.indexes WHERE keyspace_name = ?"};
};

// What a keyspace has. Read once.
struct keyspace_facts {
  bool exists = false;
  std::map<std::string, std::set<std::string>> columns;  // by table
  std::set<std::string> types;
  std::set<std::string> indexes;
};

class database {
 public:
  static result<std::unique_ptr<database>> open(const app_config& settings) {
    cql::session_options options = static_cast<const cql::session_options&>(*settings.cql);
    options.keyspace.clear();  // it may be missing
    options.application_name = "millrace prepare";
    auto session = cql::session::open(options);
    if (!session) return session.error();
    std::unique_ptr<database> made(new database(std::move(*session)));
    auto worker = certify::worker::attach(*made->session_, made->tallies_);
    if (!worker) return worker.error();
    made->worker_ = std::move(*worker);
    const auto statements = made->worker_->declare<system_statements>();
    if (!statements) return statements.error();
    made->ask_ = *statements;
    return made;
  }

  result<const keyspace_facts*> facts_of(const std::string& keyspace) {
    if (const auto known = facts_.find(keyspace); known != facts_.end()) return &known->second;
    keyspace_facts made;
    const auto found = worker_->finish(ask_->keyspace(worker_->context(), keyspace));
    if (!found) return found.error();
    made.exists = static_cast<bool>(*found);
    if (made.exists) {
      const auto columns = worker_->finish(ask_->columns(worker_->context(), keyspace));
      if (!columns) return columns.error();
      for (const column_row& each : *columns) made.columns[each.table_name].insert(each.column_name);
      const auto types = worker_->finish(ask_->types(worker_->context(), keyspace));
      if (!types) return types.error();
      for (const std::string& each : *types) made.types.insert(each);
      const auto indexes = worker_->finish(ask_->indexes(worker_->context(), keyspace));
      if (!indexes) return indexes.error();
      for (const std::string& each : *indexes) made.indexes.insert(each);
    }
    return &facts_.emplace(keyspace, std::move(made)).first->second;
  }

  result<void> execute(const std::string& cql) {
    facts_.clear();  // it may change them
    return worker_->beside([&] { return session_->execute(cql); });
  }

 private:
  explicit database(std::unique_ptr<cql::session> session) : session_(std::move(session)) {}

  std::unique_ptr<cql::session> session_;
  certify::tallies tallies_;
  std::unique_ptr<certify::worker> worker_;
  system_statements* ask_ = nullptr;
  std::map<std::string, keyspace_facts> facts_;
};

std::string_view kind_name(kind is) {
  switch (is) {
    case kind::keyspace:
      return "keyspace";
    case kind::table:
      return "table";
    case kind::type:
      return "type";
    case kind::index:
      return "index";
    case kind::view:
      return "view";
    case kind::alteration:
    case kind::removal:
    case kind::use:
    case kind::other:
      break;
  }
  return "";
}

bool has(const keyspace_facts& of, const cql::declared_statement& what) {
  if (what.is == kind::keyspace) return of.exists;
  if (what.is == kind::type) return of.types.contains(what.name);
  if (what.is == kind::index) return of.indexes.contains(what.name);
  return of.columns.contains(what.name);
}

// The session has no keyspace: a name that USE or the configuration completes is written in full.
std::string qualified(const cql::declared_statement& what) {
  if (what.is == kind::keyspace || what.qualify_at == std::string::npos) return what.text;
  std::string text = what.text;
  text.insert(what.qualify_at, what.keyspace + ".");
  return text;
}

void check_columns(const cql::declared_schema& schema, const keyspace_facts& of,
                   const cql::declared_statement& what, database& in, const wanted& how,
                   std::vector<finding>& into) {
  const auto declared = schema.tables().find({what.keyspace, what.name});
  const auto there = of.columns.find(what.name);
  if (declared == schema.tables().end() || there == of.columns.end()) return;
  const std::set<std::string> columns = there->second;
  for (const cql::declared_column& each : declared->second.columns) {
    if (columns.contains(each.name)) continue;
    finding& one = into.emplace_back();
    one.kind = "column";
    one.name = what.keyspace + "." + what.name + "." + each.name;
    if (each.in_key()) {
      one.state = need_state::differs;
      one.note = "is in the primary key of the schema, and not in the table: the table needs another name";
      continue;
    }
    const std::string type = each.type.find("udt<") == std::string::npos ? each.type : "TYPE OF THE SCHEMA";
    one.state = need_state::missing;
    one.remedy = "ALTER TABLE " + what.keyspace + "." + what.name + " ADD " + each.name + " " + type;
    if (!how.create || type != each.type) continue;
    const auto done = in.execute(one.remedy);
    if (done) {
      one.state = need_state::made;
    } else {
      one.remedy = done.error().message() + "\n" + one.remedy;
    }
  }
}

void check_statement(const cql::declared_statement& what, const cql::declared_schema& schema, database& in,
                     const wanted& how, std::vector<finding>& into) {
  const auto facts = in.facts_of(what.keyspace);
  finding one;
  one.kind = std::string(kind_name(what.is));
  one.name = what.keyspace + (what.name.empty() ? "" : "." + what.name);
  if (!facts) {
    one.state = need_state::unknown;
    one.remedy = facts.error().message();
    into.push_back(std::move(one));
    return;
  }
  if (has(**facts, what)) {
    into.push_back(std::move(one));
    if (what.is == kind::table) check_columns(schema, **facts, what, in, how, into);
    return;
  }
  one.state = need_state::missing;
  one.remedy = qualified(what) + ";";
  if (how.create) {
    const auto made = in.execute(qualified(what));
    if (made) {
      one.state = need_state::made;
    } else {
      one.remedy = made.error().message() + "\n" + one.remedy;
    }
  }
  into.push_back(std::move(one));
}

}  // namespace

void check_tables(const schema_file& file, const app_config& settings, const wanted& how,
                  std::vector<finding>& into) {
  std::vector<const cql::declared_statement*> wanted_statements;
  for (const cql::declared_statement& each : file.schema().statements()) {
    const bool nameless_index = each.is == kind::index && each.name.empty();
    if (!kind_name(each.is).empty() && !nameless_index) wanted_statements.push_back(&each);
  }
  auto opened = database::open(settings);
  if (!opened) {
    for (const cql::declared_statement* each : wanted_statements) {
      finding& one = into.emplace_back();
      one.kind = std::string(kind_name(each->is));
      one.name = each->keyspace + (each->name.empty() ? "" : "." + each->name);
      one.state = need_state::unknown;
      if (each == wanted_statements.front()) one.remedy = opened.error().message();
    }
    return;
  }
  for (const cql::declared_statement* each : wanted_statements)
    check_statement(*each, file.schema(), **opened, how, into);
}

}  // namespace millrace::app::provisioning
