// What an operator may do about the oldest unfinished record of a partition: the one that holds up the
// commit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::engine {

// retry: the next attempt starts now. skip: the record ends as skipped("operator"). dead_letter: it ends as a
// dead letter. Each concerns the processors that have not finished; what others did stays done.
enum class operator_command : std::uint8_t { retry, skip, dead_letter };
[[nodiscard]] std::string_view to_string(operator_command v) noexcept;

struct record_name {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

struct command_answer {
  // obeyed: done, or it will be as soon as the attempt that runs has failed. not_here: the record is not in
  // flight in this line. not_now: it is not the oldest of its partition, or its state does not allow the
  // command.
  enum class kind : std::uint8_t { obeyed, not_here, not_now };
  kind what = kind::not_here;
  std::string text;  // what happened, or why not, for people
};

}  // namespace millrace::engine
