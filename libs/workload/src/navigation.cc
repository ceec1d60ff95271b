#include <millrace/workload/navigation.h>

#include "navigation_processors.h"

namespace millrace::workload {

const app::application& navigation_application() {
  static const app::application all{
      .name = "navigation",
      .version = "1.0.0",
      .processors = {make<visits>(), make<last_seen>(), make<audience_feed>()},
  };
  return all;
}

const app::application& visits_application() {
  static const app::application one{.name = "visits", .version = "1.0.0", .processors = {make<visits>()}};
  return one;
}

}  // namespace millrace::workload
