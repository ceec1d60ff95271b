#include <millrace/config/load.h>

#include "values.h"

namespace millrace::config {
namespace {

class shower {
 public:
  explicit shower(const origins& from) : origins_(from) {}

  void section(const section_info& settings, void* object, const std::string& path,
               const std::string& indent) {
    for (const field_info& field : settings.fields) {
      show_field(field, field.member(object), path.empty() ? field.key : path + "." + field.key, indent);
    }
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void show_field(const field_info& field, void* member, const std::string& path, const std::string& indent) {
    const type_info& type = field.type;
    if (type.present != nullptr) {
      if (type.present(member) == nullptr) {
        text_ += indent + "# " + field.key + ": not set\n";
        return;
      }
      member = type.emplace(member);
    }
    const std::string key = indent + field.key + ":";
    switch (type.kind) {
      case kind::section:
        text_ += key + "\n";
        return section(*type.settings, member, path, indent + "  ");
      case kind::map:
        return show_map(*type.entries(member), key, path, indent + "  ");
      case kind::list:
        if (type.item->kind == kind::section && type.size(member) > 0) {
          text_ += key + "\n";
          return show_sections(type, member, path, indent + "  ");
        }
        // The origin of a list is that of its first item: a list is written in one place.
        return line(key + " " + list_text(type, member), origin(type.size(member) > 0 ? path + "[0]" : path));
      case kind::text:
      case kind::secret:
      case kind::integer:
      case kind::number:
      case kind::boolean:
      case kind::duration:
      case kind::size:
      case kind::choice:
        return line(key + " " + yaml_quoted(scalar_text(type, member)), origin(path));
    }
  }

  [[nodiscard]] static std::string list_text(const type_info& type, const void* member) {
    return type.item->kind == kind::section ? "[]" : inline_text(type, member);
  }

  void show_map(const std::map<std::string, std::string>& entries, const std::string& key,
                const std::string& path, const std::string& indent) {
    if (entries.empty()) return line(key + " {}", origin(path));
    text_ += key + "\n";
    for (const auto& [name, value] : entries) {
      const std::string shown = sounds_secret(name) ? "***" : without_credentials(value);
      std::string left = indent;
      left.append(yaml_quoted(name)).append(": ").append(yaml_quoted(shown));
      line(left, origin(path + "." + name));
    }
  }

  void show_sections(const type_info& type, void* member, const std::string& path,
                     const std::string& indent) {
    for (std::size_t i = 0; i < type.size(member); ++i) {
      // A dash in place of the first key's indentation.
      const std::size_t begin = text_.size();
      section(*type.item->settings, const_cast<void*>(type.element(member, i)),
              path + "[" + std::to_string(i) + "]", indent + "  ");
      if (text_.size() > begin) text_[begin + indent.size()] = '-';
    }
  }

  [[nodiscard]] std::string origin(const std::string& path) const {
    const auto found = origins_.find(path);
    return found == origins_.end() ? "default" : found->second;
  }
  void line(const std::string& left, const std::string& where) {
    constexpr std::size_t comment_column = 48;
    text_ += left + std::string(left.size() < comment_column ? comment_column - left.size() : 1, ' ') + "# " +
             where + "\n";
  }

  const origins& origins_;
  std::string text_;
};

}  // namespace

std::string show(const section_info& settings, const void* object, const origins& from) {
  shower shown(from);
  // Members are reached through pointers to non-const; nothing is written.
  shown.section(settings, const_cast<void*>(object), "", "");
  return shown.take();
}

}  // namespace millrace::config
