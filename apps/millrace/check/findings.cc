#include "check/findings.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include "check/rules.h"

namespace millrace::check {
namespace {

constexpr std::string_view own_prefix = "millrace-";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool take_number(std::string_view& text, int& number) {
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// "file:12:3: text"; a file's name may contain colons.
struct diagnostic {
  std::string_view file;
  int line = 0;
  int column = 0;
  std::string_view text;
};
std::optional<diagnostic> diagnostic_of(std::string_view line) {
  for (std::size_t colon = line.find(':'); colon != std::string_view::npos;
       colon = line.find(':', colon + 1)) {
    diagnostic found;
    found.file = line.substr(0, colon);
    std::string_view rest = line.substr(colon + 1);
    if (found.file.empty() || !take_number(rest, found.line) || !rest.starts_with(':')) continue;
    rest.remove_prefix(1);
    if (!take_number(rest, found.column) || !rest.starts_with(": ")) continue;
    found.text = rest.substr(2);
    return found;
  }
  return std::nullopt;
}

bool takes(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

struct place {
  std::string file;
  int line = 0;
  int column = 0;
  friend auto operator<=>(const place&, const place&) = default;
};

// The nodes that one match binds, by name.
using match = std::map<std::string, place, std::less<>>;

void end_match(match& of, std::vector<finding>& into) {
  const auto named =
      std::ranges::find_if(of, [](const auto& each) { return each.first.starts_with(own_prefix); });
  const auto first = of.find("place");
  const auto wait = of.find("wait");
  const bool is_ordered = first == of.end() || wait == of.end() || named == of.end() ||
                          (first->second < wait->second && wait->second < named->second);
  if (named != of.end() && is_ordered) {
    const rule* const known = find_rule(named->first);
    into.push_back({named->second.file, named->second.line, named->second.column, named->first,
                    known == nullptr ? std::string() : std::string(known->what)});
  }
  of.clear();
}

// "(a, b*)" after NOLINT, or nothing, which stands for every rule.
bool names_rule(std::string_view after, std::string_view rule) {
  if (!after.starts_with('(')) return true;
  std::string_view names = after.substr(1, after.find(')') - 1);
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(','), names.size());
    std::string_view name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name == rule) return true;
    if (name.ends_with('*') && rule.starts_with(name.substr(0, name.size() - 1))) return true;
  }
  return false;
}

bool has_mark(std::string_view line, std::string_view mark, std::string_view rule) {
  const std::size_t at = line.find(mark);
  if (at == std::string_view::npos) return false;
  const std::string_view after = line.substr(at + mark.size());
  const bool is_longer_word = !after.empty() && after.front() >= 'A' && after.front() <= 'Z';
  return !is_longer_word && names_rule(after, rule);
}

std::vector<std::string> read_lines(const std::string& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

std::vector<finding> read_tidy(std::string_view output) {
  std::vector<finding> found;
  for (const std::string_view line : lines_of(output)) {
    auto at = diagnostic_of(line);
    if (!at || !(takes(at->text, "warning: ") || takes(at->text, "error: "))) continue;
    const std::size_t bracket = at->text.rfind(" [");
    if (bracket == std::string_view::npos || !at->text.ends_with(']')) continue;
    std::string_view rule = at->text.substr(bracket + 2);
    rule = rule.substr(0, rule.find_first_of(",]"));
    found.push_back({std::string(at->file), at->line, at->column, std::string(rule),
                     std::string(at->text.substr(0, bracket))});
  }
  return found;
}

result<std::vector<finding>> read_query(std::string_view output) {
  std::vector<finding> found;
  match current;
  for (const std::string_view line : lines_of(output)) {
    if (line.starts_with("Match #")) {
      end_match(current, found);
      continue;
    }
    // "1:32: Error building matcher": of a command, not of a file.
    if (line.starts_with("1:") && line.find(": Error ") != std::string_view::npos) {
      return error(errc::internal, "clang-query refuses a rule: " + std::string(line));
    }
    auto at = diagnostic_of(line);
    if (!at || !takes(at->text, "note: \"") || !at->text.ends_with("\" binds here")) continue;
    current.insert_or_assign(std::string(at->text.substr(0, at->text.find('"'))),
                             place{std::string(at->file), at->line, at->column});
  }
  end_match(current, found);
  return found;
}

bool is_silenced(std::string_view line, std::string_view line_before, std::string_view rule) {
  return has_mark(line, "NOLINT", rule) || has_mark(line_before, "NOLINTNEXTLINE", rule);
}

std::vector<finding> accepted(std::vector<finding> all) {
  std::map<std::string, std::vector<std::string>> sources;
  const auto line_at = [&sources](const finding& of, int line) -> std::string_view {
    const auto [known, is_new] = sources.try_emplace(of.file);
    if (is_new) known->second = read_lines(of.file);
    const bool exists = line >= 1 && static_cast<std::size_t>(line) <= known->second.size();
    return exists ? std::string_view(known->second[static_cast<std::size_t>(line) - 1]) : std::string_view();
  };
  std::erase_if(all, [&](const finding& each) {
    if (each.file.find("/include/millrace/") != std::string::npos) return true;
    return is_silenced(line_at(each, each.line), line_at(each, each.line - 1), each.rule);
  });
  std::ranges::sort(all);
  const auto twice = std::ranges::unique(all);
  all.erase(twice.begin(), twice.end());
  return all;
}

}  // namespace millrace::check
