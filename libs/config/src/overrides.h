// Environment variables and --set flags, written over the tree of the file.
#pragma once

#include <vector>

#include <millrace/config/diagnostic.h>
#include <millrace/config/load.h>
#include <millrace/config/types.h>

#include "yaml.h"

namespace millrace::config {

// Environment first, then flags in their order. Problems are appended; what is wrong is not applied.
void apply_overrides(const section_info& settings, const inputs& from, raw_value& root,
                     std::vector<diagnostic>& problems);

}  // namespace millrace::config
