// Values and keys without a schema: bytes as they are, and text. A processor reads them as bytes_view and
// std::string_view.
//
// Example:
//
//   const engine::value_format& text = engine::text_format();
//   const auto plan = text.compile({});
//   if (!plan) return plan.error();
//   const auto slot = text.make_slot();
//   const auto used = slot->decode(**plan, as_bytes("note"));
//   if (!used) return used.error();
//   invariant(*static_cast<const std::string_view*>(slot->value()) == "note", "the text views the record");
//
// Threads: the functions are callable from any thread; a slot belongs to one worker.
// Errors: decode() of text returns errc::invalid_utf8; decode() of bytes does not fail.
#pragma once

#include <millrace/engine/value.h>

namespace millrace::engine {

// Reads any bytes into a bytes_view.
[[nodiscard]] const value_format& bytes_format();
// Reads UTF-8 into a std::string_view.
[[nodiscard]] const value_format& text_format();

}  // namespace millrace::engine
