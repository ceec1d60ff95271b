#include <algorithm>
#include <optional>
#include <set>

#include <millrace/base/suggest.h>
#include <millrace/cql/declared_schema.h>
#include <millrace/cql/type.h>
#include <millrace/statement/statement_text.h>
#include <millrace/statement/tokens.h>

#include "schema_reader.h"

namespace millrace::cql {
namespace {

using statements::column;
using statements::token;
using range = std::pair<std::size_t, std::size_t>;  // of tokens: first, one past the last

error invalid(const std::string& what) { return {errc::db_invalid, what}; }

// The parameters of a type's text: "map<text, list<int>>" has "text" and "list<int>".
std::vector<std::string> inner_types(std::string_view type) {
  if (type.starts_with("frozen<")) {
    type.remove_prefix(7);
    type.remove_suffix(1);
  }
  std::vector<std::string> all;
  const std::size_t open = type.find('<');
  if (open == std::string_view::npos) return all;
  int depth = 0;
  std::size_t begin = open + 1;
  for (std::size_t at = open; at < type.size(); ++at) {
    depth += type[at] == '<' ? 1 : 0;
    depth -= type[at] == '>' ? 1 : 0;
    const bool ends = (type[at] == ',' && depth == 1) || depth == 0;
    if (!ends) continue;
    std::string_view each = type.substr(begin, at - begin);
    while (each.starts_with(' ')) each.remove_prefix(1);
    all.emplace_back(each);
    begin = at + 1;
  }
  return all;
}

bool is_collection(std::string_view type, std::string_view kind) {
  if (type.starts_with("frozen<")) type.remove_prefix(7);
  return type.starts_with(kind) && type.substr(kind.size()).starts_with('<');
}

// Describes one statement against one table.
class describing {
 public:
  describing(const declared_table& table, std::vector<token> tokens, std::size_t parameters)
      : table_(table), tokens_(std::move(tokens)) {
    made_.parameters.resize(parameters);
    std::size_t seen = 0;
    for (const token& each : tokens_) {
      number_of_.push_back(seen);
      seen += each.is == token::sort::marker ? 1U : 0U;
    }
  }

  result<statement_description> run(statements::statement_text::verb does) {
    using verb = statements::statement_text::verb;
    if (does == verb::select) read_select();
    if (does == verb::insert) read_insert();
    if (does == verb::update) read_update();
    if (does == verb::remove) read_delete();
    if (wrong_) return invalid(*wrong_);
    for (const column& each : made_.parameters) made_.complete = made_.complete && !each.type.empty();
    for (const column& each : made_.columns) made_.complete = made_.complete && !each.type.empty();
    return std::move(made_);
  }

 private:
  // --- tokens
  [[nodiscard]] const token& at(std::size_t index) const noexcept {
    static const token none{token::sort::symbol, ";"};
    return index < tokens_.size() ? tokens_[index] : none;
  }
  [[nodiscard]] bool marker(std::size_t index) const noexcept { return at(index).is == token::sort::marker; }
  [[nodiscard]] std::size_t find(std::string_view keyword, std::size_t from = 0) const noexcept {
    while (from < tokens_.size() && !tokens_[from].word(keyword)) ++from;
    return from;
  }
  [[nodiscard]] static int step(const token& one) noexcept {
    if (one.symbol('(') || one.symbol('[') || one.symbol('{')) return 1;
    return one.symbol(')') || one.symbol(']') || one.symbol('}') ? -1 : 0;
  }
  // The parts of a range between separators outside of brackets.
  template <typename Separates>
  [[nodiscard]] std::vector<range> split(range of, Separates separates) const {
    std::vector<range> parts;
    int depth = 0;
    std::size_t begin = of.first;
    for (std::size_t i = of.first; i < of.second; ++i) {
      if (depth == 0 && separates(at(i))) {
        parts.emplace_back(begin, i);
        begin = i + 1;
      }
      depth += step(at(i));
    }
    if (begin < of.second) parts.emplace_back(begin, of.second);
    return parts;
  }
  [[nodiscard]] std::vector<range> listed(range of) const {
    return split(of, [](const token& each) { return each.symbol(','); });
  }
  [[nodiscard]] std::size_t closing(std::size_t open) const noexcept {
    int depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      depth += step(tokens_[i]);
      if (depth == 0) return i;
    }
    return tokens_.size();
  }

