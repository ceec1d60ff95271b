// A schema with everything it refers to.
#pragma once

#include <memory>

#include <millrace/stream/schemas.h>

#include "answers.h"
#include "servers.h"

namespace millrace::registry {

inline constexpr std::size_t references_max = 999;  // of one schema, direct or not
inline constexpr std::size_t reference_depth_max = 256;

// Fetches what `root` refers to, deleted versions too: what was written with them is still there. Texts of at
// most `bytes_max` altogether. errc::limit_exceeded, errc::schema_invalid (a cycle), errors of servers::ask.
[[nodiscard]] result<std::shared_ptr<const stream::schema_document>> complete(servers& from,
                                                                              described_schema root,
                                                                              std::size_t bytes_max);

}  // namespace millrace::registry
