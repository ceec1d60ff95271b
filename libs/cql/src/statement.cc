#include <algorithm>
#include <cctype>

#include <millrace/cql/statement.h>

namespace millrace::cql::internal {
namespace {

std::string counted(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

std::string listed(const std::vector<stream::column>& all) {
  std::string text;
  for (const stream::column& column : all) {
    text += (text.empty() ? "" : ", ") + column.name + " " + column.type;
  }
  return all.empty() ? text : " (" + text + ")";
}

error mismatch(const std::string& statement, const std::string& what) {
  return {errc::db_type_mismatch, "statement '" + statement + "': " + what};
}

// Whether the selection (between SELECT and FROM, outside of quotes) holds a '*' that is no argument:
// count(*).
bool selects_star(std::string_view cql) {
  const auto starts_with_word = [](std::string_view text, std::string_view word) {
    return text.size() >= word.size() &&
           std::equal(word.begin(), word.end(), text.begin(),
                      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  };
  const std::size_t begin = cql.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || !starts_with_word(cql.substr(begin), "select")) return false;
  int depth = 0;
  for (std::size_t at = begin + 6; at < cql.size(); ++at) {
    const char c = cql[at];
    if (c == '"' || c == '\'') {
      at = cql.find(c, at + 1);
      if (at == std::string_view::npos) return false;
    }
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == '*' && depth == 0) return true;
    if (std::isspace(static_cast<unsigned char>(c)) != 0 && starts_with_word(cql.substr(at + 1), "from ")) {
      return false;
    }
  }
  return false;
}

// What the text alone does not tell: growing a set or map repeats well, growing a list or counter does not.
result<void> check_write_time(const stream::statement_declaration& s,
                              const std::vector<stream::column>& parameters) {
  if (s.options().written != stream::write_time::record) return {};
  for (const stream::statement_text::in_place& change : s.text().changes_in_place) {
    if (change.by != stream::statement_text::in_place::operand::parameter ||
        change.parameter >= parameters.size()) {
      continue;
    }
    const stream::column& by = parameters[change.parameter];
    const bool repeats = change.element ? !by.name.starts_with("idx(")
                                        : by.type.starts_with("set<") || by.type.starts_with("map<");
    if (repeats) continue;
    return error(
        errc::config_invalid,
        "statement '" + s.name() + "': column '" + change.column + "' changes in place by a " + by.type +
            ", and a replay would change it again; leave out write_time::record, or write it as a whole");
  }
  return {};
}

struct side {
  std::string_view what;  // "parameter" or "column"
  const std::vector<expectation>& expected;
  const std::vector<stream::column>& actual;
};

result<void> check_side(const std::string& statement, const side& s) {
  if (s.expected.size() != s.actual.size()) {
    return mismatch(statement, "the database has " + counted(s.actual.size(), s.what) + listed(s.actual) +
                                   ", the C++ type " + counted(s.expected.size(), s.what));
  }
  for (std::size_t k = 0; k < s.actual.size(); ++k) {
    const stream::column& actual = s.actual[k];
    const expectation& expected = s.expected[k];
    const std::string name = std::string(s.what) + " '" + actual.name + "'";
    if (!expected.field.empty() && expected.field != actual.name) {
      return mismatch(statement, name + " is at the place of field '" + std::string(expected.field) +
                                     "': select the columns in the order of the fields, or name it AS " +
                                     std::string(expected.field));
    }
    auto parsed = type::parse(actual.type);
    if (!parsed || !expected.fits(*parsed)) {
      return mismatch(statement, name + " is " + actual.type + " in the database, and its C++ type " +
                                     expected.cpp + " is for " + expected.cql);
    }
  }
  return {};
}

}  // namespace

std::string readable_type(std::string_view spelt) {
  std::string text(spelt);
  const auto replace = [&text](std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  };
  replace("std::__cxx11::", "std::");
  replace("std::basic_string_view<char>", "std::string_view");
  replace("std::basic_string<char>", "std::string");
  return text;
}

error unreadable(std::string_view statement, std::string_view column, const row_fault& fault) {
  if (fault.torn) {
    return {errc::db_protocol, "statement '" + std::string(statement) + "': the answer ends before column '" +
                                   std::string(column) + "'"};
  }
  return {errc::unresolvable, "statement '" + std::string(statement) + "': column '" + std::string(column) +
                                  "' is " + std::string(describe(fault.fault))};
}

result<void> statement_base::check(const std::vector<stream::column>& parameters,
                                   const std::vector<stream::column>& columns) {
  if (selects_star(cql())) {
    return error(errc::db_invalid,
                 "statement '" + name() + "': SELECT * would break when a column is added; name the columns");
  }
  if (expected_columns_.empty() && !columns.empty()) {
    return mismatch(name(), "it yields rows" + listed(columns) + ", and its C++ result is void");
  }
  if (auto fits = check_side(name(), {"parameter", expected_parameters_, parameters}); !fits) return fits;
  if (auto fits = check_side(name(), {"column", expected_columns_, columns}); !fits) return fits;
  if (auto repeats = check_write_time(*this, parameters); !repeats) return repeats;
  parameters_are(parameters);
  column_names_.clear();
  for (const stream::column& column : columns) column_names_.push_back(column.name);
  return {};
}

error statement_base::unreadable_row(const row_fault& fault) const {
  const std::string column =
      fault.column < column_names_.size() ? column_names_[fault.column] : std::to_string(fault.column + 1);
  return unreadable(name(), column, fault);
}

error statement_base::unexpected_rows(const stream::rows_ref& answer) const {
  const std::string count = answer->has_more_pages ? "more than " + std::to_string(answer->row_count)
                                                   : std::to_string(answer->row_count);
  return {errc::db_unexpected_rows,
          "statement '" + name() + "': at most one row was promised, and " + count + " came"};
}

error statement_base::too_many_rows() const {
  return {errc::limit_exceeded,
          "statement '" + name() + "': the answer has more than " + std::to_string(rows_max) + " rows"};
}

}  // namespace millrace::cql::internal