  // --- names
  void refuse(std::string why) {
    if (!wrong_) wrong_ = std::move(why);
  }
  // nullptr after a refusal.
  const declared_column* known(const std::string& name) {
    const declared_column* const found = table_.find(name);
    if (found == nullptr) {
      refuse("table '" + table_.name + "' has no column '" + name + "'" +
             did_you_mean(name, table_.column_names()));
    }
    return found;
  }
  void bind(std::size_t token, std::string name, std::string type) {
    if (marker(token)) made_.parameters[number_of_[token]] = {std::move(name), std::move(type)};
  }
  void bind(std::size_t token, const declared_column* to) {
    if (to != nullptr) bind(token, to->name, to->type);
  }

  // --- SELECT
  void read_select() {
    const std::size_t from = find("from");
    std::size_t first = 1;
    if (at(first).word("json")) {
      made_.columns.push_back({"[json]", "text"});
      first = from;
    }
    if (at(first).word("distinct")) ++first;
    for (const range& each : listed({first, from})) read_selector(each);
    const std::size_t where = find("where", from);
    const std::size_t end = clauses_end(from);
    if (where < end) read_relations({where + 1, end});
    read_limits(end);
    check_filtering();
  }

  // WHERE ends with one of these words, or with the statement.
  [[nodiscard]] std::size_t clauses_end(std::size_t from) const noexcept {
    int depth = 0;
    for (std::size_t i = from; i < tokens_.size(); ++i) {
      depth += step(tokens_[i]);
      if (depth != 0) continue;
      for (const std::string_view word :
           {"group", "order", "per", "limit", "allow", "if", "bypass", "using"}) {
        if (tokens_[i].word(word) && i > from + 1) return i;
      }
    }
    return tokens_.size();
  }

  void read_limits(std::size_t from) {
    for (std::size_t i = from; i < tokens_.size(); ++i) {
      if (at(i).word("limit")) bind(i + 1, "[limit]", "int");
    }
  }

  void read_selector(range of) {
    std::string alias;
    if (of.second - of.first >= 3 && at(of.second - 2).word("as")) {
      alias = at(of.second - 1).text;
      of.second -= 2;
    }
    const auto add = [&](std::string name, std::string type) {
      made_.columns.push_back({alias.empty() ? std::move(name) : alias, std::move(type)});
    };
    const token& first = at(of.first);
    if (first.symbol('*')) {
      for (const declared_column& each : table_.columns) made_.columns.push_back({each.name, each.type});
      return;
    }
    if (of.second - of.first == 1 && first.name()) {
      if (const declared_column* const one = known(first.text)) add(one->name, one->type);
      return;
    }
    if (!at(of.first + 1).symbol('(')) return add(first.text, "");
    const std::string& argument = at(of.first + 2).text;
    if (first.word("count")) return add("count", "bigint");
    if (first.word("token")) return add("system.token(" + argument + ")", "bigint");
    if (first.word("writetime") || first.word("ttl")) {
      known(argument);
      return add(first.text + "(" + argument + ")", first.word("ttl") ? "int" : "bigint");
    }
    if (first.word("min") || first.word("max") || first.word("sum") || first.word("avg")) {
      const declared_column* const one = known(argument);
      return add("system." + first.text + "(" + argument + ")", one == nullptr ? "" : one->type);
    }
    add(first.text, "");
  }

  // --- relations
  void read_relations(range of) {
    for (const range& each : split(of, [](const token& one) { return one.word("and"); })) read_relation(each);
  }

