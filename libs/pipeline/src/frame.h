// The Confluent frame in front of a value: 0x00, then the schema id as int32 big-endian.
#pragma once

#include <cstdint>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::pipeline {

inline constexpr std::size_t frame_bytes = 5;

struct framed_value {
  std::int32_t schema_id = 0;
  bytes_view body;
};

// errc::bad_frame
[[nodiscard]] result<framed_value> split_frame(bytes_view value);
void append_frame(std::int32_t schema_id, byte_buffer& into);

}  // namespace millrace::pipeline
