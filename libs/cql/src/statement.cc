#include <algorithm>

#include <millrace/cql/statement.h>

namespace millrace::cql::internal {
namespace {

std::string counted(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

std::string listed(const std::vector<statements::column>& all) {
  std::string text;
  for (const statements::column& column : all) {
    text += (text.empty() ? "" : ", ") + column.name + " " + column.type;
  }
  return all.empty() ? text : " (" + text + ")";
}

error mismatch(const std::string& statement, const std::string& what) {
  return {errc::db_type_mismatch, "statement '" + statement + "': " + what};
}

// What the text alone does not show: growing a set or map is repeatable, growing a list or counter is not.
result<void> check_write_time(const statements::statement_declaration& s,
                              const std::vector<statements::column>& parameters) {
  if (s.options().written != statements::write_time::record) return {};
  for (const statements::statement_text::in_place& change : s.text().changes_in_place) {
    if (change.by != statements::statement_text::in_place::operand::parameter ||
        change.parameter >= parameters.size()) {
      continue;
    }
    const statements::column& by = parameters[change.parameter];
    const bool repeats = change.element ? !by.name.starts_with("idx(")
                                        : by.type.starts_with("set<") || by.type.starts_with("map<");
    if (repeats) continue;
    return error(errc::config_invalid,
                 "statement '" + s.name() + "': column '" + change.column + "' changes in place by a " +
                     by.type +
                     ", which a replay would repeat; omit write_time::record, or write the whole column");
  }
  return {};
}

result<void> check_idempotence(const statements::statement_declaration& s,
                               const std::vector<statements::column>& parameters) {
  const statements::statement_text& text = s.text();
  if (!text.writes() || s.options().idempotent == false ||
      s.options().written == statements::write_time::record) {
    return {};
  }
  const bool removes = text.does == statements::statement_text::verb::remove;
  for (const statements::statement_text::in_place& change : text.changes_in_place) {
    if (change.by != statements::statement_text::in_place::operand::parameter ||
        change.parameter >= parameters.size()) {
      continue;
    }
    const statements::column& by = parameters[change.parameter];
    const bool repeats = change.element ? !removes || !by.name.starts_with("idx(")
                                        : by.type.starts_with("set<") || by.type.starts_with("map<");
    if (repeats) continue;
    return error(errc::config_invalid,
                 "statement '" + s.name() + "': column '" + change.column + "' changes in place by a " +
                     by.type +
                     ", which a repetition of the record or the request would do again; declare "
                     "it with .idempotent = false, or write the whole column");
  }
  return {};
}

struct side {
  std::string_view what;  // "parameter" or "column"
  const std::vector<expectation>& expected;
  const std::vector<statements::column>& actual;
};

result<void> check_side(const std::string& statement, const side& s) {
  if (s.expected.size() != s.actual.size()) {
    return mismatch(statement, "the database has " + counted(s.actual.size(), s.what) + listed(s.actual) +
                                   ", the C++ type " + counted(s.expected.size(), s.what));
  }
  for (std::size_t k = 0; k < s.actual.size(); ++k) {
    const statements::column& actual = s.actual[k];
    const expectation& expected = s.expected[k];
    const std::string name = std::string(s.what) + " '" + actual.name + "'";
    if (!expected.field.empty() && expected.field != actual.name) {
      return mismatch(statement, name + " is in the position of field '" + std::string(expected.field) +
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
    return {errc::db_protocol, "statement '" + std::string(statement) +
                                   "': the answer is truncated before column '" + std::string(column) + "'"};
  }
  return {errc::unresolvable, "statement '" + std::string(statement) + "': column '" + std::string(column) +
                                  "' is " + std::string(describe(fault.fault))};
}

result<void> statement_base::check(const std::vector<statements::column>& parameters,
                                   const std::vector<statements::column>& columns) {
  if (text().selects_all_columns) {
    return error(errc::db_invalid,
                 "statement '" + name() + "': SELECT * would break when a column is added; name the columns");
  }
  const bool conditional = text().conditional;
  if (conditional != (promised_ == promise::applied)) {
    return error(errc::db_invalid,
                 "statement '" + name() + "': " +
                     (conditional ? "a statement with IF reports whether it was applied, and its C++ "
                                    "result must be applied<...>"
                                  : "its C++ result is applied<...>, and the statement has no IF"));
  }
  if (promised_ == promise::nothing && !columns.empty()) {
    return mismatch(name(), "it returns rows" + listed(columns) + ", and its C++ result is void");
  }
  if (auto fits = check_side(name(), {"parameter", expected_parameters_, parameters}); !fits) return fits;
  if (auto repeats = check_write_time(*this, parameters); !repeats) return repeats;
  if (auto repeats = check_idempotence(*this, parameters); !repeats) return repeats;
  parameters_are(parameters);
  column_names_.clear();
  if (conditional) {
    // The answer's columns depend on what it finds; Cassandra does not name them beforehand.
    for (const expectation& field : expected_columns_) column_names_.emplace_back(field.field);
    return {};
  }
  if (auto fits = check_side(name(), {"column", expected_columns_, columns}); !fits) return fits;
  for (const statements::column& column : columns) column_names_.push_back(column.name);
  return {};
}

std::optional<std::vector<statements::column>> statement_base::result_columns() const {
  if (text().conditional) return std::nullopt;  // they depend on what the statement finds
  std::vector<statements::column> all;
  for (const expectation& each : expected_columns_) all.push_back({std::string(each.field), each.cql});
  return all;
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
          "statement '" + name() + "': expected at most one row, received " + count + " rows"};
}

error statement_base::too_many_rows() const {
  return {errc::limit_exceeded,
          "statement '" + name() + "': the answer has more than " + std::to_string(rows_max) + " rows"};
}

error statement_base::unexpected_answer() const {
  return {errc::db_unexpected_rows,
          "statement '" + name() + "': " +
              (promised_ == promise::applied ? "the server did not report whether it was applied"
                                             : "expected no rows, received some")};
}

result<std::vector<std::size_t>> statement_base::places_of_fields(const stream::rows_owner& answer) const {
  std::vector<std::size_t> places;
  if (answer.columns.size() <= 1) return places;  // "[applied]" alone: there is no row
  for (const expectation& field : expected_columns_) {
    const auto found =
        std::find_if(answer.columns.begin() + 1, answer.columns.end(),
                     [&](const statements::column& column) { return column.name == field.field; });
    if (found == answer.columns.end()) {
      return mismatch(name(), "the answer has no column '" + std::string(field.field) + "'" +
                                  listed({answer.columns.begin(), answer.columns.end()}));
    }
    auto parsed = type::parse(found->type);
    if (!parsed || !field.fits(*parsed)) {
      return mismatch(name(), "column '" + found->name + "' is " + found->type +
                                  " in the database, and its C++ type " + field.cpp + " is for " + field.cql);
    }
    places.push_back(static_cast<std::size_t>(found - answer.columns.begin()));
  }
  return places;
}

}  // namespace millrace::cql::internal
