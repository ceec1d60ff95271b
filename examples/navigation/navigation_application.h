// The example as one application.
#pragma once

#include <millrace/app/application.h>

namespace navigation {

[[nodiscard]] const millrace::app::application& application();

}  // namespace navigation
