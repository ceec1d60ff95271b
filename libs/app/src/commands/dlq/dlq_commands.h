// `millrace dlq`: lists, shows and redrives the records of a configuration's dead-letter topic.
//
// Each command writes its answer to `out` and what went wrong to `err`, and returns the exit code: 0 done; 1
// something was refused, failed or not found; 78 the configuration cannot be used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/app/exit_code.h>

#include "commands/terminal.h"
#include "dead_letter.h"

namespace millrace::app::dlq_commands {

// ls: counts the dead letters by reason, processor and topic/partition; with `limit`, one line for each of
// the first ones as well. Reads in a group of its own and commits nothing.
struct ls_arguments {
  dead_letter_filter filter;
  std::size_t limit = 0;
};
[[nodiscard]] int list_dead_letters(const app::app_config& settings, const ls_arguments& arguments,
                                    const terminal& to);

// show: one dead-letter record with its key and headers; its value only on request, as JSON when the
// registry knows its schema, in hexadecimal otherwise.
struct show_arguments {
  std::int64_t offset = 0;
  std::optional<std::int32_t> partition;  // needed when the topic has several
  bool payload = false;
};
[[nodiscard]] int show_dead_letter(const app::app_config& settings, const show_arguments& arguments,
                                   const terminal& to);

// redrive: produces key, value and original headers again to the topic that the dead-letter record names, for
// the configured group and the processor that the dead-letter record names. It refuses
// records of other groups or of topics outside `kafka.topics`. Whether a processor of that
// name exists only the application knows: otherwise it dead-letters the record again. What was redriven
// is remembered as committed offsets of the group
// `<kafka.group>-redrive`, after the broker has acknowledged each record: a redrive that was interrupted goes
// on where it was. Letters that are refused or that the filter leaves out stay for a later redrive. It ends
// at what was in the topic when it began, so a dead-letter record that comes back is not sent again.
struct redrive_arguments {
  dead_letter_filter filter;
  double rate = 50;                // dead letters per second
  std::uint32_t redrives_max = 3;  // a dead-letter record that was redriven so often is refused
  std::optional<std::uint64_t> limit;
  std::string to_topic;                  // instead of the topic that the dead-letter record names
  std::vector<std::string> from_groups;  // their dead letters too, for the configured group
  processor_names as_processor;
  bool for_all = false;  // every group and processor works on them
  bool dry_run = false;
};
// `stop` may be set at any time, from any thread: what was sent is awaited and committed, the rest stays.
[[nodiscard]] int redrive_dead_letters(const app::app_config& settings, const redrive_arguments& arguments,
                                       const terminal& to, const std::atomic<bool>& stop);

}  // namespace millrace::app::dlq_commands
