// The lookups of a worker: declared in the code, adjusted by the configuration.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/context.h>

namespace millrace::app {

// As declared, with what the configuration says of a lookup of that name.
[[nodiscard]] statements::lookup_options options_of(const statements::lookup_declaration& lookup,
                                                    const std::vector<lookup_settings>& configured);

// The settings of the lookups that are declared: those of processors that are disabled are not.
[[nodiscard]] std::vector<lookup_settings> declared_of(const std::vector<lookup_settings>& configured,
                                                       const statements::declarations& declared);

// What the process must hold for all of it to work.
struct lookup_frame {
  const std::vector<lookup_settings>& configured;
  std::size_t workers;
  std::size_t memory_bytes_max;  // of the process
};

// errc::config_invalid: a lookup of the configuration that is not declared, or caches that may take more than
// half of the memory of the process.
[[nodiscard]] result<void> check_lookups(const statements::declarations& declared,
                                         const lookup_frame& within);

// Opens a worker's lookups in `room` and ties its writes to them; its statements are prepared.
// errc::config_invalid: as check_lookups(), or options that contradict themselves.
[[nodiscard]] result<void> open_lookups(const statements::declarations& declared,
                                        statements::lookup_room& room, const lookup_frame& within);

}  // namespace millrace::app
