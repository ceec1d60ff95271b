#include <millrace/workload/navigation_schema.h>

#include "workload_assets.h"  // generated from data/

namespace millrace::workload {

std::string_view navigation_schema() noexcept { return assets::navigation_schema; }
std::string_view navigation_tables() noexcept { return assets::navigation_tables; }

}  // namespace millrace::workload