  void read_relation(range of) {
    const std::size_t first = of.first;
    if (at(first).word("token") && at(first + 1).symbol('(')) {
      by_token_ = true;
      return bind(of.second - 1, "partition key token", "bigint");
    }
    if (at(first).symbol('(')) return read_tuple_relation(of);
    const declared_column* const left = known(at(first).text);
    if (left == nullptr) return;
    if (at(first + 1).symbol('[')) {
      bind_element(first + 2, left);
      const std::size_t close = closing(first + 1);
      if (marker(of.second - 1) && of.second - 1 > close) bind_value(of.second - 1, left);
      return;
    }
    const bool equal = at(first + 1).symbol('=');
    const bool in = at(first + 1).word("in");
    if (equal || in) restricted_.insert(left->name);
    compared_.push_back(left);
    if (in && marker(first + 2)) return bind(first + 2, "in(" + left->name + ")", "list<" + left->type + ">");
    if (in) {
      for (std::size_t i = first + 2; i < of.second; ++i) bind(i, left);
      return;
    }
    if (at(first + 1).word("contains")) {
      const std::vector<std::string> inner = inner_types(left->type);
      const bool key = at(first + 2).word("key");
      if (!inner.empty())
        bind(of.second - 1, (key ? "key(" : "value(") + left->name + ")", key ? inner.front() : inner.back());
      return;
    }
    // `a = ?`, `a >= ?`: what follows one or two symbols, alone.
    if (marker(of.second - 1) && of.second - first <= 4) bind(of.second - 1, left);
  }

  // (a, b) > (?, ?)
  void read_tuple_relation(range of) {
    const std::size_t close = closing(of.first);
    const std::vector<range> left = listed({of.first + 1, close});
    std::size_t open = close + 1;
    while (open < of.second && !at(open).symbol('(')) ++open;
    const std::vector<range> right = listed({open + 1, closing(open)});
    for (std::size_t k = 0; k < left.size(); ++k) {
      const declared_column* const one = known(at(left[k].first).text);
      if (one == nullptr) return;
      compared_.push_back(one);
      if (at(close + 1).symbol('=') || at(close + 1).word("in")) restricted_.insert(one->name);
      if (!at(close + 1).word("in") && k < right.size()) bind(right[k].first, one);
    }
  }

  void bind_element(std::size_t token, const declared_column* of) {
    const std::vector<std::string> inner = inner_types(of->type);
    if (is_collection(of->type, "list")) return bind(token, "idx(" + of->name + ")", "int");
    if (is_collection(of->type, "map") && inner.size() == 2)
      return bind(token, "key(" + of->name + ")", inner[0]);
    if (is_collection(of->type, "set") && inner.size() == 1) bind(token, "value(" + of->name + ")", inner[0]);
  }
  void bind_value(std::size_t token, const declared_column* of) {
    const std::vector<std::string> inner = inner_types(of->type);
    if (!inner.empty()) bind(token, "value(" + of->name + ")", inner.back());
  }

  // --- writes
  void read_using(std::size_t from, std::size_t to) {
    for (std::size_t i = find("using", from); i < std::min(to, tokens_.size()); ++i) {
      if (at(i).word("ttl")) bind(i + 1, "[ttl]", "int");
      if (at(i).word("timestamp")) bind(i + 1, "[timestamp]", "bigint");
    }
  }

  void read_insert() {
    std::size_t open = find("into");
    while (open < tokens_.size() && !at(open).symbol('(') && !at(open).word("json")) ++open;
    if (!at(open).symbol('(')) {
      made_.complete = false;
      return;
    }
    const std::size_t close = closing(open);
    const std::size_t values = find("values", close) + 1;
    const std::vector<range> names = listed({open + 1, close});
    const std::vector<range> given = listed({values + 1, closing(values)});
    if (names.size() != given.size()) {
      return refuse("it names " + std::to_string(names.size()) + " columns and gives " +
                    std::to_string(given.size()) + " values");
    }
    std::set<std::string> written;
    for (std::size_t k = 0; k < names.size(); ++k) {
      const declared_column* const to = known(at(names[k].first).text);
      if (to == nullptr) return;
      if (to->type == "counter")
        return refuse("a counter cannot be inserted: write UPDATE ... SET " + to->name + " = " + to->name +
                      " + ?");
      written.insert(to->name);
      if (given[k].second - given[k].first == 1) bind(given[k].first, to);
    }
    for (const declared_column& each : table_.columns) {
      const bool needed = each.is == declared_column::role::partition_key ||
                          (each.is == declared_column::role::clustering && !only_fixed(written));
      if (needed && !written.contains(each.name))
        return refuse("it does not write '" + each.name + "', which is in the primary key of '" +
                      table_.name + "'");
    }
    read_using(closing(values), tokens_.size());
  }

