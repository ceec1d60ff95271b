#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <unistd.h>

#include <millrace/base/suggest.h>
#include <millrace/config/load.h>

#include "excerpt.h"
#include "overrides.h"
#include "references.h"
#include "values.h"
#include "yaml.h"

namespace millrace::config {
namespace {

constexpr std::size_t quoted_value_bytes_max = 60;

// Where a path was seen, for checks that report later.
struct place {
  source from = source::file;
  std::string name;
  position at;
  std::size_t width = 1;
};

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : key.empty() ? path : path + "." + std::string(key);
}

std::string form_name(const raw_value& value) {
  switch (value.is) {
    case raw_value::form::empty:
      return "nothing";
    case raw_value::form::scalar:
      return "a single value";
    case raw_value::form::list:
      return "a list";
    case raw_value::form::map:
      return "a section";
  }
  return "";
}

class loader {
 public:
  loader(const inputs& from, const section_info& settings, std::string_view text)
      : from_(from),
        settings_(settings),
        excerpts_(text, settings),
        references_(from.environment, std::filesystem::path(from.file).parent_path().string()) {}

  load_report run(yaml_document document, void* object) {
    for (const yaml_problem& one : document.problems) {
      at_position(add(severity::error, one.code, "", one.message, one.help), one.at, one.width);
    }
    if (!document.readable) return finish();
    std::vector<diagnostic> refused;
    if (document.root.is == raw_value::form::empty) document.root.is = raw_value::form::map;
    apply_overrides(settings_, from_, document.root, refused);
    read_section(settings_, &document.root, object, "");
    for (diagnostic& one : refused) report_.diagnostics.push_back(std::move(one));
    return finish();
  }

 private:
  // --- reporting

  diagnostic& add(severity level, problem code, std::string path, std::string message, std::string help) {
    diagnostic& one = report_.diagnostics.emplace_back();
    one.level = level;
    one.code = code;
    one.path = std::move(path);
    one.message = std::move(message);
    one.help = std::move(help);
    one.origin = from_.file;
    errors_ += level == severity::error ? 1 : 0;
    return one;
  }
  void at_position(diagnostic& one, position at, std::size_t width, bool hidden = false) const {
    excerpts_.show(one, at, width, hidden);
  }
  void at_place(diagnostic& one, const place& where, bool hidden = false) const {
    if (where.from == source::file) {
      at_position(one, where.at, where.width, hidden);
    } else {
      one.origin = where.name;
    }
  }
  // What is absent stands nowhere; a section around it may.
  void at_nearest_place(diagnostic& one, std::string path) const {
    while (!path.empty()) {
      const auto found = places_.find(path);
      if (found != places_.end()) return at_place(one, found->second);
      const std::size_t dot = path.rfind('.');
      path.erase(dot == std::string::npos ? 0 : dot);
    }
  }
  // A problem of a value that is there.
  void blame(problem code, const std::string& path, const raw_value& value, bool hidden, std::string message,
             std::string help = {}) {
    const std::size_t width =
        value.is == raw_value::form::scalar ? value.text.size() + (value.quoted ? 2 : 0) : 1;
    at_place(add(severity::error, code, path, std::move(message), std::move(help)),
             {value.from, value.name, value.at, width}, hidden);
  }

  load_report finish() {
    // In the order of the file, what stands nowhere last; otherwise as found.
    std::multimap<std::pair<std::size_t, std::size_t>, diagnostic> sorted;
    for (diagnostic& one : report_.diagnostics) {
      const std::pair at(one.line == 0 ? SIZE_MAX : one.line, one.column);
      sorted.emplace(at, std::move(one));
    }
    report_.diagnostics.clear();
    for (auto& [at, one] : sorted) report_.diagnostics.push_back(std::move(one));
    if (report_.diagnostics.size() > diagnostics_max) {
      const std::size_t more = report_.diagnostics.size() - diagnostics_max;
      report_.diagnostics.resize(diagnostics_max);
      diagnostic& last = add(errors_ > 0 ? severity::error : severity::warning, problem::too_large, "",
                             "and " + std::to_string(more) + " more problems", "");
      last.line = 0;
    }
    return std::move(report_);
  }

  // --- sections

