// The frame around a key or a value, which names the schema of the datum. The engine knows three: none,
// Confluent's (the id in front of the datum or in a header) and that of Avro's single objects. Another frame, for
// example AWS Glue's or Confluent's GUIDs, is an object of this interface, which an input names
// (input_options.h).
//
// Example, at namespace scope:
//
//   // One byte in front of the datum: the schema's id.
//   class short_frame final : public engine::framing {
//    public:
//     std::string_view name() const noexcept override { return "short"; }
//     result<engine::framed_datum> split(const stream::record_block&, engine::record_part,
//                                        bytes_view bytes) const override {
//       if (bytes.empty()) return error(errc::bad_frame, "a short frame has one byte");
//       return engine::framed_datum{stream::schema_tag::of_id(static_cast<std::int32_t>(bytes[0])), bytes.subspan(1)};
//     }
//   };
//
// Threads: a framing is immutable and shared by all workers.
// Lifetime: a datum views the record. A framing outlives the engines that use it.
// Errors: errc::bad_frame sends the record to the dead-letter topic. An exception breaks the worker.
#pragma once

#include <cstdint>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/stream/record.h>
#include <millrace/stream/schemas.h>

namespace millrace::engine {

enum class record_part : std::uint8_t { key, value };
// Returns "key" or "value".
[[nodiscard]] std::string_view to_string(record_part part) noexcept;

// The content of a frame.
struct framed_datum {
  stream::schema_tag schema;
  bytes_view datum;
};

// A frame of the user's.
class framing {
 public:
  framing() = default;
  framing(const framing&) = delete;
  framing& operator=(const framing&) = delete;
  virtual ~framing() = default;

  // For messages.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // Splits the key or the value of a record, whose headers may hold the frame. The schema of a tag is requested
  // from the port stream::schemas.
  [[nodiscard]] virtual result<framed_datum> split(const stream::record_block& record, record_part part,
                                                   bytes_view bytes) const = 0;
};

// The frames that the engine knows; custom: an object of `framing`.
enum class frame_kind : std::uint8_t { none, confluent, single_object, custom };

// Splits the bytes of a key or a value. Confluent: the header `__key_schema_id` or `__value_schema_id` counts when
// the record has it; otherwise the frame is in front of the datum.
// Errors: errc::bad_frame.
[[nodiscard]] result<framed_datum> split_frame(frame_kind kind, const framing* custom,
                                               const stream::record_block& record, record_part part,
                                               bytes_view bytes);

}  // namespace millrace::engine
