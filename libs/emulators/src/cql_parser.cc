#include "cql_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "cql_lexer.h"

namespace millrace::emulators::cql {
namespace {

using sort = token::sort;

// Recursive descent. A step that fails records the first failure and every later step does nothing, so rules
// read straight through and the caller checks once.
class parser {
 public:
  parser(std::string_view text, std::vector<token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  answer<parsed_statement> run() {
    parsed_statement out{parse_any(), {}};
    accept(";");
    if (!failed_ && peek().is != sort::end) unexpected();
    if (failed_) return std::move(*failed_);
    out.markers = std::move(markers_);
    return out;
  }

 private:
  // --- tokens
  [[nodiscard]] const token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  token next() {
    token taken = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return taken;
  }
  void fail(failure why) {
    if (!failed_) failed_ = std::move(why);
  }
  void unexpected() {
    const token& found = peek();
    if (found.is == sort::end) {
      fail(syntax_error(text_, found.at, "mismatched input '<EOF>'"));
    } else {
      fail(syntax_error(text_, found.at, fmt::format("no viable alternative at input '{}'", found.text)));
    }
  }
  void unsupported(std::string_view what) {
    fail(invalid(fmt::format("{} is not supported by the emulator", what)));
  }
  [[nodiscard]] bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const {
    return peek(ahead).is == sort::symbol && peek(ahead).text == symbol;
  }
  [[nodiscard]] bool is_word(std::string_view word, std::size_t ahead = 0) const {
    return peek(ahead).is == sort::word && !peek(ahead).quoted && peek(ahead).text == word;
  }
  bool accept(std::string_view symbol) {
    if (failed_ || !is_symbol(symbol)) return false;
    next();
    return true;
  }
  bool accept_word(std::string_view word) {
    if (failed_ || !is_word(word)) return false;
    next();
    return true;
  }
  void expect(std::string_view symbol) {
    if (!failed_ && !accept(symbol)) unexpected();
  }
  void expect_word(std::string_view word) {
    if (!failed_ && !accept_word(word)) unexpected();
  }
  std::string name() {
    if (failed_) return {};
    if (peek().is != sort::word) {
      unexpected();
      return {};
    }
    return next().text;
  }
  table_name qualified() {
    table_name out;
    out.table = name();
    if (accept(".")) {
      out.keyspace = std::move(out.table);
      out.table = name();
    }
    return out;
  }
  bool if_clause(bool negated) {
    if (!accept_word("if")) return false;
    if (negated) expect_word("not");
    expect_word("exists");
    return true;
  }

  // --- terms
  term parse_term() {
    term out;
    if (accept("?")) {
      out.marker = markers_.size();
      markers_.emplace_back();
    } else if (accept(":")) {
      out.marker = markers_.size();
      markers_.push_back(name());
    } else {
      out.written = parse_literal(0);
    }
    return out;
  }

  literal parse_literal(std::size_t depth) {
    literal out;
    if (failed_) return out;
    if (depth > type_depth_max) {
      fail(syntax_error(text_, peek().at, "literal is nested too deeply"));
      return out;
    }
    if (accept("[")) return parse_items(literal::shape::list, "]", depth);
    if (accept("(")) return parse_items(literal::shape::tuple, ")", depth);
    if (accept("{")) return parse_items(literal::shape::braces, "}", depth);
    const bool negative = accept("-");
    const token taken = next();
    out.text = (negative ? "-" : "") + taken.text;
    const bool number =
        taken.is == sort::integer || taken.is == sort::real || (taken.is == sort::text && !taken.quoted);
    if (negative && !number)
      fail(syntax_error(text_, taken.at, fmt::format("no viable alternative at input '-{}'", taken.text)));
    switch (taken.is) {
      case sort::text:
        out.is = literal::shape::text;
        return out;
      case sort::integer:
        out.is = literal::shape::integer;
        return out;
      case sort::real:
        out.is = literal::shape::real;
        return out;
      case sort::uuid:
        out.is = literal::shape::uuid;
        return out;
      case sort::blob:
        out.is = literal::shape::blob;
        return out;
      case sort::word:
        if (taken.text == "null") return out;
        if (taken.text == "true" || taken.text == "false") {
          out.is = literal::shape::boolean;
          return out;
        }
        if (taken.text == "nan" || taken.text == "infinity") {
          out.is = literal::shape::real;
          return out;
        }
        if (is_symbol("(")) {
          unsupported(fmt::format("the function {}() as a value", taken.text));
          return out;
        }
        break;
      case sort::end:
      case sort::symbol:
        break;
    }
    fail(syntax_error(text_, taken.at, fmt::format("no viable alternative at input '{}'", taken.text)));
    return out;
  }

  [[nodiscard]] bool is_constant() const {
    return is_word("null") || is_word("true") || is_word("false") || is_word("nan") || is_word("infinity");
  }

  literal parse_items(literal::shape shape, std::string_view close, std::size_t depth) {
    literal out;
    out.is = shape;
    while (!failed_ && !accept(close)) {
      if (!out.items.empty()) expect(",");
      if (is_symbol("?")) unsupported("a bind marker inside a collection literal");
      const bool names_field =
          shape == literal::shape::braces && peek().is == sort::word && is_symbol(":", 1);
      if (names_field && !is_constant()) {
        out.items.emplace_back().is = literal::shape::name;
        out.items.back().text = next().text;
      } else {
        out.items.push_back(parse_literal(depth + 1));
      }
      if (shape == literal::shape::braces && accept(":")) {
        out.pairs = true;
        out.items.push_back(parse_literal(depth + 1));
      }
    }
    if (out.pairs && out.items.size() % 2 != 0) unexpected();
    return out;
  }

  type parse_type(std::size_t depth = 0) {
    if (depth > type_depth_max) fail(syntax_error(text_, peek().at, "type is nested too deeply"));
    const std::size_t at = peek().at;
    const std::string word = name();
    if (failed_) return {};
    if (const type_id* id = scalar_named(word)) return simple(*id);
    type out;
    if (word == "frozen" && is_symbol("<")) {
      expect("<");
      out = frozen(parse_type(depth + 1));
      expect(">");
      return out;
    }
    static constexpr std::array<std::pair<std::string_view, type_id>, 4> generic{
        {{"list", type_id::list}, {"set", type_id::set}, {"map", type_id::map}, {"tuple", type_id::tuple}}};
    for (const auto& [known, id] : generic) {
      if (word != known) continue;
      out.id = id;
      expect("<");
      do out.parameters.push_back(parse_type(depth + 1));
      while (accept(","));
      expect(">");
      const std::size_t wanted = id == type_id::map ? 2 : id == type_id::tuple ? out.parameters.size() : 1;
      if (out.parameters.size() != wanted)
        fail(syntax_error(text_, at, fmt::format("wrong number of types in {}<>", word)));
      return id == type_id::tuple ? frozen(std::move(out)) : out;
    }
    out.id = type_id::user;
    out.name = word;
    if (accept(".")) {
      out.keyspace = std::move(out.name);
      out.name = name();
    }
    return out;
  }

  // --- clauses
  using_clause parse_using() {
    using_clause out;
    if (!accept_word("using")) return out;
    do {
      if (accept_word("timestamp")) {
        out.timestamp = parse_term();
      } else if (accept_word("ttl")) {
        out.ttl = parse_term();
      } else if (accept_word("timeout")) {
        parse_term();
      } else {
        unexpected();
      }
    } while (accept_word("and"));
    return out;
  }

  std::vector<std::string> names_in_parentheses() {
    std::vector<std::string> out;
    expect("(");
    do out.push_back(name());
    while (accept(","));
    expect(")");
    return out;
  }

  relation parse_relation() {
    relation out;
    if (is_word("token") && is_symbol("(", 1)) {
      next();
      out.token = true;
      out.columns = names_in_parentheses();
    } else if (is_symbol("(")) {
      unsupported("a multi-column relation");
      return out;
    } else {
      out.columns.push_back(name());
    }
    static constexpr std::array<std::pair<std::string_view, relation::op>, 5> operators{
        {{"=", relation::op::eq},
         {"<", relation::op::lt},
         {"<=", relation::op::le},
         {">", relation::op::gt},
         {">=", relation::op::ge}}};
    for (const auto& [symbol, op] : operators) {
      if (!accept(symbol)) continue;
      out.is = op;
      out.terms.push_back(parse_term());
      return out;
    }
    expect_word("in");
    out.is = relation::op::in;
    if (is_symbol("?") || is_symbol(":")) {
      out.in_marker = true;
      out.terms.push_back(parse_term());
      return out;
    }
    expect("(");
    while (!failed_ && !accept(")")) {
      if (!out.terms.empty()) expect(",");
      out.terms.push_back(parse_term());
    }
    return out;
  }

  std::vector<relation> parse_where() {
    std::vector<relation> out;
    expect_word("where");
    do out.push_back(parse_relation());
    while (accept_word("and"));
    return out;
  }

  cql::if_clause parse_condition() {
    cql::if_clause out;
    if (!is_word("if")) return out;
    if (is_word("exists", 1)) {
      if_clause(false);
      out.is = cql::if_clause::what::present;
      return out;
    }
    expect_word("if");
    out.is = cql::if_clause::what::columns;
    do out.columns.push_back(parse_relation());
    while (accept_word("and"));
    return out;
  }

  // --- statements
  statement parse_any() {
    if (accept_word("select")) return parse_select();
    if (accept_word("insert")) return parse_insert();
    if (accept_word("update")) return parse_update();
    if (accept_word("delete")) return parse_delete();
    if (accept_word("use")) return use_statement{name()};
    if (accept_word("truncate")) {
      accept_word("table");
      return truncate_statement{qualified()};
    }
    if (accept_word("create")) return parse_create();
    if (accept_word("alter")) return parse_alter();
    if (accept_word("drop")) return parse_drop();
    for (const std::string_view known : {"begin", "grant", "revoke", "list", "describe", "desc"}) {
      if (is_word(known)) {
        unsupported(fmt::format("the statement {}", known));
        return use_statement{};
      }
    }
    unexpected();
    return use_statement{};
  }

  selector parse_selector() {
    selector out;
    if (is_word("count") && is_symbol("(", 1)) {
      next();
      next();
      if (!accept("*") && peek().is == sort::integer) next();
      expect(")");
      out.is = selector::what::count;
    } else if (is_symbol("(", 1)) {
      const std::string function = name();
      if (function == "writetime")
        out.is = selector::what::write_time;
      else if (function == "ttl")
        out.is = selector::what::ttl;
      else if (function == "token")
        out.is = selector::what::token;
      else
        unsupported(fmt::format("the function {}()", function));
      out.columns = names_in_parentheses();
    } else {
      out.columns.push_back(name());
      if (is_symbol("[") || is_symbol(".")) unsupported("a part of a column as a selection");
    }
    if (accept_word("as")) out.alias = name();
    return out;
  }

  statement parse_select() {
    select_statement out;
    if (is_word("json") || is_word("distinct")) {
      const bool modifies = peek(1).is == sort::word && !is_word("from", 1);
      if (modifies && is_word("json")) unsupported("SELECT json");
      out.distinct = modifies && accept_word("distinct");
    }
    if (!accept("*")) {
      do out.selectors.push_back(parse_selector());
      while (accept(","));
    }
    expect_word("from");
    out.from = qualified();
    if (is_word("where")) out.where = parse_where();
    if (accept_word("order")) {
      expect_word("by");
      out.order_by = name();
      out.descending = accept_word("desc");
      if (!out.descending) accept_word("asc");
    }
    if (accept_word("limit")) out.limit = parse_term();
    if (accept_word("allow")) {
      expect_word("filtering");
      out.filtering = true;
    }
    if (accept_word("bypass")) expect_word("cache");
    parse_using();
    return out;
  }

  statement parse_insert() {
    insert_statement out;
    if (is_word("json")) unsupported("INSERT JSON");
    expect_word("into");
    out.into = qualified();
    const std::size_t at = peek().at;
    std::vector<std::string> columns = names_in_parentheses();
    expect_word("values");
    expect("(");
    std::vector<term> values;
    do values.push_back(parse_term());
    while (accept(","));
    expect(")");
    if (if_clause(true)) out.condition.is = cql::if_clause::what::absent;
    out.with = parse_using();
    if (columns.size() != values.size()) {
      if (!failed_) fail(invalid("Unmatched column names/values"));
      return out;
    }
    static_cast<void>(at);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      assignment& each = out.columns.emplace_back();
      each.column = std::move(columns[i]);
      each.to = std::move(values[i]);
    }
    return out;
  }

