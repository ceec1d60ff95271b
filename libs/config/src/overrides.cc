#include "overrides.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <millrace/base/suggest.h>

namespace millrace::config {
namespace {

std::string upper(std::string_view text) {
  std::string up(text);
  for (char& c : up) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return up;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (std::size_t end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

// One override: where its words lead in the settings, and what it puts there.
class override_writer {
 public:
  override_writer(source from, std::string name, std::string_view separator,
                  std::vector<diagnostic>& problems)
      : from_(from), name_(std::move(name)), separator_(separator), problems_(problems) {}

  void write(const section_info& settings, raw_value& root, std::string_view words, std::string_view value) {
    const std::vector<std::string> keys = split(words, separator_);
    const section_info* section = &settings;
    raw_value* at = &root;
    std::string path;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const field_info* field = find(*section, keys[i]);
      if (field == nullptr) {
        for (const retired_key& retired : section->retired) {
          if (keys[i] == shown(retired.key)) return warn_retired(retired, path);
        }
        for (const std::string& foreign : section->foreign) {
          if (keys[i] == shown(foreign)) return;
        }
        return unknown(*section, path, keys, i);
      }
      path += (path.empty() ? "" : ".") + field->key;
      if (keys[i] != shown(field->key)) warn_former(*field, path);
      if (at->is == raw_value::form::empty) at->is = raw_value::form::map;
      if (at->is != raw_value::form::map) return;  // the file is wrong here, and the loader says so
      const bool last = i + 1 == keys.size();
      if (field->type.kind == kind::section && !last) {
        at = &child(*at, *field);
        section = field->type.settings.get();
        continue;
      }
      if (field->type.kind == kind::map) return write_entry(*field, child(*at, *field), path, keys, i, value);
      if (!last) return refuse(path, "`" + path + "` is one value and has no settings inside");
      return write_value(*field, child(*at, *field), path, value);
    }
  }

 private:
  [[nodiscard]] const field_info* find(const section_info& section, const std::string& key) const {
    for (const field_info& field : section.fields) {
      if (key == shown(field.key)) return &field;
      if (!field.formerly.empty() && key == shown(field.formerly)) return &field;
    }
    return nullptr;
  }
  [[nodiscard]] std::string shown(std::string_view key) const {
    return from_ == source::environment ? upper(key) : std::string(key);
  }

  void warn_former(const field_info& field, const std::string& path) {
    diagnostic one;
    one.level = severity::warning;
    one.code = problem::deprecated_key;
    one.path = path;
    one.message = "`" + shown(field.formerly) + "` is renamed to `" + shown(field.key) + "`";
    one.help = "use the new name; the old one is accepted until 0.3";
    one.origin = name_;
    problems_.push_back(std::move(one));
  }

  void warn_retired(const retired_key& key, const std::string& path) {
    diagnostic one;
    one.level = severity::warning;
    one.code = problem::deprecated_key;
    one.path = (path.empty() ? "" : path + ".") + key.key;
    one.message = "`" + shown(key.key) + "` has no effect: " + key.reason;
    one.help = "remove it";
    one.origin = name_;
    problems_.push_back(std::move(one));
  }

  // Of the former name when the file uses that one.
  static raw_value& child(raw_value& map, const field_info& field) {
    raw_entry* former = field.formerly.empty() ? nullptr : map.find(field.formerly);
    return former != nullptr ? former->value : child(map, field.key);
  }
  static raw_value& child(raw_value& map, const std::string& key) {
    if (raw_entry* known = map.find(key)) return known->value;
    return map.entries.emplace_back(raw_entry{key, {}, {}}).value;
  }

  void write_value(const field_info& field, raw_value& at, const std::string& path, std::string_view value) {
    const bool scalars = field.type.kind == kind::list && field.type.item->kind != kind::section;
    if (field.type.kind == kind::section || (field.type.kind == kind::list && !scalars)) {
      return refuse(path, "`" + path + "` is a section and cannot be set as one value",
                    field.type.kind == kind::section ? "set one of its settings" : "write it in the file");
    }
    const bool secret = field.type.kind == kind::secret || (scalars && field.type.item->kind == kind::secret);
    if (secret && !allowed_secret(path, value)) return;
    at = plain(value);
    if (!scalars) return;
    at = raw_value();
    at.is = raw_value::form::list;
    mark(at);
    if (value.empty()) return;
    for (const std::string& item : split(value, ",")) at.items.push_back(plain(trimmed(item)));
  }

  void write_entry(const field_info& field, raw_value& map, const std::string& path,
                   const std::vector<std::string>& keys, std::size_t used, std::string_view value) {
    if (from_ == source::environment) {
      return refuse(path, "entries of `" + field.key + "` cannot be set by environment variables",
                    "their keys may hold dots: use --set " + path + ".KEY=VALUE or the file");
    }
    std::string key;
    for (std::size_t i = used + 1; i < keys.size(); ++i) key += (key.empty() ? "" : ".") + keys[i];
    if (key.empty()) {
      return refuse(path, "`" + path + "` is a section and cannot be set as one value",
                    "write --set " + path + ".KEY=VALUE");
    }
    if (sounds_secret(key) && !allowed_secret(path + "." + key, value)) return;
    if (map.is == raw_value::form::empty) map.is = raw_value::form::map;
    if (map.is == raw_value::form::map) child(map, key) = plain(value);
  }

  // Every user of the host can read a command line. A reference on it says nothing.
  bool allowed_secret(const std::string& path, std::string_view value) {
    if (from_ != source::flag || value.find("${") != std::string_view::npos) return true;
    report(problem::secret_in_arguments, path,
           "`" + path + "` is a secret and must not be on the command line",
           "write --set '" + path + "=${file:/path}' or ${env:NAME}");
    return false;
  }

  [[nodiscard]] raw_value plain(std::string_view value) const {
    raw_value scalar;
    scalar.is = raw_value::form::scalar;
    scalar.text = value;
    mark(scalar);
    return scalar;
  }
  void mark(raw_value& value) const {
    value.from = from_;
    value.name = name_;
  }

  void unknown(const section_info& section, const std::string& path, const std::vector<std::string>& keys,
               std::size_t wrong) {
    std::vector<std::string> known;
    known.reserve(section.fields.size());
    for (const field_info& field : section.fields) known.push_back(shown(field.key));
    std::string help;
    if (auto meant = nearest(keys[wrong], known)) {
      std::vector<std::string> corrected = keys;
      corrected[wrong] = *meant;
      help = "did you mean `" + std::string(from_ == source::environment ? environment_prefix : "");
      for (std::size_t i = 0; i < corrected.size(); ++i) help += (i == 0 ? "" : separator_) + corrected[i];
      help += "`?";
    }
    report(problem::unknown_key, path,
           "unknown setting `" + keys[wrong] + "`" + (path.empty() ? "" : " in `" + path + "`"),
           std::move(help));
  }

  void refuse(const std::string& path, std::string message, std::string help = {}) {
    report(problem::bad_override, path, std::move(message), std::move(help));
  }
  void report(problem code, const std::string& path, std::string message, std::string help) {
    diagnostic one;
    one.code = code;
    one.path = path;
    one.message = std::move(message);
    one.help = std::move(help);
    one.origin = name_;
    problems_.push_back(std::move(one));
  }

  source from_;
  std::string name_;
  std::string separator_;
  std::vector<diagnostic>& problems_;
};

}  // namespace

void apply_overrides(const section_info& settings, const inputs& from, raw_value& root,
                     std::vector<diagnostic>& problems) {
  for (auto at = from.environment.lower_bound(std::string(environment_prefix));
       at != from.environment.end() && at->first.starts_with(environment_prefix); ++at) {
    const std::string_view words = std::string_view(at->first).substr(environment_prefix.size());
    override_writer(source::environment, at->first, "__", problems).write(settings, root, words, at->second);
  }
  for (const std::string& flag : from.set) {
    const std::size_t equals = flag.find('=');
    if (equals == 0 || equals == std::string::npos) {
      diagnostic one;
      one.code = problem::bad_override;
      one.message = "--set needs section.key=value";
      one.origin = "--set";
      problems.push_back(std::move(one));
      continue;
    }
    const std::string_view words = std::string_view(flag).substr(0, equals);
    const std::string_view value = std::string_view(flag).substr(equals + 1);
    override_writer(source::flag, "--set " + std::string(words), ".", problems)
        .write(settings, root, words, value);
  }
}

}  // namespace millrace::config
