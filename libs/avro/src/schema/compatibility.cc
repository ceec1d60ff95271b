// The rules of plan compilation, walked to the end instead of to the first failure.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <millrace/avro/compare.h>

#include "schema/json.h"

namespace millrace::avro {
namespace {

using findings = std::vector<incompatibility>;

constexpr std::size_t depth_max = 256;
constexpr std::size_t names_shown_max = 8;

[[nodiscard]] bool names_match(const schema_node& writer, const schema_node& reader) {
  if (unqualified(writer.name) == unqualified(reader.name)) return true;
  return std::any_of(reader.aliases.begin(), reader.aliases.end(), [&](const std::string& alias) {
    return unqualified(alias) == unqualified(writer.name);
  });
}

[[nodiscard]] bool promotes(schema_type from, schema_type to) {
  using enum schema_type;
  if (from == int32) return to == int64 || to == float32 || to == float64;
  if (from == int64) return to == float32 || to == float64;
  if (from == float32) return to == float64;
  return (from == string && to == bytes) || (from == bytes && to == string);
}

// 3: the same type and full name; 2: the same unqualified name or an alias; 1: a promotion; 0: neither.
[[nodiscard]] int affinity(const schema_node& writer, const schema_node& reader) {
  if (writer.type != reader.type) return promotes(writer.type, reader.type) ? 1 : 0;
  if (!writer.is_named() || writer.name == reader.name) return 3;
  return names_match(writer, reader) ? 2 : 0;
}

[[nodiscard]] std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < names_shown_max; ++i)
    text += (i == 0 ? "" : ", ") + in_quotes(names[i]);
  if (names.size() > names_shown_max)
    text += " and " + std::to_string(names.size() - names_shown_max) + " more";
  return text;
}

[[nodiscard]] bool any_always(const findings& found) {
  return std::any_of(found.begin(), found.end(),
                     [](const auto& one) { return one.kind == incompatibility_kind::always; });
}

constexpr std::size_t summary_depth_max = 4;

[[nodiscard]] std::string summary(const schema_node& type, std::size_t depth);

[[nodiscard]] std::string summary_of_union(const schema_node& type, std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < type.branches.size() && i < names_shown_max; ++i)
    text += (i == 0 ? "" : " or ") + summary(*type.branches[i], depth + 1);
  if (type.branches.size() > names_shown_max) text += " or ...";
  return text.empty() ? "a union without branches" : text;
}

[[nodiscard]] std::string summary(const schema_node& type, std::size_t depth) {
  if (depth > summary_depth_max) return "...";
  std::string text;
  switch (type.type) {
    case schema_type::union_of:
      return summary_of_union(type, depth);
    case schema_type::array:
    case schema_type::map:
      return std::string(to_string(type.type)) + " of " + summary(*type.item, depth + 1);
    case schema_type::record:
    case schema_type::enumeration:
      text = std::string(to_string(type.type)) + " " + type.name;
      break;
    case schema_type::fixed:
      text = "fixed " + type.name + " of " + std::to_string(type.size) + " bytes";
      break;
    case schema_type::null:
    case schema_type::boolean:
    case schema_type::int32:
    case schema_type::int64:
    case schema_type::float32:
    case schema_type::float64:
    case schema_type::bytes:
    case schema_type::string:
      text = to_string(type.type);
      break;
  }
  if (type.logical == logical_type::none) return text;
  text += " (" + std::string(to_string(type.logical));
  if (type.logical == logical_type::decimal)
    text += " " + std::to_string(type.precision) + "," + std::to_string(type.scale);
  return text + ")";
}

