#include "lookups.h"

#include <algorithm>
#include <map>
#include <string>

namespace millrace::app {
namespace {

template <typename To, typename From>
void override_with(To& value, const std::optional<From>& configured) {
  if (configured) value = *configured;
}

result<void> check_names(const statements::declarations& declared,
                         const std::vector<lookup_settings>& configured) {
  for (const lookup_settings& each : configured) {
    const auto is_it = [&each](const statements::lookup_declaration* l) { return l->name() == each.name; };
    if (std::any_of(declared.lookups.begin(), declared.lookups.end(), is_it)) continue;
    std::string known;
    for (const statements::lookup_declaration* l : declared.lookups)
      known += (known.empty() ? "" : ", ") + l->name();
    return error(errc::config_invalid, "`lookups` has '" + each.name +
                                           "', which the application does not declare; its lookups are: " +
                                           (known.empty() ? "none" : known));
  }
  return {};
}

result<void> check_memory(const std::map<std::string, std::size_t>& bytes_of, const lookup_frame& within) {
  std::size_t sum = 0;
  for (const auto& [name, bytes] : bytes_of) sum += bytes * within.workers;
  if (sum <= within.memory_bytes_max / 2) return {};
  return error(errc::config_invalid, "the lookup caches may use " + std::to_string(sum) + " bytes with " +
                                         std::to_string(within.workers) +
                                         " workers, which exceeds half of `engine.memory_max` (" +
                                         std::to_string(within.memory_bytes_max) +
                                         "); lower `bytes_max` of lookups, or raise `engine.memory_max`");
}

}  // namespace

statements::lookup_options options_of(const statements::lookup_declaration& lookup,
                                      const std::vector<lookup_settings>& configured) {
  statements::lookup_options options = lookup.declared();
  for (const lookup_settings& each : configured) {
    if (each.name != lookup.name()) continue;
    override_with(options.entries_max, each.entries_max);
    if (each.bytes_max) options.bytes_max = static_cast<std::size_t>(each.bytes_max->bytes);
    override_with(options.ttl, each.ttl);
    override_with(options.negative_ttl, each.negative_ttl);
    override_with(options.on_miss, each.on_miss);
    override_with(options.retry_delay, each.retry_delay);
    override_with(options.retry_for, each.retry_for);
    override_with(options.when_late, each.when_late);
  }
  return options;
}

std::vector<lookup_settings> declared_of(const std::vector<lookup_settings>& configured,
                                         const statements::declarations& declared) {
  std::vector<lookup_settings> those;
  for (const lookup_settings& each : configured) {
    const auto is_it = [&each](const statements::lookup_declaration* l) { return l->name() == each.name; };
    if (std::any_of(declared.lookups.begin(), declared.lookups.end(), is_it)) those.push_back(each);
  }
  return those;
}

result<void> check_lookups(const statements::declarations& declared, const lookup_frame& within) {
  if (auto known = check_names(declared, within.configured); !known) return known;
  std::map<std::string, std::size_t> bytes_of;
  for (const statements::lookup_declaration* lookup : declared.lookups)
    bytes_of[lookup->name()] = options_of(*lookup, within.configured).bytes_max;
  return check_memory(bytes_of, within);
}

result<void> open_lookups(const statements::declarations& declared, statements::lookup_room& room,
                          const lookup_frame& within) {
  if (auto fits = check_lookups(declared, within); !fits) return fits;
  for (statements::lookup_declaration* lookup : declared.lookups) {
    if (auto opened = lookup->open(room, options_of(*lookup, within.configured)); !opened) return opened;
  }
  return statements::connect(declared, room.board);
}

}  // namespace millrace::app
