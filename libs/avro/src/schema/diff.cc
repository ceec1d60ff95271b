#include <algorithm>
#include <set>

#include <millrace/avro/compare.h>
#include <millrace/base/text.h>

#include "schema/json.h"

namespace millrace::avro {
namespace {

constexpr std::size_t text_shown_max = 60;

[[nodiscard]] std::string shortened(std::string text) {
  if (text.size() > text_shown_max) {
    std::size_t end = text_shown_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;  // between characters
    text.resize(end);
    text += "...";
  }
  return text;
}

[[nodiscard]] std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : shortened(joined(names, ", "));
}

[[nodiscard]] std::string identity(const schema_node& branch) {
  return branch.is_named() ? branch.name : std::string(to_string(branch.type));
}

class differ {
 public:
  void compare(const schema_node& before, const schema_node& after) {
    if (before.type != after.type) return changed("type", summary(before), summary(after));
    if (before.is_named() && !compared_.insert({&before, &after}).second) return;
    if (before.name != after.name) changed("name", before.name, after.name);
    logical_types(before, after);
    attributes(before, after);
    switch (before.type) {
      case schema_type::record:
        return fields(before, after);
      case schema_type::enumeration:
        return symbols(before, after);
      case schema_type::fixed:
        if (before.size != after.size)
          changed("size", std::to_string(before.size), std::to_string(after.size));
        return;
      case schema_type::union_of:
        return branches(before, after);
      case schema_type::array:
      case schema_type::map:
        return inside("[]", [&] { compare(*before.item, *after.item); });
      case schema_type::null:
      case schema_type::boolean:
      case schema_type::int32:
      case schema_type::int64:
      case schema_type::float32:
      case schema_type::float64:
      case schema_type::bytes:
      case schema_type::string:
        return;
    }
  }
  [[nodiscard]] std::vector<schema_change> take() { return std::move(found_); }

 private:
  void report(change_kind kind, std::string what) {
    if (found_.size() < schema_changes_max) found_.push_back({kind, path_, std::move(what)});
  }
  void changed(std::string_view what, const std::string& before, const std::string& after) {
    report(change_kind::changed, std::string(what) + " " + shortened(before) + " → " + shortened(after));
  }
  template <class Inner>
  void inside(std::string_view step, const Inner& inner) {
    const std::size_t length = path_.size();
    if (!path_.empty() && step != "[]" && !step.starts_with('{')) path_ += '.';
    path_ += step;
    inner();
    path_.resize(length);
  }

  void logical_types(const schema_node& before, const schema_node& after) {
    const bool same =
        before.logical == after.logical && before.precision == after.precision && before.scale == after.scale;
    if (!same) changed("type", summary(before), summary(after));
  }

  // What records, enums, fixed types and fields share.
  template <class Part>
  void attributes(const Part& before, const Part& after) {
    if (before.aliases != after.aliases) changed("aliases", listed(before.aliases), listed(after.aliases));
    if (before.doc != after.doc) {
      report(change_kind::changed, before.doc.empty()  ? "documentation added"
                                   : after.doc.empty() ? "documentation removed"
                                                       : "documentation changed");
    }
    for (const auto& [name, value] : before.properties) {
      const auto* now = find(after.properties, name);
      if (now == nullptr) {
        report(change_kind::removed, "attribute " + in_quotes(name) + " " + shortened(value));
      } else if (now->second != value) {
        changed("attribute " + in_quotes(name), value, now->second);
      }
    }
    for (const auto& [name, value] : after.properties) {
      if (find(before.properties, name) == nullptr)
        report(change_kind::added, "attribute " + in_quotes(name) + " " + shortened(value));
    }
  }
  [[nodiscard]] static const schema_property* find(const std::vector<schema_property>& in,
                                                   std::string_view name) {
    const auto found =
        std::find_if(in.begin(), in.end(), [&](const auto& property) { return property.first == name; });
    return found == in.end() ? nullptr : &*found;
  }