  // Static columns alone need no clustering key.
  [[nodiscard]] bool only_fixed(const std::set<std::string>& written) const {
    bool fixed = false;
    for (const std::string& each : written) {
      const declared_column* const one = table_.find(each);
      if (one->is == declared_column::role::regular || one->is == declared_column::role::clustering)
        return false;
      fixed = fixed || one->is == declared_column::role::fixed;
    }
    return fixed;
  }

  void read_update() {
    const std::size_t set = find("set");
    const std::size_t where = find("where", set);
    read_using(0, set);
    std::set<std::string> written;
    for (const range& each : listed({set + 1, where})) read_assignment(each, written);
    const std::size_t end = find("if", where);
    read_relations({where + 1, end});
    if (end < tokens_.size() && !at(end + 1).word("exists")) read_conditions({end + 1, tokens_.size()});
    check_key(!only_fixed_written(written));
  }
  [[nodiscard]] bool only_fixed_written(const std::set<std::string>& written) const {
    return std::all_of(written.begin(), written.end(), [this](const std::string& each) {
      const declared_column* const one = table_.find(each);
      return one != nullptr && one->is == declared_column::role::fixed;
    });
  }

  // c = ?, c = c + ?, c = ? + c, c += ?, c[?] = ?, c.f = ?
  void read_assignment(range of, std::set<std::string>& written) {
    const declared_column* const to = known(at(of.first).text);
    if (to == nullptr) return;
    written.insert(to->name);
    if (to->in_key()) return refuse("it sets '" + to->name + "', which is in the primary key");
    if (at(of.first + 1).symbol('[')) {
      bind_element(of.first + 2, to);
      return bind_value(of.second - 1, to);
    }
    if (at(of.first + 1).symbol('.')) return bind_field(of, to);
    bool takes_away = false;
    bool names_itself = at(of.first + 1).symbol('+') || at(of.first + 1).symbol('-');
    for (std::size_t i = of.first + 1; i < of.second; ++i) {
      takes_away = takes_away || at(i).symbol('-');
      names_itself = names_itself || (at(i).name() && at(i).text == to->name);
    }
    if (to->type == "counter" && !names_itself) {
      return refuse("counter '" + to->name + "' can only be changed: write " + to->name + " = " + to->name +
                    " + ?");
    }
    const std::vector<std::string> inner = inner_types(to->type);
    const bool keys_of_map = takes_away && is_collection(to->type, "map") && inner.size() == 2;
    const std::string type = keys_of_map ? "set<" + inner[0] + ">" : to->type;
    for (std::size_t i = of.first + 1; i < of.second; ++i) {
      const bool alone =
          (at(i - 1).symbol('=') || at(i - 1).symbol('+') || at(i - 1).symbol('-')) && step(at(i + 1)) != 1;
      if (marker(i) && alone) bind(i, to->name, type);
    }
  }

  void bind_field(range of, const declared_column* to) {
    const auto parsed = type::parse(to->type);
    const std::string& field = at(of.first + 2).text;
    if (!parsed || !parsed->is("udt")) return;
    const auto found = std::find(parsed->fields.begin(), parsed->fields.end(), field);
    if (found == parsed->fields.end()) {
      return refuse("column '" + to->name + "' has no field '" + field + "'" +
                    did_you_mean(field, parsed->fields));
    }
    const auto index = static_cast<std::size_t>(found - parsed->fields.begin());
    bind(of.second - 1, to->name + "." + field, parsed->parameters[index].to_string());
  }

  void read_delete() {
    const std::size_t from = find("from");
    for (const range& each : listed({1, from})) {
      const declared_column* const one = known(at(each.first).text);
      if (one == nullptr) return;
      if (one->in_key())
        return refuse("it deletes '" + one->name +
                      "', which is in the primary key; omit it to delete the row");
      if (at(each.first + 1).symbol('[')) bind_element(each.first + 2, one);
    }
    const std::size_t where = find("where", from);
    read_using(from, where);
    const std::size_t end = find("if", where);
    read_relations({where + 1, end});
    if (end < tokens_.size() && !at(end + 1).word("exists")) read_conditions({end + 1, tokens_.size()});
    check_key(false);
  }

