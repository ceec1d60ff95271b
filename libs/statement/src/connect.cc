// What the statements and lookups of a worker have to do with each other.
#include <algorithm>

#include <millrace/statement/declarations.h>

namespace millrace::statements {
namespace {

error wrong(const statement_declaration& statement, const std::string& what) {
  return {errc::config_invalid, "statement '" + statement.name() + "': " + what};
}

std::string names_of(const std::vector<lookup_declaration*>& all) {
  std::string text;
  for (const lookup_declaration* each : all) text += (text.empty() ? "" : ", ") + each->name();
  return text.empty() ? "none" : text;
}

// What a replay would not repeat, as far as the text shows. Types show the rest, once prepared.
result<void> check_write_time(const statement_declaration& s) {
  if (s.options().written != write_time::record) return {};
  const statement_text& text = s.text();
  const auto refused = [&s](const std::string& why) {
    return wrong(s, why + "; omit write_time::record, or change the statement");
  };
  if (!text.writes()) return refused("the record's write time is for INSERT, UPDATE and DELETE");
  if (text.sets_timestamp) return refused("USING TIMESTAMP and the record's write time exclude each other");
  if (text.conditional)
    return refused(
        "the server sets the timestamp of a conditional write (IF), and a replay would find it applied");
  if (!text.volatile_function.empty())
    return refused(text.volatile_function + "() would yield another value when the record is replayed");
  if (!s.idempotent())
    return refused("it is declared as not idempotent, so a replay would write another value");
  for (const statement_text::in_place& change : text.changes_in_place) {
    if (change.by != statement_text::in_place::operand::other) continue;
    return refused(
        "column '" + change.column +
        "' changes in place: a replay would increment a counter again and append to a list again. A set "
        "or map may be bound as a parameter");
  }
  return {};
}

}  // namespace

result<void> check_idempotence(const statement_declaration& s) {
  const statement_text& text = s.text();
  if (!text.writes() || s.options().written == write_time::record) return {};
  if (!text.volatile_function.empty() && !s.options().idempotent) {
    return wrong(
        s, text.volatile_function +
               "() yields another value when the record or the request is repeated: bind the value as a "
               "parameter, or declare it with .idempotent = false, or with .idempotent = true if another "
               "value does not matter");
  }
  if (s.options().idempotent == false) return {};
  for (const statement_text::in_place& change : text.changes_in_place) {
    if (change.element || change.by != statement_text::in_place::operand::other) continue;
    return wrong(
        s, "column '" + change.column +
               "' changes in place: a repetition of the record or the request would count again, or append "
               "to a list again; declare it with .idempotent = false, or write the whole column");
  }
  return {};
}

namespace {

// A table's rows are timed by the log or by the clocks, not by both: what the clocks write while the engine
// lags hides what records write later.
result<void> check_tables(const std::vector<statement_declaration*>& all) {
  for (const statement_declaration* timed : all) {
    if (timed->options().written != write_time::record) continue;
    for (const statement_declaration* other : all) {
      if (!other->text().writes() || other->options().written == write_time::record ||
          !same_table(timed->text().table, other->text().table)) {
        continue;
      }
      return wrong(*other,
                   "it writes table '" + other->text().table + "' at the server's time, and statement '" +
                       timed->name() +
                       "' at the record's write time: the later record would lose whenever the engine lags; "
                       "use write_time::record for both");
    }
  }
  return {};
}

result<statement_declaration::invalidation> key_of(const statement_declaration& write,
                                                   const lookup_declaration& lookup,
                                                   invalidation_board& board) {
  statement_declaration::invalidation made{&board.channel(lookup.name()), {}};
  const std::vector<std::string>& bound = write.parameters();
  for (const std::string& column : lookup.statement().parameters()) {
    const auto found = std::find(bound.begin(), bound.end(), column);
    if (found == bound.end()) {
      return wrong(write, "it binds no parameter to column '" + column +
                              "', which is part of the key of lookup '" + lookup.name() +
                              "': the row that it invalidates is unknown");
    }
    made.key.push_back(static_cast<std::size_t>(found - bound.begin()));
  }
  return made;
}

result<void> tie(statement_declaration& write, const std::string& name, const declarations& all,
                 invalidation_board& board) {
  const auto found = std::find_if(all.lookups.begin(), all.lookups.end(),
                                  [&name](const lookup_declaration* each) { return each->name() == name; });
  if (found == all.lookups.end())
    return wrong(
        write, "its `invalidates` has '" + name + "', expected one of the lookups: " + names_of(all.lookups));
  const lookup_declaration& lookup = **found;
  if (!write.text().writes()) return wrong(write, "it is a SELECT, which invalidates nothing");
  if (!same_table(write.text().table, lookup.statement().text().table)) {
    return wrong(write, "it writes table '" + write.text().table + "', and lookup '" + name + "' reads '" +
                            lookup.statement().text().table + "'");
  }
  auto made = key_of(write, lookup, board);
  if (!made) return made.error();
  write.invalidate_with(std::move(*made));
  return {};
}

}  // namespace

result<void> connect(const declarations& all, invalidation_board& board) {
  for (statement_declaration* s : all.statements) {
    if (auto repeats = check_write_time(*s); !repeats) return repeats;
    if (auto repeats = check_idempotence(*s); !repeats) return repeats;
    const std::vector<std::string>& named = s->options().invalidates;
    for (const std::string& name : named) {
      if (name == no_lookup) continue;
      if (auto tied = tie(*s, name, all, board); !tied) return tied;
    }
    if (!s->text().writes() || std::find(named.begin(), named.end(), no_lookup) != named.end()) continue;
    for (const lookup_declaration* lookup : all.lookups) {
      if (!same_table(s->text().table, lookup->statement().text().table) ||
          std::find(named.begin(), named.end(), lookup->name()) != named.end()) {
        continue;
      }
      return wrong(*s, "it writes table '" + s->text().table + "', which lookup '" + lookup->name() +
                           "' caches: declare it with .invalidates = {\"" + lookup->name() +
                           "\"}, or {no_lookup} if outdated rows may be used until they expire");
    }
  }
  return check_tables(all.statements);
}

void statement_declaration::parameters_are(std::vector<column> parameters) {
  text_.parameters.clear();
  for (const column& each : parameters) text_.parameters.push_back(each.name);
  parameter_columns_ = std::move(parameters);
}

void statement_declaration::post_invalidations(bytes_view cells) const {
  // Where each cell is, its length included.
  std::vector<bytes_view> all;
  while (cells.size() >= 4) {
    std::uint32_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = (length << 8U) | std::to_integer<std::uint32_t>(cells[i]);
    const std::size_t bytes = 4 + (static_cast<std::int32_t>(length) > 0 ? std::size_t{length} : 0);
    if (bytes > cells.size()) break;
    all.push_back(cells.first(bytes));
    cells = cells.subspan(bytes);
  }
  byte_buffer key;
  for (const invalidation& each : invalidations_) {
    key.clear();
    for (const std::size_t index : each.key) {
      if (index < all.size()) key.insert(key.end(), all[index].begin(), all[index].end());
    }
    each.channel->post(key);
  }
}

}  // namespace millrace::statements