  // `value` is nullptr when the section is absent: its settings keep their defaults, and required ones are
  // missed.
  void read_section(const section_info& section, raw_value* value, void* object, const std::string& path) {
    const std::size_t errors_before = errors_;
    if (value != nullptr && value->is == raw_value::form::empty) value->is = raw_value::form::map;
    if (value != nullptr && value->is != raw_value::form::map) {
      const std::string what = path.empty() ? "the configuration" : "`" + path + "`";
      blame(problem::wrong_type, path, *value, false, what + " must be a section; found " + form_name(*value),
            "write its settings below it, one `key: value` per line");
      return;
    }
    if (value != nullptr) refuse_unknown(section, *value, path);
    for (const field_info& field : section.fields) {
      read_field(field, value == nullptr ? nullptr : entry_of(field, *value, path), field.member(object),
                 joined(path, field.key), path);
    }
    if (errors_ != errors_before) return;
    for (const auto& check : section.checks) {
      reporter found(*this, path);
      check(object, found);
    }
  }

  void refuse_unknown(const section_info& section, const raw_value& value, const std::string& path) {
    for (const raw_entry& entry : value.entries) {
      const bool known = std::ranges::any_of(section.fields, [&](const field_info& field) {
        return field.key == entry.key || (!field.formerly.empty() && field.formerly == entry.key);
      });
      if (known || std::ranges::find(section.foreign, entry.key) != section.foreign.end()) continue;
      if (const retired_key* retired = find_retired(section, entry.key)) {
        at_position(add(severity::warning, problem::deprecated_key, joined(path, entry.key),
                        "`" + entry.key + "` has no effect: " + retired->reason, "remove the key"),
                    entry.at, entry.key.size());
        continue;
      }
      diagnostic& one =
          add(severity::error, problem::unknown_key, joined(path, entry.key),
              "unknown key `" + printable(entry.key) + "`" + (path.empty() ? "" : " in `" + path + "`"),
              suggestion(section, entry.key));
      at_position(one, entry.at, entry.key.size());
    }
  }

  [[nodiscard]] std::string suggestion(const section_info& section, const std::string& key) const {
    std::vector<std::string> here;
    here.reserve(section.fields.size());
    for (const field_info& field : section.fields) here.push_back(field.key);
    if (const auto meant = nearest(key, here)) return "did you mean `" + *meant + "`?";
    std::vector<std::string> elsewhere;
    find_elsewhere(settings_, key, "", elsewhere);
    if (!elsewhere.empty()) return "did you mean `" + elsewhere.front() + "`?";
    std::string known = "known keys: ";
    for (std::size_t i = 0; i < here.size(); ++i) known += (i == 0 ? "" : ", ") + here[i];
    return known;
  }

  static void find_elsewhere(const section_info& section, const std::string& key, const std::string& path,
                             std::vector<std::string>& found) {
    for (const field_info& field : section.fields) {
      if (field.key == key) found.push_back(joined(path, field.key));
      if (field.type.settings) find_elsewhere(*field.type.settings, key, joined(path, field.key), found);
    }
  }

  raw_entry* entry_of(const field_info& field, raw_value& section, const std::string& path) {
    raw_entry* current = section.find(field.key);
    raw_entry* former = field.formerly.empty() ? nullptr : section.find(field.formerly);
    if (former == nullptr) return current;
    const std::string old_path = joined(path, field.formerly);
    if (current != nullptr) {
      at_position(add(severity::error, problem::duplicate_key, old_path,
                      "`" + field.formerly + "` is the former name of `" + field.key + "`, which is set too",
                      "remove `" + field.formerly + "`"),
                  former->at, former->key.size());
      return current;
    }
    at_position(add(severity::warning, problem::deprecated_key, old_path,
                    "`" + field.formerly + "` is renamed to `" + field.key + "`",
                    "rename the key, or run `validate --fix`; the old name is accepted until 0.3"),
                former->at, former->key.size());
    return former;
  }

  void read_field(const field_info& field, raw_entry* entry, void* member, const std::string& path,
                  const std::string& section_path) {
    if (entry != nullptr) {
      places_[path] = {entry->value.from, entry->value.name, entry->at, entry->key.size()};
    }
    const type_info& type = field.type;
    if (entry == nullptr) {
      if (type.kind == kind::section && type.emplace == nullptr) {
        read_section(*type.settings, nullptr, member, path);
      } else if (field.required) {
        missing(field, path, section_path);
      }
      return;
    }
    if (type.emplace != nullptr) member = type.emplace(member);
    raw_value& value = entry->value;
    const bool nothing = value.is == raw_value::form::empty ||
                         (value.is == raw_value::form::scalar && value.text.empty()) ||
                         (value.is == raw_value::form::list && value.items.empty());
    if (field.required && nothing && type.kind != kind::section) return empty(field, *entry, path);
    read_value(type, value, member, path, *entry);
  }

