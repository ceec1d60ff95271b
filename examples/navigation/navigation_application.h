// The example as one application.
#pragma once

#include <millrace/engine/application.h>

namespace navigation {

[[nodiscard]] const millrace::engine::application& application();

}  // namespace navigation