class comparer {
 public:
  void check(const schema_node& writer, const schema_node& reader) {
    if (found_.size() >= incompatibilities_max) return;
    if (writer.type == schema_type::union_of) return from_union(writer, reader);
    if (reader.type == schema_type::union_of) return into_union(writer, reader);
    if (writer.type != reader.type && !promotes(writer.type, reader.type)) return mismatch(writer, reader);
    if (meanings_differ(writer, reader)) return mismatch(writer, reader);
    if (writer.type != reader.type) return;
    switch (writer.type) {
      case schema_type::record:
        return records(writer, reader);
      case schema_type::enumeration:
        return enums(writer, reader);
      case schema_type::fixed:
        return fixeds(writer, reader);
      case schema_type::array:
      case schema_type::map:
        return inside("[]", [&] { check(*writer.item, *reader.item); });
      case schema_type::null:
      case schema_type::boolean:
      case schema_type::int32:
      case schema_type::int64:
      case schema_type::float32:
      case schema_type::float64:
      case schema_type::bytes:
      case schema_type::string:
      case schema_type::union_of:
        return;
    }
  }
  [[nodiscard]] findings take() { return std::move(found_); }

 private:
  using pair = std::pair<const schema_node*, const schema_node*>;

  // A number of another unit or meaning is never reinterpreted; without a meaning it is a number.
  [[nodiscard]] static bool meanings_differ(const schema_node& writer, const schema_node& reader) {
    if (writer.logical == logical_type::none || reader.logical == logical_type::none) return false;
    return writer.logical != reader.logical || writer.scale != reader.scale;
  }

  void report(incompatibility_kind kind, std::string why, std::string remedy = {}) {
    if (found_.size() < incompatibilities_max)
      found_.push_back({kind, path_, std::move(why), std::move(remedy)});
  }
  void mismatch(const schema_node& writer, const schema_node& reader) {
    report(incompatibility_kind::always,
           "the writer has " + avro::summary(writer) + ", the reader wants " + avro::summary(reader));
  }
  void other_name(const schema_node& writer, const schema_node& reader) {
    report(incompatibility_kind::always,
           "the writer has " + avro::summary(writer) + ", the reader wants " + avro::summary(reader),
           "give the reader's " + in_quotes(reader.name) + " the alias " + in_quotes(writer.name));
  }

  template <class Inner>
  void inside(std::string_view step, const Inner& inner) {
    const std::size_t before = path_.size();
    if (!path_.empty() && step != "[]" && !step.starts_with('{')) path_ += '.';
    path_ += step;
    inner();
    path_.resize(before);
  }

  void from_union(const schema_node& writer, const schema_node& reader) {
    bool any = writer.branches.empty();
    findings whole = std::exchange(found_, {});
    for (const schema_node* branch : writer.branches) {
      findings others = std::exchange(found_, {});
      inside("{" + branch_name(*branch) + "}", [&] { check(*branch, reader); });
      any |= !any_always(found_);
      others.insert(others.end(), found_.begin(), found_.end());
      found_ = std::move(others);
    }
    for (incompatibility& one : found_) {
      if (any) one.kind = incompatibility_kind::sometimes;
    }
    whole.insert(whole.end(), found_.begin(), found_.end());
    found_ = std::move(whole);
  }

  // The first branch that the plan would take: of the best affinity, and readable.
  void into_union(const schema_node& writer, const schema_node& reader) {
    findings before = std::exchange(found_, {});
    std::optional<findings> first;
    for (int level = 3; level > 0; --level) {
      for (const schema_node* branch : reader.branches) {
        if (affinity(writer, *branch) != level) continue;
        check(writer, *branch);
        findings tried = std::exchange(found_, {});
        if (!any_always(tried)) {
          before.insert(before.end(), tried.begin(), tried.end());
          found_ = std::move(before);
          return;
        }
        if (!first) first = std::move(tried);
      }
    }
    found_ = std::move(before);
    if (first) {
      found_.insert(found_.end(), first->begin(), first->end());
    } else {
      report(incompatibility_kind::always,
             "the writer has " + avro::summary(writer) +
                 ", no branch of the reader's union takes it: " + avro::summary(reader),
             "add the branch to the reader's union");
    }
  }

