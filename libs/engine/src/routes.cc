#include "routes.h"

#include <algorithm>
#include <iterator>

#include <millrace/base/assert.h>

#include "input_checks.h"

namespace millrace::engine {
namespace {

tombstone_policy effective(tombstone_policy wanted, const processors& work, processor_bits readers) {
  if (wanted != tombstone_policy::automatic) return wanted;
  for (std::size_t i = 0; i < work.all.size(); ++i) {
    if (((readers >> i) & 1U) != 0 && work.all[i]->takes_deletions()) return tombstone_policy::process;
  }
  return tombstone_policy::skip;
}

}  // namespace

route_table::route_table(const processors& work, const engine_options& options) {
  const std::vector<input_options> inputs =
      options.inputs.empty() ? std::vector<input_options>(1) : options.inputs;
  std::map<std::vector<std::size_t>, const route*> made;
  for (const auto& [topic, of_topic] : inputs_by_topic(inputs)) {
    const route*& shared = made[of_topic];
    if (shared == nullptr) {
      add(work, options, inputs, of_topic);
      shared = &all_.back();
    }
    (topic.empty() ? others_ : by_topic_[topic]) = shared;
  }
}

void route_table::add(const processors& work, const engine_options& options,
                      const std::vector<input_options>& inputs, const std::vector<std::size_t>& of_topic) {
  const input_options& first = inputs[of_topic.front()];
  route& made = all_.emplace_back();
  made.index = all_.size() - 1;
  made.value.format = first.value;
  made.key.format = first.key;
  made.unmatched = first.unmatched;
  for (const std::size_t each : of_topic) {
    made.inputs += (made.inputs.empty() ? "'" : ", '") + inputs[each].name + "'";
    for (std::size_t i = 0; i < work.all.size(); ++i) add_reader(made, work, i, inputs[each].name);
  }
  made.value.by_name = made.value.types.size() > 1 || made.unmatched != unmatched_policy::automatic;
  made.tombstones = effective(options.tombstones, work, made.readers);
}

void route_table::add_reader(route& to, const processors& work, std::size_t processor,
                             std::string_view input) {
  const input_of_processor reader = find_input(work, processor, input);
  if (!reader.reads) return;
  const processor_bits bit = processor_bits{1} << processor;
  to.readers |= bit;
  const value_format* const format = work.all[processor]->read_format_as(to.value.format.encoding);
  invariant(format != nullptr, "check_inputs() has accepted the format");
  auto type = std::find_if(to.value.types.begin(), to.value.types.end(),
                           [format](const route_type& each) { return each.format == format; });
  if (type == to.value.types.end()) {
    to.value.types.push_back({format, slot_of(*format, record_part::value), 0});
    type = std::prev(to.value.types.end());
  }
  type->readers |= bit;
  if (reader.declared == nullptr || reader.declared->key_type() == nullptr || !to.key.types.empty()) return;
  const value_format* const key = reader.declared->key_as(to.key.format.encoding);
  invariant(key != nullptr, "check_inputs() has accepted the format of the keys");
  to.key.types.push_back({key, slot_of(*key, record_part::key), 0});
}

std::size_t route_table::slot_of(const value_format& format, record_part part) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i] == &format && slot_parts_[i] == part) return i;
  }
  slots_.push_back(&format);
  slot_parts_.push_back(part);
  return slots_.size() - 1;
}

const route& route_table::of(std::string_view topic) const {
  const auto found = by_topic_.find(topic);
  const route* const way = found == by_topic_.end() ? others_ : found->second;
  invariant(way != nullptr, "a source assigns topics of the inputs only");
  return *way;
}

}  // namespace millrace::engine
