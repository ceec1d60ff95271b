#include "excerpt.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

namespace millrace::config {
namespace {

constexpr std::size_t excerpt_bytes_max = 200;

void collect_keys(const section_info& settings, std::set<std::string>& harmless,
                  std::set<std::string>& secret) {
  for (const field_info& field : settings.fields) {
    const type_info& type = field.type.item ? *field.type.item : field.type;
    auto& to = type.kind == kind::secret ? secret : harmless;
    to.insert(field.key);
    if (!field.formerly.empty()) to.insert(field.formerly);
    if (type.settings) collect_keys(*type.settings, harmless, secret);
  }
}

struct found_key {
  std::string_view name;
  std::size_t end = 0;  // just after the colon
};

bool in_plain_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
}

// The next `name:` at or after `from`. A colon makes a key when a space or the line's end follows it, or when
// the name is quoted.
std::optional<found_key> next_key(std::string_view line, std::size_t from) {
  for (std::size_t colon = line.find(':', from); colon != std::string_view::npos;
       colon = line.find(':', colon + 1)) {
    std::size_t end = colon;
    while (end > 0 && line[end - 1] == ' ') --end;
    if (end == 0) continue;
    const char last = line[end - 1];
    if (last == '"' || last == '\'') {
      const std::size_t open = end < 2 ? std::string_view::npos : line.rfind(last, end - 2);
      if (open != std::string_view::npos) return found_key{line.substr(open + 1, end - open - 2), colon + 1};
      continue;
    }
    if (colon + 1 < line.size() && line[colon + 1] != ' ' && line[colon + 1] != '\t') continue;
    std::size_t begin = end;
    while (begin > 0 && in_plain_key(line[begin - 1])) --begin;
    return found_key{line.substr(begin, end - begin), colon + 1};
  }
  return std::nullopt;
}

std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(" -"), line.size()); }

}  // namespace

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    clean += c == '\t' ? ' ' : (byte < 0x20 || byte == 0x7f) ? '?' : c;
  }
  return clean;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

excerpts::excerpts(std::string_view text, const section_info& settings) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines_.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::set<std::string> harmless;
  std::set<std::string> secret;
  collect_keys(settings, harmless, secret);
  std::ranges::set_difference(harmless, secret, std::back_inserter(harmless_));
}

bool excerpts::is_harmless(std::string_view key) const { return std::ranges::binary_search(harmless_, key); }

std::string_view excerpts::harmless_part(std::size_t line) const {
  const std::string_view text = lines_[line];
  if (!next_key(text, 0)) {
    for (std::size_t above = line; above-- > 0;) {
      const auto key = next_key(lines_[above], 0);
      if (!key || indent_of(lines_[above]) > indent_of(text)) continue;
      return is_harmless(key->name) ? text : text.substr(0, indent_of(text));
    }
    return text;
  }
  std::size_t from = 0;
  while (const auto key = next_key(text, from)) {
    if (!is_harmless(key->name)) return text.substr(0, key->end);
    from = key->end;
  }
  return text;
}

std::string_view excerpts::without_credentials(std::string_view kept) {
  // A password may hold any character but the last '@' ends it.
  const std::size_t at = kept.rfind('@');
  if (at == std::string_view::npos) return kept;
  if (const std::size_t scheme = kept.find("://"); scheme < at) return kept.substr(0, scheme + 3);
  const auto key = next_key(kept, 0);
  return kept.substr(0, key && key->end <= at ? key->end : indent_of(kept));
}

void excerpts::show(diagnostic& one, position at, std::size_t width, bool hidden) const {
  one.line = at.line + 1;
  one.column = at.column + 1;
  if (at.line >= lines_.size()) return;
  const std::string_view line = lines_[at.line];
  std::string_view kept = harmless_part(at.line);
  if (hidden) kept = kept.substr(0, at.column);
  kept = without_credentials(kept);
  const bool cut = kept.size() < line.size();
  kept = kept.substr(0, excerpt_bytes_max);
  const std::size_t column = std::min(at.column, line.size());
  one.column = characters(line.substr(0, column)) + 1;
  one.excerpt = printable(kept) + (cut ? (kept.ends_with(' ') || kept.ends_with('/') ? "***" : " ***") : "");
  const std::size_t length = characters(one.excerpt);
  const std::size_t room = length >= one.column ? length - one.column + 1 : 1;
  one.width = std::clamp<std::size_t>(characters(line.substr(column, width)), 1, room);
}

}  // namespace millrace::config
