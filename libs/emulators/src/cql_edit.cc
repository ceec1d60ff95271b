#include "cql_edit.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::emulators::cql {
namespace {

using entry = std::pair<std::string_view, std::string_view>;  // of a list and a set: without the second

std::vector<entry> entries_of(std::string_view cell, bool pairs) {
  std::vector<entry> out;
  wire_reader in(cell);
  for (std::int32_t left = in.i32(); left > 0 && in.ok(); --left) {
    const std::string_view first = in.bytes().bytes;
    out.emplace_back(first, pairs ? in.bytes().bytes : std::string_view());
  }
  return out;
}

std::optional<std::string> joined(const std::vector<entry>& entries, bool pairs) {
  if (entries.empty()) return std::nullopt;
  std::string out;
  put_i32(out, static_cast<std::int32_t>(entries.size()));
  for (const auto& [first, second] : entries) {
    put_bytes(out, first);
    if (pairs) put_bytes(out, second);
  }
  return out;
}

void put(std::vector<entry>& into, const type& key, const entry& what) {
  const auto at = std::lower_bound(into.begin(), into.end(), what, [&](const entry& a, const entry& b) {
    return compare(key, a.first, b.first) < 0;
  });
  if (at != into.end() && compare(key, at->first, what.first) == 0)
    *at = what;
  else
    into.insert(at, what);
}

void remove(std::vector<entry>& from, const type& key, std::string_view what) {
  std::erase_if(from, [&](const entry& each) { return compare(key, each.first, what) == 0; });
}

std::optional<std::string> edited_collection(const cell_edit& by, std::string_view now) {
  const type& of = *by.of;
  const type& key = of.parameters[0];
  const bool pairs = of.id == type_id::map;
  std::vector<entry> all = entries_of(now, pairs);
  if (by.is == change::remove_element || (by.is == change::put_element && !by.operand.present())) {
    remove(all, key, by.key.bytes);
  } else if (by.is == change::put_element) {
    put(all, key, {by.key.bytes, by.operand.bytes});
  } else {
    // What is subtracted from a map is a set of its keys.
    const std::vector<entry> given = entries_of(by.operand.bytes, pairs && by.is != change::subtract);
    if (of.id == type_id::list && by.is != change::subtract) {
      all.insert(by.is == change::prepend ? all.begin() : all.end(), given.begin(), given.end());
    } else {
      for (const entry& each : given) {
        if (by.is == change::subtract)
          remove(all, key, each.first);
        else
          put(all, key, each);
      }
    }
  }
  return joined(all, pairs);
}

std::optional<std::string> edited_fields(const cell_edit& by, std::string_view now) {
  std::string out;
  wire_reader in(now);
  bool any = false;
  for (std::size_t i = 0; i < by.of->parameters.size(); ++i) {
    const value before = in.left() == 0 ? value{} : in.cell();
    const value& part = i == by.field ? by.operand : before;
    if (part.present())
      put_bytes(out, part.bytes);
    else
      put_null(out);
    any = any || part.present();
  }
  if (!any) return std::nullopt;
  return out;
}

}  // namespace

bool ordered(const type& of, std::string_view cell) {
  if (of.id != type_id::set && of.id != type_id::map) return true;
  const std::vector<entry> all = entries_of(cell, of.id == type_id::map);
  return std::adjacent_find(all.begin(), all.end(), [&](const entry& a, const entry& b) {
           return compare(of.parameters[0], a.first, b.first) >= 0;
         }) == all.end();
}

std::optional<std::string> edited(const cell_edit& by, std::optional<std::string_view> now) {
  const std::string_view present = now.value_or(std::string_view());
  if (by.of->id == type_id::counter) {
    const auto before = static_cast<std::uint64_t>(now ? wire_reader(present).i64() : 0);
    const auto step = static_cast<std::uint64_t>(wire_reader(by.operand.bytes).i64());
    std::string out;
    put_number(out, by.is == change::subtract ? before - step : before + step);
    return out;
  }
  return by.of->id == type_id::user ? edited_fields(by, present) : edited_collection(by, present);
}

}  // namespace millrace::emulators::cql
