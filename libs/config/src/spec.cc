#include <algorithm>
#include <set>

#include <millrace/base/assert.h>
#include <millrace/config/spec.h>

namespace millrace::config {
namespace {

// Snake case, and no double underscore: that separates the words of an environment variable.
bool is_key(std::string_view key) {
  return !key.empty() && key.front() >= 'a' && key.front() <= 'z' &&
         key.find("__") == std::string_view::npos && std::ranges::all_of(key, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

void verify_type(const type_info& type) {
  invariant(type.min <= type.max && type.number_min <= type.number_max, "a setting's limits are in order");
  invariant((type.kind == kind::choice) == !type.choices.empty(),
            "an enum has choices(), and nothing else has");
  if (type.item) {
    invariant(type.item->kind != kind::list && type.item->emplace == nullptr,
              "a list holds values or sections");
    verify_type(*type.item);
  }
}

}  // namespace

const retired_key* find_retired(const section_info& section, std::string_view key) {
  const auto found = std::ranges::find(section.retired, key, &retired_key::key);
  return found == section.retired.end() ? nullptr : &*found;
}

void verify(const section_info& section) {
  std::set<std::string_view> keys;
  for (const field_info& field : section.fields) {
    invariant(is_key(field.key), "a key is lower-case snake case without double underscores");
    invariant(keys.insert(field.key).second, "a key is declared once in a section");
    invariant(find_retired(section, field.key) == nullptr, "a retired key is not a key");
    invariant(field.formerly.empty() || keys.insert(field.formerly).second, "a former key is not a key too");
    invariant(!field.required || (field.type.emplace == nullptr && field.type.kind != kind::section),
              "a required setting is neither optional nor a section");
    verify_type(field.type);
  }
}

}  // namespace millrace::config
