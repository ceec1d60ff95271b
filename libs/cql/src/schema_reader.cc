#include "schema_reader.h"

#include <algorithm>
#include <array>

#include <millrace/base/suggest.h>
#include <millrace/base/text.h>

namespace millrace::cql {

using statements::token;

namespace {

constexpr std::array<std::string_view, 22> scalar_types{
    "ascii",    "bigint",  "blob", "boolean", "counter",  "date", "decimal", "double",
    "duration", "float",   "inet", "int",     "smallint", "text", "time",    "timestamp",
    "timeuuid", "tinyint", "uuid", "varchar", "varint",   "empty"};
constexpr std::array<std::pair<std::string_view, std::size_t>, 6> generic_types{{{"list", 1},
                                                                                 {"set", 1},
                                                                                 {"map", 2},
                                                                                 {"frozen", 1},
                                                                                 {"tuple", 0},  // any number
                                                                                 {"vector", 2}}};

bool is_scalar(std::string_view name) {
  return std::find(scalar_types.begin(), scalar_types.end(), name) != scalar_types.end();
}

}  // namespace

schema_reader::schema_reader(std::string_view text, std::string default_keyspace)
    : text_(text), tokens_(statements::tokens_of(text, offsets_)), keyspace_(std::move(default_keyspace)) {}

declared_schema schema_reader::run() {
  while (at_ < tokens_.size()) {
    if (take_symbol(';')) continue;
    const std::size_t begin = at_;
    current_ = {};
    unqualified_.reset();
    try {
      read_statement();
      if (!at_end()) fail("expected ';'" + shown_here());
    } catch (const refused&) {
    }
    skip_to_end();
    const std::size_t from = offsets_[begin];
    const std::size_t to = at_ < tokens_.size() ? offsets_[at_] : text_.size();
    if (unqualified_) current_.qualify_at = *unqualified_ - from;
    current_.text = std::string(text_.substr(from, to - from));
    while (!current_.text.empty() && (current_.text.back() == ' ' || current_.text.back() == '\n' ||
                                      current_.text.back() == '\r' || current_.text.back() == '\t')) {
      current_.text.pop_back();
    }
    current_.line = 1 + static_cast<std::size_t>(std::count(
                            text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(from), '\n'));
    made_.statements_.push_back(std::move(current_));
  }
  return std::move(made_);
}

// --- tokens
const token& schema_reader::here(std::size_t ahead) const noexcept {
  static const token none{token::sort::symbol, ";"};
  return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : none;
}

bool schema_reader::at_end() const noexcept { return here().symbol(';'); }

bool schema_reader::take_word(std::string_view keyword) noexcept {
  if (!here().word(keyword)) return false;
  ++at_;
  return true;
}

bool schema_reader::take_symbol(char c) noexcept {
  if (at_ >= tokens_.size() || !here().symbol(c)) return false;
  ++at_;
  return true;
}

std::string schema_reader::shown_here() const {
  return at_ < tokens_.size() ? ", found '" + here().text + "'" : ", found the end of the file";
}

void schema_reader::expect_word(std::string_view keyword) {
  if (!take_word(keyword)) {
    std::string upper(keyword);
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    fail("expected " + upper + shown_here());
  }
}

void schema_reader::expect_symbol(char c) {
  if (!take_symbol(c)) fail(std::string("expected '") + c + "'" + shown_here());
}

std::string schema_reader::expect_name(std::string_view what) {
  if (!here().name()) fail("expected the name of " + std::string(what) + shown_here());
  return tokens_[at_++].text;
}

schema_reader::name schema_reader::expect_qualified(std::string_view what) {
  const std::size_t token = at_;
  std::string first = expect_name(what);
  if (take_symbol('.')) return {std::move(first), expect_name(what)};
  if (keyspace_.empty()) {
    fail("'" + first + "' has no keyspace; write KEYSPACE." + first + ", or USE KEYSPACE before it", token);
  }
  if (!unqualified_) unqualified_ = offsets_[token];
  return {keyspace_, std::move(first)};
}

void schema_reader::report(const std::string& message, std::size_t token) {
  const std::size_t offset = token < offsets_.size() ? offsets_[token] : text_.size();
  const std::string_view before = text_.substr(0, offset);
  const std::size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  schema_problem problem;
  problem.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  problem.column = offset - line_begin + 1;
  problem.width = token < tokens_.size() ? std::max<std::size_t>(1, tokens_[token].text.size()) : 1;
  problem.message = message;
  made_.problems_.push_back(std::move(problem));
}

void schema_reader::fail(const std::string& message, std::optional<std::size_t> token) {
  report(message, token.value_or(at_));
  throw refused{};
}

void schema_reader::skip_to_end() noexcept {
  while (at_ < tokens_.size() && !at_end()) ++at_;
}

// --- statements
void schema_reader::read_statement() {
  const token first = here();
  if (take_word("create")) return read_create();
  if (take_word("alter")) return read_alter();
  if (take_word("drop")) return read_drop();
  if (take_word("use")) {
    keyspace_ = expect_name("a keyspace");
    return note(declared_statement::kind::use, {keyspace_, {}});
  }
  for (const std::string_view known :
       {"insert", "update", "delete", "begin", "apply", "grant", "revoke", "truncate"}) {
    if (first.word(known)) return skip_to_end();
  }
  fail("expected CREATE, ALTER, DROP, USE or INSERT" + shown_here() +
       did_you_mean(first.text, {"create", "alter", "drop", "use", "insert"}));
}

void schema_reader::note(declared_statement::kind is, const name& of) {
  current_.is = is;
  current_.keyspace = of.first;
  current_.name = of.second;
}

bool schema_reader::take_if_not_exists() {
  if (!take_word("if")) return false;
  expect_word("not");
  expect_word("exists");
  current_.repeatable = true;
  return true;
}

void schema_reader::read_create() {
  if (take_word("keyspace") || take_word("schema")) return create_keyspace();
  if (take_word("table") || take_word("columnfamily")) return create_table();
  if (take_word("type")) return create_type();
  if (take_word("custom")) {
    expect_word("index");
    return create_index();
  }
  if (take_word("index")) return create_index();
  if (take_word("materialized")) {
    expect_word("view");
    return create_view();
  }
  for (const std::string_view other : {"role", "user", "function", "aggregate", "trigger", "or", "service"}) {
    if (here().word(other)) return skip_to_end();
  }
  fail("expected KEYSPACE, TABLE, TYPE, INDEX or MATERIALIZED VIEW" + shown_here() +
       did_you_mean(here().text, {"keyspace", "table", "type", "index", "materialized"}));
}

void schema_reader::create_keyspace() {
  take_if_not_exists();
  const std::string made = expect_name("a keyspace");
  note(declared_statement::kind::keyspace, {made, {}});
  expect_word("with");
  if (!here().word("replication")) fail("expected REPLICATION" + shown_here());
  skip_to_end();
}

void schema_reader::create_table() {
  take_if_not_exists();
  const std::size_t named = at_;
  const name of = expect_qualified("a table");
  note(declared_statement::kind::table, of);
  declared_table made{of.first, of.second, {}};
  expect_symbol('(');
  do {
    if (here().word("primary") && here(1).word("key") && here(2).symbol('(')) {
      at_ += 2;
      read_primary_key(made);
    } else {
      read_column(made);
    }
  } while (take_symbol(','));
  expect_symbol(')');
  if (!at_end()) {
    expect_word("with");
    skip_to_end();
  }
  check_table(made, named);
  add_table(std::move(made), named);
}

void schema_reader::add_table(declared_table made, std::size_t token) {
  const name of{made.keyspace, made.name};
  if (made_.tables_.contains(of)) {
    if (current_.repeatable) return;
    fail("table '" + made.keyspace + "." + made.name + "' is declared twice", token);
  }
  made_.tables_.emplace(of, std::move(made));
}

void schema_reader::check_table(const declared_table& made, std::size_t token) {
  bool keyed = false;
  bool counters = false;
  bool others = false;
  for (const declared_column& each : made.columns) {
    keyed = keyed || each.is == declared_column::role::partition_key;
    if (each.in_key()) continue;
    (each.type == "counter" ? counters : others) = true;
  }
  const std::string table = "table '" + made.name + "'";
  if (!keyed) fail(table + " has no PRIMARY KEY", token);
  if (counters && others) fail(table + " mixes counters with other columns: a table has one of both", token);
}

void schema_reader::read_column(declared_table& into) {
  const std::size_t named = at_;
  declared_column made;
  made.name = expect_name("a column");
  if (into.find(made.name) != nullptr) fail("column '" + made.name + "' is declared twice", named);
  made.type = read_type(into.keyspace);
  if (take_word("static")) made.is = declared_column::role::fixed;
  if (take_word("primary")) {
    expect_word("key");
    made.is = declared_column::role::partition_key;
  }
  into.columns.push_back(std::move(made));
}

void schema_reader::set_role(declared_table& in, declared_column::role is) {
  const std::size_t token = at_;
  const std::string named = expect_name("a column");
  const auto found = std::find_if(in.columns.begin(), in.columns.end(),
                                  [&named](const declared_column& each) { return each.name == named; });
  if (found == in.columns.end()) {
    fail("PRIMARY KEY names '" + named + "', which is not a column of '" + in.name + "'" +
             did_you_mean(named, in.column_names()),
         token);
  }
  if (found->type == "counter") fail("'" + named + "' is a counter, which cannot be in a PRIMARY KEY", token);
  found->is = is;
}

// (a, b) or ((a, b), c)
void schema_reader::read_primary_key(declared_table& into) {
  expect_symbol('(');
  if (take_symbol('(')) {
    do {
      set_role(into, declared_column::role::partition_key);
    } while (take_symbol(','));
    expect_symbol(')');
  } else {
    set_role(into, declared_column::role::partition_key);
  }
  while (take_symbol(',')) set_role(into, declared_column::role::clustering);
  expect_symbol(')');
}

void schema_reader::create_type() {
  take_if_not_exists();
  const std::size_t named = at_;
  const name of = expect_qualified("a type");
  note(declared_statement::kind::type, of);
  user_type made;
  expect_symbol('(');
  do {
    std::string field = expect_name("a field");
    std::string type = read_type(of.first);
    made.fields.emplace_back(std::move(field), std::move(type));
  } while (take_symbol(','));
  expect_symbol(')');
  if (types_.contains(of) && !current_.repeatable)
    fail("type '" + of.first + "." + of.second + "' is declared twice", named);
  types_.emplace(of, std::move(made));
}

void schema_reader::create_index() {
  take_if_not_exists();
  std::string named;
  if (!here().word("on")) named = expect_name("an index");
  expect_word("on");
  const std::size_t token = at_;
  const name of = expect_qualified("a table");
  note(declared_statement::kind::index, {of.first, named});
  declared_table& on = known_table(of, token);
  expect_symbol('(');
  int depth = 1;
  while (!at_end() && depth > 0) {
    if (here().name()) {
      const bool wraps = here(1).symbol('(');  // keys(c), values(c), entries(c), full(c)
      const auto column =
          std::find_if(on.columns.begin(), on.columns.end(),
                       [this](const declared_column& each) { return each.name == here().text; });
      if (!wraps && column == on.columns.end()) {
        fail("'" + here().text + "' is not a column of '" + on.name + "'" +
             did_you_mean(here().text, on.column_names()));
      }
      if (!wraps) column->indexed = true;
    }
    depth += here().symbol('(') ? 1 : here().symbol(')') ? -1 : 0;
    ++at_;
  }
  skip_to_end();
}

// CREATE MATERIALIZED VIEW v AS SELECT a, b FROM t WHERE ... PRIMARY KEY (...)
void schema_reader::create_view() {
  take_if_not_exists();
  const std::size_t named = at_;
  const name of = expect_qualified("a view");
  note(declared_statement::kind::view, of);
  expect_word("as");
  expect_word("select");
  std::vector<std::size_t> selected;
  while (!at_end() && !here().word("from")) {
    if (here().name()) selected.push_back(at_);
    ++at_;
  }
  expect_word("from");
  const std::size_t token = at_;
  const declared_table base = known_table(expect_qualified("a table"), token);
  declared_table made{of.first, of.second, {}};
  for (const std::size_t each : selected) {
    const declared_column* const column = base.find(tokens_[each].text);
    if (column == nullptr) {
      fail("'" + tokens_[each].text + "' is not a column of '" + base.name + "'" +
               did_you_mean(tokens_[each].text, base.column_names()),
           each);
    }
    made.columns.push_back({column->name, column->type});
  }
  for (const declared_column& each : base.columns) {
    if (selected.empty()) made.columns.push_back({each.name, each.type});
  }
  while (!at_end() && !(here().word("primary") && here(1).word("key"))) ++at_;
  expect_word("primary");
  expect_word("key");
  read_primary_key(made);
  skip_to_end();
  add_table(std::move(made), named);
}

void schema_reader::read_alter() {
  if (take_word("table") || take_word("columnfamily")) return alter_table();
  if (take_word("type")) return alter_type();
  for (const std::string_view other : {"keyspace", "schema", "materialized", "role", "user", "service"}) {
    if (!here().word(other)) continue;
    current_.is = declared_statement::kind::alteration;
    return skip_to_end();
  }
  fail("expected TABLE, TYPE, KEYSPACE or MATERIALIZED VIEW" + shown_here());
}

void schema_reader::alter_table() {
  if (take_word("if")) expect_word("exists");
  const std::size_t token = at_;
  const name of = expect_qualified("a table");
  note(declared_statement::kind::alteration, of);
  declared_table& changed = known_table(of, token);
  if (take_word("add")) return add_columns(changed);
  if (take_word("drop")) return drop_columns(changed);
  if (take_word("rename")) return rename_columns(changed);
  if (take_word("with")) return skip_to_end();
  fail("expected ADD, DROP, RENAME or WITH" + shown_here());
}

void schema_reader::add_columns(declared_table& to) {
  if (take_word("if")) {
    expect_word("not");
    expect_word("exists");
  }
  const bool listed = take_symbol('(');
  do {
    read_column(to);
  } while (take_symbol(','));
  if (listed) expect_symbol(')');
}

void schema_reader::drop_columns(declared_table& from) {
  if (take_word("if")) expect_word("exists");
  const bool listed = take_symbol('(');
  do {
    const std::size_t token = at_;
    const std::string dropped = expect_name("a column");
    const declared_column* const known = from.find(dropped);
    if (known == nullptr) {
      fail("'" + dropped + "' is not a column of '" + from.name + "'" +
               did_you_mean(dropped, from.column_names()),
           token);
    }
    if (known->in_key()) fail("'" + dropped + "' is in the primary key and cannot be dropped", token);
    std::erase_if(from.columns, [&dropped](const declared_column& each) { return each.name == dropped; });
  } while (take_symbol(','));
  if (listed) expect_symbol(')');
  if (take_word("using")) skip_to_end();
}

void schema_reader::rename_columns(declared_table& in) {
  do {
    const std::size_t token = at_;
    const std::string from = expect_name("a column");
    expect_word("to");
    const std::string to = expect_name("a column");
    const auto found = std::find_if(in.columns.begin(), in.columns.end(),
                                    [&from](const declared_column& each) { return each.name == from; });
    if (found == in.columns.end()) {
      fail("'" + from + "' is not a column of '" + in.name + "'" + did_you_mean(from, in.column_names()),
           token);
    }
    found->name = to;
  } while (take_word("and"));
}

// Tables that were declared before keep the type as it was; a server reads them with the new one.
void schema_reader::alter_type() {
  if (take_word("if")) expect_word("exists");
  const std::size_t token = at_;
  const name of = expect_qualified("a type");
  note(declared_statement::kind::alteration, of);
  const auto found = types_.find(of);
  if (found == types_.end()) fail("type '" + of.first + "." + of.second + "' is not declared above", token);
  const std::string before = user_type_text(of, token);
  if (take_word("add")) {
    do {
      std::string field = expect_name("a field");
      std::string type = read_type(of.first);
      found->second.fields.emplace_back(std::move(field), std::move(type));
    } while (take_symbol(','));
  } else if (take_word("rename")) {
    do {
      const std::string from = expect_name("a field");
      expect_word("to");
      const std::string to = expect_name("a field");
      for (auto& [field, type] : found->second.fields) {
        if (field == from) field = to;
      }
    } while (take_word("and"));
  } else {
    fail("expected ADD or RENAME" + shown_here());
  }
  const std::string after = user_type_text(of, token);
  for (auto& [key, table] : made_.tables_) {
    for (declared_column& each : table.columns) {
      for (std::size_t at = 0; (at = each.type.find(before, at)) != std::string::npos; at += after.size())
        each.type.replace(at, before.size(), after);
    }
  }
}

void schema_reader::read_drop() {
  current_.is = declared_statement::kind::removal;
  const bool keyspace = take_word("keyspace") || take_word("schema");
  const bool table = !keyspace && (take_word("table") || take_word("columnfamily"));
  const bool type = !keyspace && !table && take_word("type");
  if (!keyspace && !table && !type) return skip_to_end();
  if (take_word("if")) expect_word("exists");
  if (keyspace) {
    const std::string dropped = expect_name("a keyspace");
    std::erase_if(made_.tables_, [&dropped](const auto& each) { return each.first.first == dropped; });
    std::erase_if(types_, [&dropped](const auto& each) { return each.first.first == dropped; });
    return note(declared_statement::kind::removal, {dropped, {}});
  }
  const name of = expect_qualified(table ? "a table" : "a type");
  note(declared_statement::kind::removal, of);
  if (table) made_.tables_.erase(of);
  if (type) types_.erase(of);
}

declared_table& schema_reader::known_table(const name& of, std::size_t token) {
  const auto found = made_.tables_.find(of);
  if (found != made_.tables_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [key, table] : made_.tables_) {
    if (key.first == of.first) names.push_back(key.second);
  }
  fail("table '" + of.first + "." + of.second + "' is not declared above" + did_you_mean(of.second, names),
       token);
}

// --- types
std::string schema_reader::read_type(const std::string& keyspace) {
  const std::size_t token = at_;
  if (here().is == token::sort::text) return tokens_[at_++].text;  // a class of the server
  std::string first = expect_name("a type");
  if (take_symbol('.')) return user_type_text({std::move(first), expect_name("a type")}, token);
  const auto generic = std::find_if(generic_types.begin(), generic_types.end(),
                                    [&first](const auto& each) { return each.first == first; });
  if (here().symbol('<') && generic == generic_types.end())
    fail("'" + first + "' takes no parameters; expected one of list, set, map, tuple, vector, frozen", token);
  if (generic != generic_types.end()) {
    if (!here().symbol('<'))
      fail("'" + first + "' needs the types that it contains, as in " + first + "<text>");
    const std::string parameters = read_parameters(keyspace);
    std::size_t depth = 0;
    std::size_t count = 1;
    for (const char c : parameters) {
      depth += c == '<' ? 1U : 0U;
      depth -= c == '>' ? 1U : 0U;
      count += c == ',' && depth == 0 ? 1U : 0U;
    }
    if (generic->second != 0 && count != generic->second) {
      fail("'" + first + "' contains " + std::to_string(generic->second) + " type" +
               (generic->second == 1 ? "" : "s") + ", found " + std::to_string(count),
           token);
    }
    return first + "<" + parameters + ">";
  }
  if (first == "varchar") return "text";
  if (is_scalar(first)) return first;
  return user_type_text({keyspace, std::move(first)}, token);
}

std::string schema_reader::read_parameters(const std::string& keyspace) {
  std::string all;
  expect_symbol('<');
  do {
    if (!all.empty()) all += ", ";
    if (here().is == token::sort::number) {
      all += tokens_[at_++].text;  // the dimension of a vector
    } else {
      all += read_type(keyspace);
    }
  } while (take_symbol(','));
  expect_symbol('>');
  return all;
}

std::string schema_reader::user_type_text(const name& of, std::size_t token) {
  const auto found = types_.find(of);
  if (found == types_.end()) {
    std::vector<std::string> known(scalar_types.begin(), scalar_types.end());
    for (const auto& [key, type] : types_) {
      if (key.first == of.first) known.push_back(key.second);
    }
    fail("'" + of.second + "' is not a CQL type, and no type of that name is declared above in keyspace '" +
             of.first + "'" + did_you_mean(of.second, known),
         token);
  }
  std::string text = "udt<" + of.first + "." + of.second;
  for (const auto& [field, type] : found->second.fields) text += ", " + field + " " + type;
  return text + ">";
}

}  // namespace millrace::cql