  // Columns of IF do not count as restrictions of the key.
  void read_conditions(range of) {
    const std::set<std::string> restricted = restricted_;
    const std::vector<const declared_column*> compared = compared_;
    read_relations(of);
    restricted_ = restricted;
    compared_ = compared;
  }

  void check_key(bool whole) {
    for (const declared_column& each : table_.columns) {
      const bool needed = each.is == declared_column::role::partition_key ||
                          (whole && each.is == declared_column::role::clustering);
      if (!needed || restricted_.contains(each.name)) continue;
      return refuse("its WHERE does not name '" + each.name + "', which is in the " +
                    (each.is == declared_column::role::partition_key ? "partition key" : "primary key") +
                    " of '" + table_.name + "'");
    }
    for (const declared_column* const each : compared_) {
      if (!each->in_key())
        return refuse("its WHERE names '" + each->name + "', which is not in the primary key of '" +
                      table_.name + "'");
    }
  }

  void check_filtering() {
    if (find("allow") < tokens_.size() || by_token_ || compared_.empty()) return;
    for (const declared_column* const each : compared_) {
      if (each->indexed) return;
    }
    for (const declared_column* const each : compared_) {
      if (each->in_key()) continue;
      return refuse("its WHERE names '" + each->name + "', which is neither in the primary key of '" +
                    table_.name + "' nor indexed: it would need ALLOW FILTERING");
    }
    for (const declared_column& each : table_.columns) {
      if (each.is != declared_column::role::partition_key || restricted_.contains(each.name)) continue;
      return refuse("its WHERE does not name '" + each.name + "', which is in the partition key of '" +
                    table_.name + "': it would need ALLOW FILTERING");
    }
  }

  const declared_table& table_;
  std::vector<token> tokens_;
  std::vector<std::size_t> number_of_;  // markers before each token
  statement_description made_;
  std::set<std::string> restricted_;  // by = or IN
  std::vector<const declared_column*> compared_;
  bool by_token_ = false;
  std::optional<std::string> wrong_;
};

}  // namespace

const declared_column* declared_table::find(std::string_view column) const noexcept {
  for (const declared_column& each : columns) {
    if (each.name == column) return &each;
  }
  return nullptr;
}

std::vector<std::string> declared_table::column_names() const {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const declared_column& each : columns) names.push_back(each.name);
  return names;
}

declared_schema declared_schema::parse(std::string_view text, std::string default_keyspace) {
  return schema_reader(text, std::move(default_keyspace)).run();
}

result<statement_description> declared_schema::describe(std::string_view cql,
                                                        std::string_view keyspace) const {
  const statements::statement_text text = statements::statement_text::of(cql);
  if (text.does == statements::statement_text::verb::other || text.table.empty())
    return invalid("it is not a SELECT, INSERT, UPDATE or DELETE of a table");
  const std::size_t dot = text.table.find('.');
  const bool qualified = dot != std::string::npos;
  const std::string in = qualified ? text.table.substr(0, dot) : std::string(keyspace);
  const std::string named = qualified ? text.table.substr(dot + 1) : text.table;
  if (in.starts_with("system")) {
    statement_description unknown;
    unknown.parameters.resize(text.parameters.size());
    unknown.complete = false;
    return unknown;
  }
  if (in.empty())
    return invalid("table '" + named + "' has no keyspace; set `cql.keyspace`, or write KEYSPACE." + named);
  const auto found = tables_.find({in, named});
  if (found == tables_.end()) {
    std::vector<std::string> names;
    for (const auto& [key, table] : tables_) {
      if (key.first == in) names.push_back(key.second);
    }
    return invalid("the schema has no table '" + in + "." + named + "'" + did_you_mean(named, names));
  }
  return describing(found->second, statements::tokens_of(cql), text.parameters.size()).run(text.does);
}

result<bool> declared_schema::check(statements::statement_declaration& statement,
                                    std::string_view keyspace) const {
  const auto described = describe(statement.cql(), keyspace);
  if (!described) return described.error().in("statement '" + statement.name() + "'");
  if (!described->complete) return false;
  if (auto fits = statement.check(described->parameters, described->columns); !fits) return fits.error();
  return true;
}

}  // namespace millrace::cql
