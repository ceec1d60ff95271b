#include <algorithm>

#include <millrace/config/rename.h>

#include "yaml.h"

namespace millrace::config {
namespace {

struct replacement {
  renamed_key key;
  std::string former;
  std::string current;
  position at;
};

std::string path_of(const std::string& section, const std::string& key) {
  return section.empty() ? key : section + "." + key;
}

void find_former(const section_info& section, const raw_value& value, const std::string& path,
                 std::vector<replacement>& found);

void find_inside(const field_info& field, const raw_value& value, const std::string& path,
                 std::vector<replacement>& found) {
  if (field.type.settings) return find_former(*field.type.settings, value, path, found);
  if (!field.type.item || !field.type.item->settings) return;
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    find_former(*field.type.item->settings, value.items[i], path + "[" + std::to_string(i) + "]", found);
  }
}

void find_former(const section_info& section, const raw_value& value, const std::string& path,
                 std::vector<replacement>& found) {
  for (const field_info& field : section.fields) {
    const bool is_set =
        std::ranges::any_of(value.entries, [&](const raw_entry& e) { return e.key == field.key; });
    for (const raw_entry& entry : value.entries) {
      const bool former = !field.formerly.empty() && entry.key == field.formerly;
      if (!former && entry.key != field.key) continue;
      if (former && !is_set) {
        found.push_back({{path_of(path, field.formerly), path_of(path, field.key), entry.at.line + 1},
                         field.formerly,
                         field.key,
                         entry.at});
      }
      find_inside(field, entry.value, path_of(path, field.key), found);
    }
  }
}

// The offset of the key's first character; npos when the text there is something else.
std::size_t offset_of(const replacement& one, const std::string& text) {
  std::size_t line_start = 0;
  for (std::size_t line = 0; line < one.at.line; ++line) {
    line_start = text.find('\n', line_start);
    if (line_start == std::string::npos) return line_start;
    ++line_start;
  }
  std::size_t offset = line_start + one.at.column;
  if (offset < text.size() && (text[offset] == '"' || text[offset] == '\'')) ++offset;
  return offset < text.size() && text.compare(offset, one.former.size(), one.former) == 0 ? offset
                                                                                          : std::string::npos;
}

}  // namespace

result<renamed_file> rename_former_keys(const section_info& settings, const std::string& text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  renamed_file made;
  made.text = text;
  const bool marked = text.starts_with(byte_order_mark);
  if (marked) made.text.erase(0, byte_order_mark.size());
  const yaml_document document = parse_yaml(made.text);
  if (!document.readable) {
    const yaml_problem& first = document.problems.front();
    return error(errc::config_invalid, "line " + std::to_string(first.at.line + 1) + ": " + first.message);
  }
  std::vector<replacement> found;
  find_former(settings, document.root, "", found);
  // From the end, so that the places before stay valid; what an alias repeats has one place.
  std::ranges::stable_sort(found, [](const replacement& a, const replacement& b) {
    return std::pair(a.at.line, a.at.column) > std::pair(b.at.line, b.at.column);
  });
  for (replacement& one : found) {
    const std::size_t offset = offset_of(one, made.text);
    if (offset == std::string::npos) continue;
    made.text.replace(offset, one.former.size(), one.current);
    made.keys.insert(made.keys.begin(), std::move(one.key));
  }
  if (marked) made.text.insert(0, byte_order_mark);
  return made;
}

}  // namespace millrace::config