  statement parse_update() {
    update_statement out;
    out.table = qualified();
    out.with = parse_using();
    expect_word("set");
    do out.set.push_back(parse_assignment());
    while (accept(","));
    out.where = parse_where();
    out.condition = parse_condition();
    return out;
  }

  assignment parse_assignment() {
    using form = assignment::form;
    assignment out;
    out.column = name();
    if (accept("[")) {
      out.is = form::element;
      out.at = parse_term();
      expect("]");
    } else if (accept(".")) {
      out.is = form::field;
      out.name = name();
    } else if ((is_symbol("+") || is_symbol("-")) && is_symbol("=", 1)) {
      out.is = next().text == "+" ? form::append : form::subtract;
    }
    expect("=");
    if (out.is == form::set && peek().is == sort::word && !is_constant()) {
      same_column(out.column);
      out.is = is_symbol("-") ? form::subtract : form::append;
      if (!accept("-")) expect("+");
    }
    out.to = parse_term();
    if (out.is == form::set && accept("+")) {
      out.is = form::prepend;
      same_column(out.column);
    }
    return out;
  }

  void same_column(std::string_view column) {
    const std::size_t at = peek().at;
    if (name() != column)
      fail(syntax_error(text_, at, "Only expressions of the form X = X + <value> are supported."));
  }