  void enums(const schema_node& writer, const schema_node& reader) {
    if (!names_match(writer, reader)) return other_name(writer, reader);
    if (reader.default_symbol) return;
    std::vector<std::string> missing;
    for (const std::string& symbol : writer.symbols) {
      if (std::find(reader.symbols.begin(), reader.symbols.end(), symbol) == reader.symbols.end())
        missing.push_back(symbol);
    }
    if (missing.empty()) return;
    report(missing.size() == writer.symbols.size() ? incompatibility_kind::always
                                                   : incompatibility_kind::sometimes,
           "the reader's enum " + reader.name + " lacks " + listed(missing),
           "add the symbols, or a default to the reader's enum");
  }

  void fixeds(const schema_node& writer, const schema_node& reader) {
    if (!names_match(writer, reader)) return other_name(writer, reader);
    if (writer.size != reader.size) {
      report(incompatibility_kind::always, "the writer's " + writer.name + " has " +
                                               std::to_string(writer.size) + " bytes, the reader's " +
                                               std::to_string(reader.size));
    }
  }

  void records(const schema_node& writer, const schema_node& reader) {
    if (!names_match(writer, reader)) return other_name(writer, reader);
    // Each pair is compared once; elsewhere its findings are repeated. A pair that holds itself is readable
    // as far as the rest of it is.
    const auto [known, added] = pairs_.try_emplace({&writer, &reader});
    if (!added) {
      for (const incompatibility& one : known->second) {
        if (found_.size() >= incompatibilities_max) return;
        found_.push_back({one.kind, path_ + one.path, one.why, one.remedy});
      }
      return;
    }
    if (depth_ == depth_max) {
      return report(incompatibility_kind::always, "records nest deeper than " + std::to_string(depth_max));
    }
    ++depth_;
    const std::size_t before = found_.size();
    fields_of(writer, reader);
    --depth_;
    findings mine(found_.begin() + static_cast<std::ptrdiff_t>(before), found_.end());
    for (incompatibility& one : mine) one.path.erase(0, path_.size());
    pairs_[{&writer, &reader}] = std::move(mine);
  }

  // A field's own name goes before anybody's alias for it.
  void fields_of(const schema_node& writer, const schema_node& reader) {
    std::set<std::string_view> taken;
    for (const schema_field& field : reader.fields) {
      if (find(writer, field.name) != nullptr) taken.insert(field.name);
    }
    for (const schema_field& field : reader.fields) {
      const schema_field* from = find(writer, field.name);
      for (std::size_t i = 0; from == nullptr && i < field.aliases.size(); ++i) {
        const schema_field* named = find(writer, field.aliases[i]);
        if (named != nullptr && taken.insert(named->name).second) from = named;
      }
      inside(field.name, [&] { field_of(writer, from, reader, field); });
    }
  }

  void field_of(const schema_node& writer, const schema_field* from, const schema_node& reader,
                const schema_field& to) {
    if (from != nullptr) return check(*from->type, *to.type);
    if (to.default_json) return;
    report(incompatibility_kind::always,
           "the writer's " + writer.name + " lacks this field, and the reader's " + reader.name +
               " has no default for it",
           "give the field a default in the reader's schema");
  }

  [[nodiscard]] static const schema_field* find(const schema_node& record, std::string_view name) {
    const auto found = std::find_if(record.fields.begin(), record.fields.end(),
                                    [&](const auto& field) { return field.name == name; });
    return found == record.fields.end() ? nullptr : &*found;
  }
  [[nodiscard]] static std::string branch_name(const schema_node& branch) {
    return branch.is_named() ? branch.name : std::string(to_string(branch.type));
  }

  std::map<pair, findings> pairs_;  // with paths from the record on
  std::size_t depth_ = 0;
  std::string path_;
  findings found_;
};

}  // namespace

std::vector<incompatibility> find_incompatibilities(const schema& writer, const schema& reader) {
  comparer compare;
  compare.check(writer.root(), reader.root());
  return compare.take();
}

std::string summary(const schema_node& type) { return summary(type, 0); }

}  // namespace millrace::avro
