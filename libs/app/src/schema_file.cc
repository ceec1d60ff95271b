#include <algorithm>

#include <millrace/app/schema_file.h>
#include <millrace/config/load.h>
#include <millrace/statement/lookup.h>

#include "lookups.h"

namespace millrace::app {
namespace {

std::string line_of(std::string_view text, std::size_t number) {
  std::size_t begin = 0;
  for (std::size_t line = 1; line < number; ++line) {
    begin = text.find('\n', begin);
    if (begin == std::string_view::npos) return {};
    ++begin;
  }
  std::string line(text.substr(begin, text.find('\n', begin) - begin));
  std::replace(line.begin(), line.end(), '\t', ' ');
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

config::diagnostic about_statements(config::severity level, const std::string& origin, std::string message) {
  config::diagnostic one;
  one.level = level;
  one.code = level == config::severity::error ? config::problem::inconsistent : config::problem::error_hint;
  one.message = std::move(message);
  one.origin = origin;
  return one;
}

}  // namespace

result<schema_file> schema_file::read(const std::string& path, const std::string& keyspace) {
  auto text = config::read_file(path);
  if (!text) return text.error().in("cannot read " + path);
  return of(std::move(*text), path, keyspace);
}

schema_file schema_file::of(std::string text, std::string origin, const std::string& keyspace) {
  schema_file made;
  made.text_ = std::move(text);
  made.origin_ = std::move(origin);
  made.schema_ = cql::declared_schema::parse(made.text_, keyspace);
  return made;
}

std::vector<config::diagnostic> schema_file::diagnostics() const {
  std::vector<config::diagnostic> all;
  for (const cql::schema_problem& each : schema_.problems()) {
    config::diagnostic one;
    one.code = config::problem::bad_syntax;
    one.message = each.message;
    one.origin = origin_;
    one.line = each.line;
    one.column = each.column;
    one.width = each.width;
    one.excerpt = line_of(text_, each.line);
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<config::diagnostic> schema_file::check(const engine::processor_set& processors,
                                                   const app_config& settings) const {
  std::vector<config::diagnostic> all;
  const auto refuse = [&](const error& why) {
    all.push_back(about_statements(config::severity::error, origin_, why.message()));
  };
  statements::invalidation_board board;  // outlive the processors, as in a worker
  statements::lookup_room room{board};
  auto work = engine::build(processors);
  if (!work) {
    refuse(work.error());
    return all;
  }
  const std::string keyspace = settings.cql ? settings.cql->keyspace : std::string();
  for (statements::statement_declaration* each : work->declared.statements) {
    const auto checked = schema_.check(*each, keyspace);
    if (!checked) {
      refuse(checked.error());
    } else if (!*checked) {
      all.push_back(
          about_statements(config::severity::warning, origin_,
                           "statement '" + each->name() +
                               "': only a server knows the type of a part of it; its types are checked at "
                               "the start"));
    }
  }
  if (config::has_errors(all)) return all;
  const auto opened =
      open_lookups(work->declared, room,
                   {settings.lookups, 1, static_cast<std::size_t>(settings.engine.memory_max.bytes)});
  if (!opened) refuse(opened.error());
  return all;
}

}  // namespace millrace::app