  statement parse_delete() {
    delete_statement out;
    if (!is_word("from")) {
      do {
        deletion& each = out.columns.emplace_back();
        each.column = name();
        if (accept("[")) {
          each.element = parse_term();
          expect("]");
        } else if (accept(".")) {
          each.field = name();
        }
      } while (accept(","));
    }
    expect_word("from");
    out.from = qualified();
    out.with = parse_using();
    out.where = parse_where();
    out.condition = parse_condition();
    return out;
  }

  statement parse_create() {
    if (accept_word("keyspace") || accept_word("schema")) return parse_create_keyspace();
    if (accept_word("table") || accept_word("columnfamily")) return parse_create_table();
    if (accept_word("type")) return parse_create_type();
    unsupported(fmt::format("CREATE {}", peek().text));
    return use_statement{};
  }

  statement parse_create_keyspace() {
    create_keyspace out;
    out.if_not_exists = if_clause(true);
    out.name = name();
    expect_word("with");
    do {
      const std::string option = name();
      expect("=");
      const literal given = parse_literal(0);
      if (option != "replication" && option != "tablets") continue;
      if (!given.pairs) unexpected();
      auto& into = option == "tablets" ? out.tablets : out.replication;
      for (std::size_t i = 0; i + 1 < given.items.size(); i += 2) {
        into.emplace_back(given.items[i].text, given.items[i + 1].text);
      }
    } while (accept_word("and"));
    if (!failed_ && out.replication.empty())
      fail({code::config, "Missing mandatory replication strategy class", {}});
    return out;
  }

