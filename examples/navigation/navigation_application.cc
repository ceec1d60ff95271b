#include "navigation_application.h"

#include "processors.h"

namespace navigation {

const millrace::application& application() {
  static const millrace::application all{
      .name = "navigation",
      .version = "1.0.0",
      .processors = {millrace::make<visits>(), millrace::make<last_seen>(), millrace::make<audience_feed>()},
  };
  return all;
}

}  // namespace navigation
