// What a person can do about an error at start-up, in the words of the configuration.
#pragma once

#include <cstdint>

#include <millrace/base/errors.h>

namespace millrace::app {

// Where the error came from.
enum class part : std::uint8_t { registry, database, statement, kafka };

// The same error, its message ended by what to do about it, when there is something to say.
[[nodiscard]] error with_hint(const error& why, part of);

}  // namespace millrace::app