  statement parse_create_type() {
    create_type out;
    out.if_not_exists = if_clause(true);
    out.name = qualified();
    expect("(");
    do out.fields.push_back(parse_declaration());
    while (accept(","));
    expect(")");
    return out;
  }

  column_declaration parse_declaration() {
    column_declaration out;
    out.name = name();
    out.of = parse_type();
    return out;
  }

  statement parse_create_table() {
    create_table out;
    out.if_not_exists = if_clause(true);
    out.name = qualified();
    expect("(");
    do {
      if (is_word("primary") && is_word("key", 1)) {
        next();
        next();
        parse_primary_key(out);
        continue;
      }
      column_declaration column = parse_declaration();
      column.is_static = accept_word("static");
      if (accept_word("primary")) {
        expect_word("key");
        if (!out.partition_key.empty()) fail(invalid("Multiple PRIMARY KEY definition"));
        out.partition_key.push_back(column.name);
      }
      out.columns.push_back(std::move(column));
    } while (accept(","));
    expect(")");
    if (accept_word("with")) parse_table_options(out);
    return out;
  }

  void parse_primary_key(create_table& out) {
    if (!out.partition_key.empty()) fail(invalid("Multiple PRIMARY KEY definition"));
    expect("(");
    if (is_symbol("("))
      out.partition_key = names_in_parentheses();
    else
      out.partition_key.push_back(name());
    while (accept(",")) out.clustering.push_back(name());
    expect(")");
  }