  void missing(const field_info& field, const std::string& path, const std::string& section_path) {
    diagnostic& one =
        add(severity::error, problem::missing_required, path, "`" + path + "` is required",
            field.example.empty() ? "" : "for example `" + field.key + ": " + field.example + "`");
    at_nearest_place(one, section_path);
  }

  void empty(const field_info& field, const raw_entry& entry, const std::string& path) {
    at_place(add(severity::error, problem::missing_required, path,
                 "`" + path + "` is required and must not be empty",
                 field.example.empty() ? "" : "for example `" + field.key + ": " + field.example + "`"),
             {entry.value.from, entry.value.name, entry.at, entry.key.size()});
  }

  // --- values

  void read_value(const type_info& type, raw_value& value, void* member, const std::string& path,
                  const raw_entry& entry) {
    switch (type.kind) {
      case kind::section:
        return read_section(*type.settings, &value, member, path);
      case kind::list:
        return read_list(type, value, member, path, entry);
      case kind::map:
        return read_map(type, value, member, path);
      case kind::text:
      case kind::secret:
      case kind::integer:
      case kind::number:
      case kind::boolean:
      case kind::duration:
      case kind::size:
      case kind::choice:
        return read_scalar(type, value, member, path, entry);
    }
  }

  void read_list(const type_info& type, raw_value& value, void* member, const std::string& path,
                 const raw_entry& entry) {
    if (value.is != raw_value::form::list && value.is != raw_value::form::empty) {
      return blame(problem::wrong_type, path, value, type.item->kind == kind::secret,
                   "`" + path + "` must be a list; found " + form_name(value),
                   "write [a, b], or one item per line, each behind `- `");
    }
    type.clear(member);
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const std::string item_path = path + "[" + std::to_string(i) + "]";
      places_[item_path] = {value.items[i].from, value.items[i].name, value.items[i].at, 1};
      read_value(*type.item, value.items[i], type.append(member), item_path, entry);
    }
    if (value.items.empty()) report_.origins[path] = origin_of(value, {});
  }

  void read_map(const type_info& type, raw_value& value, void* member, const std::string& path) {
    auto& entries = *type.entries(member);
    if (value.is != raw_value::form::map && value.is != raw_value::form::empty) {
      return blame(problem::wrong_type, path, value, true,
                   "`" + path + "` must be a section of key: value entries; found " + form_name(value));
    }
    entries.clear();
    if (value.entries.empty()) report_.origins[path] = origin_of(value, {});
    for (raw_entry& entry : value.entries) {
      const std::string entry_path = joined(path, entry.key);
      places_[entry_path] = {entry.value.from, entry.value.name, entry.at, entry.key.size()};
      if (entry.value.is != raw_value::form::scalar) {
        blame(problem::wrong_type, entry_path, entry.value, true,
              "`" + printable(entry_path) + "` must be text; found " + form_name(entry.value));
        continue;
      }
      const bool hidden = sounds_secret(entry.key);
      const auto text = resolved(entry.value, entry_path, hidden);
      if (!text) continue;
      if (hidden) warn_literal(entry.value, text->used, entry_path, entry);
      entries[entry.key] = text->text;
    }
  }

  void read_scalar(const type_info& type, raw_value& value, void* member, const std::string& path,
                   const raw_entry& entry) {
    const bool hidden = type.kind == kind::secret;
    if (value.is == raw_value::form::empty) {
      return blame(problem::wrong_type, path, value, hidden, "`" + path + "` has no value",
                   "remove the key to use the default" +
                       std::string(type.kind == kind::text ? ", or write \"\" for an empty text" : ""));
    }
    if (value.is != raw_value::form::scalar) {
      return blame(problem::wrong_type, path, value, hidden,
                   "`" + path + "` must be " + expectation(type) + "; found " + form_name(value));
    }
    auto text = resolved(value, path, hidden);
    if (!text) return;
    auto parsed = parse_scalar(type, text->text);
    if (const auto* refused = std::get_if<refusal>(&parsed)) {
      // A suggestion may quote the value, so a value behind a reference gets none.
      blame(refused->code, path, value, hidden,
            "`" + path + "` must be " + refused->expected + "; found " + found(value, *text),
            text->used.empty() ? refused->help : "");
    } else {
      type.assign(member, std::move(std::get<scalar>(parsed)));
      if (const auto expected = type.check ? type.check(member) : std::nullopt) {
        blame(problem::bad_value, path, value, hidden,
              "`" + path + "` must be " + *expected + (hidden ? "" : "; found " + found(value, *text)));
      }
      if (hidden) warn_literal(value, text->used, path, entry);
    }
    if (hidden) wipe(text->text);
  }

