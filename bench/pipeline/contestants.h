// What Millrace does in the benchmark: the applications that are measured.
#pragma once

#include <millrace/app/application.h>

namespace millrace::bench {

// One SELECT and one INSERT per record.
[[nodiscard]] const app::application& visit_application();
// The same through a lookup, which shares and caches.
[[nodiscard]] const app::application& cached_application();
// The same with lookups that are answered from memory, at once.
[[nodiscard]] const app::application& memory_application();
// Done as soon as it is called.
[[nodiscard]] const app::application& idle_application();

}  // namespace millrace::bench