  void parse_table_options(create_table& out) {
    do {
      if (accept_word("clustering")) {
        expect_word("order");
        expect_word("by");
        expect("(");
        do {
          std::string column = name();
          const bool descending = accept_word("desc");
          if (!descending) accept_word("asc");
          out.order.emplace_back(std::move(column), descending);
        } while (accept(","));
        expect(")");
      } else if (accept_word("compact")) {
        expect_word("storage");
      } else {
        name();
        expect("=");
        parse_literal(0);
      }
    } while (accept_word("and"));
  }

  statement parse_alter() {
    if (accept_word("type")) return parse_alter_type();
    add_columns out;
    if (!accept_word("table")) {
      unsupported(fmt::format("ALTER {}", peek().text));
      return out;
    }
    out.table = qualified();
    if (accept_word("drop")) return drop_columns{out.table, parse_names()};
    if (!accept_word("add")) {
      unsupported("ALTER TABLE other than ADD and DROP");
      return out;
    }
    const bool parentheses = accept("(");
    do {
      out.columns.push_back(parse_declaration());
      out.columns.back().is_static = accept_word("static");
    } while (accept(","));
    if (parentheses) expect(")");
    return out;
  }

  // One name, several after commas, or in parentheses.
  std::vector<std::string> parse_names() {
    if (is_symbol("(")) return names_in_parentheses();
    std::vector<std::string> out;
    do out.push_back(name());
    while (accept(","));
    return out;
  }

  statement parse_alter_type() {
    alter_type out;
    out.name = qualified();
    if (accept_word("add")) {
      out.added.push_back(parse_declaration());
    } else if (accept_word("rename")) {
      do {
        std::string from = name();
        expect_word("to");
        out.renamed.emplace_back(std::move(from), name());
      } while (accept_word("and"));
    } else if (is_word("alter")) {
      fail(invalid("Altering field types is no longer supported"));
    } else {
      unexpected();
    }
    return out;
  }

  statement parse_drop() {
    drop_statement out;
    if (accept_word("keyspace") || accept_word("schema")) {
      out.if_exists = if_clause(false);
      out.what.keyspace = name();
      return out;
    }
    if (accept_word("type")) {
      drop_type dropped;
      dropped.if_exists = if_clause(false);
      dropped.name = qualified();
      return dropped;
    }
    if (!accept_word("table") && !accept_word("columnfamily"))
      unsupported(fmt::format("DROP {}", peek().text));
    out.if_exists = if_clause(false);
    out.what = qualified();
    return out;
  }

  std::string_view text_;
  std::vector<token> tokens_;
  std::size_t at_ = 0;
  std::vector<std::string> markers_;
  verdict failed_;
};

}  // namespace

answer<parsed_statement> parse_statement(std::string_view text) {
  answer<std::vector<token>> tokens = tokenize(text);
  if (!tokens) return std::move(tokens.why());
  return parser(text, std::move(*tokens)).run();
}

}  // namespace millrace::emulators::cql