  [[nodiscard]] static std::string found(const raw_value& value, const resolved_text& text) {
    if (!text.used.empty()) return "the value of " + text.used.front();
    std::string shown = without_credentials(printable(value.text));
    if (shown.size() > quoted_value_bytes_max) {
      shown.resize(quoted_value_bytes_max);
      while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80U) != 0) shown.pop_back();
      shown += "...";
    }
    return shown.empty() ? "an empty text" : "`" + shown + "`";
  }

  // Follows references and remembers where the value came from.
  std::optional<resolved_text> resolved(const raw_value& value, const std::string& path, bool hidden) {
    auto text = references_.resolve(value.text);
    if (!text) {
      // What is written between the braces of something that is no reference may be a part of a secret.
      const bool quoted = !hidden || text.error().code() != errc::malformed;
      blame(problem::unresolved_reference, path, value, hidden,
            "`" + printable(path) +
                "`: " + (quoted ? printable(text.error().message()) : "not a valid reference"),
            quoted ? "" : "write ${env:NAME} or ${file:/path}, and $${ for a literal ${");
      return std::nullopt;
    }
    report_.origins[path] = origin_of(value, text->used);
    return std::move(*text);
  }

  [[nodiscard]] std::string origin_of(const raw_value& value, const std::vector<std::string>& used) const {
    std::string origin =
        value.from == source::file ? from_.file + ":" + std::to_string(value.at.line + 1) : value.name;
    for (const std::string& one : used) origin += " via " + one;
    return origin;
  }

  void warn_literal(const raw_value& value, const std::vector<std::string>& used, const std::string& path,
                    const raw_entry& entry) {
    if (!used.empty() || value.from != source::file || value.text.empty()) return;
    at_position(add(severity::warning, problem::literal_secret, path,
                    "`" + printable(path) + "` is a secret that is written in the file",
                    "use a reference: ${file:/path} or ${env:NAME}"),
                entry.at, entry.key.size(), false);
  }

  // --- cross-field checks

  class reporter final : public findings {
   public:
    reporter(loader& owner, const std::string& section) : owner_(owner), section_(section) {}
    void error(std::string_view path, std::string message, std::string help) override {
      put(severity::error, problem::inconsistent, path, std::move(message), std::move(help));
    }
    void warning(std::string_view path, std::string message, std::string help) override {
      put(severity::warning, problem::error_hint, path, std::move(message), std::move(help));
    }

   private:
    void put(severity level, problem code, std::string_view path, std::string message, std::string help) {
      std::string at = joined(section_, path);
      diagnostic& one = owner_.add(level, code, at, std::move(message), std::move(help));
      owner_.at_nearest_place(one, std::move(at));
    }

    loader& owner_;
    const std::string& section_;
  };

  const inputs& from_;
  const section_info& settings_;
  excerpts excerpts_;
  reference_reader references_;
  load_report report_;
  std::map<std::string, place> places_;
  std::size_t errors_ = 0;
};

}  // namespace

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> all;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view one(*at);
    const std::size_t equals = one.find('=');
    if (equals != std::string_view::npos) all.emplace(one.substr(0, equals), one.substr(equals + 1));
  }
  return all;
}

load_report load_into(const section_info& settings, void* object, const inputs& from) {
  std::string text = from.text.value_or("");
  if (!from.text && !from.file.empty()) {
    auto read = read_file(from.file);
    if (!read) {
      diagnostic one;
      one.code = read.error().code() == errc::limit_exceeded ? problem::too_large : problem::unreadable_file;
      one.message = "cannot read the configuration: " + read.error().message();
      one.origin = from.file;
      return {{std::move(one)}, {}};
    }
    text = std::move(*read);
  }
  if (text.size() > file_bytes_max) {
    diagnostic one;
    one.code = problem::too_large;
    one.message = "the configuration is larger than " + to_text(byte_size{file_bytes_max});
    one.origin = from.file;
    return {{std::move(one)}, {}};
  }
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // a byte order mark
  loader reader(from, settings, text);
  load_report report = reader.run(parse_yaml(text), object);
  wipe(text);
  return report;
}

bool sounds_secret(std::string_view key) {
  std::string lower(key);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view place : {".url", ".location", ".file", ".path"}) {
    if (lower.ends_with(place)) return false;  // where it is, not what it is
  }
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"password", "passphrase", "secret", "token", "credential",
                                              "authorization", "key.pem"},
      [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace millrace::config
