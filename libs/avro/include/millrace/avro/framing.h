// Confluent's wire format, version 0: 0x00, the schema's id as 4 bytes big-endian, the datum.
// Never guessed: a topic is framed or it is not, by configuration (an unframed datum may start with 0x00).
#pragma once

#include <cstdint>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

inline constexpr std::size_t frame_bytes = 5;

struct framed {
  std::int32_t schema_id = 0;
  bytes_view datum;  // of the message
};

// errc::bad_frame: shorter than a frame, or another first byte. A tombstone (null value) is not a frame
// either: ask for it before.
[[nodiscard]] result<framed> split_frame(bytes_view message);

// Appends the 5 bytes that go before the datum.
void append_frame(std::int32_t schema_id, byte_buffer& out);

}  // namespace millrace::avro