  void fields(const schema_node& before, const schema_node& after) {
    std::vector<std::string> common_before;
    for (const schema_field& field : before.fields) {
      const schema_field* now = find(after, field.name);
      if (now != nullptr) common_before.push_back(field.name);
      inside(field.name, [&] {
        if (now == nullptr) {
          report(change_kind::removed, described(field));
        } else {
          compare_fields(field, *now);
        }
      });
    }
    std::vector<std::string> common_after;
    for (const schema_field& field : after.fields) {
      if (find(before, field.name) != nullptr) {
        common_after.push_back(field.name);
      } else {
        inside(field.name, [&] { report(change_kind::added, described(field)); });
      }
    }
    if (common_before != common_after)
      changed("order of fields", listed(common_before), listed(common_after));
  }
  [[nodiscard]] static const schema_field* find(const schema_node& record, std::string_view name) {
    const auto found = std::find_if(record.fields.begin(), record.fields.end(),
                                    [&](const auto& field) { return field.name == name; });
    return found == record.fields.end() ? nullptr : &*found;
  }
  [[nodiscard]] static std::string described(const schema_field& field) {
    return "field " + summary(*field.type) +
           (field.default_json ? ", default " + shortened(*field.default_json) : ", no default");
  }
  void compare_fields(const schema_field& before, const schema_field& after) {
    if (before.default_json != after.default_json) {
      changed("default", before.default_json.value_or("none"), after.default_json.value_or("none"));
    }
    const auto order = [](const schema_field& of) { return of.order.empty() ? "ascending" : of.order; };
    if (order(before) != order(after)) changed("sort order", order(before), order(after));
    attributes(before, after);
    compare(*before.type, *after.type);
  }

  void symbols(const schema_node& before, const schema_node& after) {
    const auto has = [](const schema_node& in, const std::string& symbol) {
      return std::find(in.symbols.begin(), in.symbols.end(), symbol) != in.symbols.end();
    };
    std::vector<std::string> common_before;
    for (const std::string& symbol : before.symbols) {
      if (has(after, symbol)) {
        common_before.push_back(symbol);
      } else {
        report(change_kind::removed, "symbol " + symbol);
      }
    }
    std::vector<std::string> common_after;
    for (const std::string& symbol : after.symbols) {
      if (has(before, symbol)) {
        common_after.push_back(symbol);
      } else {
        report(change_kind::added, "symbol " + symbol);
      }
    }
    if (common_before != common_after)
      changed("order of symbols", listed(common_before), listed(common_after));
    if (before.default_symbol != after.default_symbol) {
      changed("default", before.default_symbol.value_or("none"), after.default_symbol.value_or("none"));
    }
  }

  void branches(const schema_node& before, const schema_node& after) {
    const auto find_branch = [](const schema_node& in, const std::string& name) {
      const auto found = std::find_if(in.branches.begin(), in.branches.end(),
                                      [&](const auto* branch) { return identity(*branch) == name; });
      return found == in.branches.end() ? nullptr : *found;
    };
    std::vector<std::string> common_before;
    for (const schema_node* branch : before.branches) {
      const std::string name = identity(*branch);
      if (const schema_node* now = find_branch(after, name)) {
        common_before.push_back(name);
        inside("{" + name + "}", [&] { compare(*branch, *now); });
      } else {
        report(change_kind::removed, "branch " + summary(*branch));
      }
    }
    std::vector<std::string> common_after;
    for (const schema_node* branch : after.branches) {
      const std::string name = identity(*branch);
      if (find_branch(before, name) != nullptr) {
        common_after.push_back(name);
      } else {
        report(change_kind::added, "branch " + summary(*branch));
      }
    }
    if (common_before != common_after)
      changed("order of branches", listed(common_before), listed(common_after));
  }

  std::set<std::pair<const schema_node*, const schema_node*>> compared_;
  std::string path_;
  std::vector<schema_change> found_;
};

}  // namespace

std::vector<schema_change> find_changes(const schema& before, const schema& after) {
  differ compare;
  compare.compare(before.root(), after.root());
  return compare.take();
}

}  // namespace millrace::avro
