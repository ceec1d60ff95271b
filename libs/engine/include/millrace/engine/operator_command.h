// Operator commands about the oldest unfinished record of a partition: the record that holds up the commit.
//
// Example:
//
//   const engine::record_name which{.topic = "visits", .partition = 3, .offset = 42};
//   const std::string text = std::string(engine::to_string(engine::operator_command::skip)) + " " + which.topic;
//   // record_engine::act_on(which, engine::operator_command::skip) executes it
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::engine {

// The commands:
//
// * retry: the next attempt starts now.
// * skip: the record ends as skipped("operator").
// * dead_letter: the record is sent to the dead-letter topic.
//
// A command concerns the processors that have not finished; the effects of the others stay.
enum class operator_command : std::uint8_t { retry, skip, dead_letter };
// Returns the name of a command: "dead_letter".
[[nodiscard]] std::string_view to_string(operator_command v) noexcept;

// The record that a command is about.
struct record_name {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

// The result of a command.
struct command_answer {
  // obeyed: the command was executed, or will be as soon as the running attempt has failed. not_here: the
  // record is not in flight in this engine. not_now: it is not the oldest of its partition, or its state does
  // not allow the command.
  enum class kind : std::uint8_t { obeyed, not_here, not_now };
  kind what = kind::not_here;
  std::string text;  // the effect, or the reason of a refusal, for people
};

}  // namespace millrace::engine
