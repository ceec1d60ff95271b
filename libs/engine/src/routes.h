// For each topic: the processors that read its records, and how keys and values are decoded. Made once from the
// processors and the inputs, which check_inputs() has accepted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/engine/input_options.h>
#include <millrace/engine/options.h>
#include <millrace/engine/processor.h>

namespace millrace::engine {

// A bit per processor, in their order.
using processor_bits = std::uint32_t;
static_assert(processors_max <= 32);

struct route_type {
  const value_format* format = nullptr;
  std::size_t slot = 0;  // of an envelope
  processor_bits readers = 0;
};

// The keys or the values of a route.
struct route_part {
  part_format format;
  std::vector<route_type> types;  // of keys: one or none, and none are decoded
  bool by_name = false;           // the name of the record decides which type it is
};

// Topics of the same inputs.
struct route {
  std::size_t index = 0;
  std::string inputs;  // names, for messages
  route_part value;
  route_part key;
  processor_bits readers = 0;
  unmatched_policy unmatched = unmatched_policy::automatic;
  tombstone_policy tombstones = tombstone_policy::skip;
};

class route_table {
 public:
  route_table(const processors& work, const engine_options& options);
  route_table(const route_table&) = delete;
  route_table& operator=(const route_table&) = delete;

  [[nodiscard]] const route& of(std::string_view topic) const;
  [[nodiscard]] const std::deque<route>& all() const noexcept { return all_; }
  // The formats of the slots of an envelope.
  [[nodiscard]] const std::vector<const value_format*>& slots() const noexcept { return slots_; }

 private:
  void add(const processors& work, const engine_options& options, const std::vector<input_options>& inputs,
           const std::vector<std::size_t>& of_topic);
  void add_reader(route& to, const processors& work, std::size_t processor, std::string_view input);
  [[nodiscard]] std::size_t slot_of(const value_format& format, record_part part);

  std::deque<route> all_;
  std::map<std::string, const route*, std::less<>> by_topic_;
  const route* others_ = nullptr;  // of the topics that no input names
  std::vector<const value_format*> slots_;
  std::vector<record_part> slot_parts_;  // a key never takes the slot of a value
};

}  // namespace millrace::engine
