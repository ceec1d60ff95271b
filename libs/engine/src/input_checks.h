// What processors declare about their inputs, checked without a configuration. check_inputs() of input_options.h
// checks it against one.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/engine/input_options.h>
#include <millrace/engine/processor.h>

namespace millrace::engine {

// errc::config_invalid: an input twice, another struct than the processor's, or keys of different types.
[[nodiscard]] result<void> check_declared_inputs(const processor_base& of,
                                                 const std::vector<const input_base*>& declared);
// errc::config_invalid: structs of one input that no record name distinguishes, or keys of different types.
[[nodiscard]] result<void> check_types_of_inputs(const processors& work);

// The inputs of which the topic is, by index, for each topic; "" stands for the topics that none names.
[[nodiscard]] std::map<std::string, std::vector<std::size_t>> inputs_by_topic(
    std::span<const input_options> inputs);
// Whether a processor reads an input, and its declaration; nullptr: it reads `default` without one.
struct input_of_processor {
  bool reads = false;
  const input_base* declared = nullptr;
};
[[nodiscard]] input_of_processor find_input(const processors& work, std::size_t processor,
                                            std::string_view name);

}  // namespace millrace::engine
