// The inputs of an engine: topics under a name, the format of their records, and what happens to a record that no
// processor reads. A processor names the inputs that it reads (input.h); one that names none reads the input
// `default`.
//
// Example prelude:
//
//   #include <millrace/engine/options.h>
//
// Example:
//
//   engine::engine_options options;
//   options.inputs = {
//       {.name = "orders", .topics = {"orders", "orders-eu"}},
//       {.name = "notes", .topics = {"notes"}, .value = {.encoding = engine::value_encoding::text,
//                                                        .frame = engine::frame_kind::none}},
//   };
//
// Without inputs in engine_options every topic is of the input `default`: Confluent's frame, and the usual format
// of the struct that the processors read.
//
// Topics. A topic may be in several inputs whose formats and policies are equal: all their processors read its
// records, each decoded once. Processors of one topic that read different structs are distinguished by the name of
// the record in the writer's schema (value_format::match()).
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/engine/framing.h>
#include <millrace/engine/value.h>
#include <millrace/stream/schemas.h>

namespace millrace::engine {

struct processors;

// The name of the input of a processor that declares none.
inline constexpr std::string_view default_input = "default";

// Action for a record of a type that no processor of its topic reads. automatic: where the processors of a topic
// read one struct, every schema is compiled for it, whatever its name, and one that does not fit is dead-lettered;
// where they read several, as dead_letter. stop: the engine stops and the record stays uncommitted.
enum class unmatched_policy : std::uint8_t { automatic, skip, dead_letter, stop };
// The reason of a record that was skipped for it.
inline constexpr char unmatched_reason[] = "unmatched type";

// How keys or values of an input are read.
struct part_format {
  value_encoding encoding = value_encoding::avro;
  frame_kind frame = frame_kind::confluent;
  const framing* custom_frame = nullptr;                       // of frame_kind::custom
  std::shared_ptr<const stream::schema_document> schema = {};  // of frame_kind::none; nullptr: none is needed
};
// Whether both read the same bytes in the same way.
[[nodiscard]] bool same_format(const part_format& a, const part_format& b) noexcept;

// One input.
struct input_options {
  std::string name = std::string(default_input);
  // Empty: every topic that no other input names. Allowed for the input `default` only.
  std::vector<std::string> topics = {};
  part_format value = {};
  // Keys are decoded where a processor declares their type; otherwise they are bytes, whatever stands here.
  part_format key = {.encoding = value_encoding::bytes,
                     .frame = frame_kind::none,
                     .custom_frame = nullptr,
                     .schema = nullptr};
  unmatched_policy unmatched = unmatched_policy::automatic;
};

// A reason why processors cannot be run with inputs.
struct input_problem {
  static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

  std::size_t input = nowhere;  // index; nowhere: an input that is absent
  std::string setting;          // of the input: "topics", "topics[1]", "format", "key_format", "name"
  std::string message;          // ends with the reason, without a full stop
  std::string help;             // what to do; may be empty
};

// Returns the problems of `work` with `inputs`: an input that a processor reads and that has no topics, an input
// that no processor reads, a topic of two inputs with different formats, an encoding that a struct cannot be read
// from, a schema that cannot be read as the struct, structs of one topic that cannot be distinguished. An engine is
// made only when there are none. Thread-safe.
[[nodiscard]] std::vector<input_problem> check_inputs(const processors& work,
                                                      std::span<const input_options> inputs);

}  // namespace millrace::engine
