// The values that a statement was executed with, for people.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <millrace/engine/observer.h>

namespace millrace::app {

inline constexpr std::string_view redacted = "***";

// By the name of the column: {"visitor_id": "v1", "score": 0.5}. Null is null, a cell that is left alone is
// "unset"; types without a short form, such as collections, are hexadecimal. Columns that `redact` names, by
// themselves or as the end of a path ("page.url" hides `url`), are replaced.
[[nodiscard]] nlohmann::ordered_json bound_values(const engine::followed_binding& of,
                                                  const std::vector<std::string>& redact);
// Text where it is text, hexadecimal otherwise.
[[nodiscard]] std::string shown(bytes_view bytes);

}  // namespace millrace::app
