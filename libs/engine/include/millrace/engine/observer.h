// Observation of single records from being taken to their end, for sampling and for traces. Most records are
// not followed; each of them costs one call of follows().
//
// Example, at namespace scope:
//
//   struct every_hundredth final : engine::record_observer {
//     std::size_t ended_records = 0;
//     bool follows(const stream::record_block& block, engine::followed_record&) override {
//       return block.offset() % 100 == 0;
//     }
//     void ended(engine::followed_record&&) override { ++ended_records; }
//   };
//
// Threads: an observer is called on the worker's thread. A followed_record owns its memory and may be passed
// to another thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/base/values.h>
#include <millrace/stream/record.h>
#include <millrace/stream/store.h>

namespace millrace::engine {

// One span of a record's life, on the loop's clock.
struct followed_stage {
  std::string name;       // decode, key_wait, limit_wait, process, retry_wait, produce_ack, dead_letter_ack
  std::string processor;  // empty before processing
  std::uint32_t attempt = 0;
  instant began;
  instant ended;
  std::string error;
};

// The bound values of one statement.
struct followed_binding {
  std::string statement;
  std::vector<statements::column> parameters;
  byte_buffer cells;  // cell after cell, each with its int32 length
};

struct followed_statement {
  std::string name;
  const void* request = nullptr;        // the request, until its answer arrives
  std::vector<followed_binding> bound;  // several: a batch
  instant began;
  instant ended;
  std::string error;
};

// A produced record.
struct followed_emit {
  std::string topic;
  std::optional<byte_buffer> key;    // nullopt: null
  std::optional<byte_buffer> value;  // with its framing; nullopt: a tombstone
};

// A followed record. It owns all of its memory.
struct followed_record {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int32_t schema_id = -1;
  std::optional<byte_buffer> key;
  std::optional<byte_buffer> value;
  std::string outcome;  // done, skipped, dead_lettered, abandoned
  std::string reason;   // of all but done
  std::optional<std::int64_t> created_us;
  std::int64_t taken_us = 0;  // wall clock, of taken_at
  instant taken_at;
  instant ended_at;
  std::vector<followed_stage> stages;
  std::vector<followed_statement> statements;
  std::vector<followed_emit> emits;
  // The W3C Trace Context of the record's header. `span_id` is the id of the record's own span, which is the
  // parent of the records that it produces.
  std::string trace_id;   // 32 hexadecimal digits
  std::string parent_id;  // 16, or empty: the trace begins here
  std::string span_id;    // 16
};

// The port.
class record_observer {
 public:
  record_observer() = default;
  record_observer(const record_observer&) = delete;
  record_observer& operator=(const record_observer&) = delete;
  virtual ~record_observer() = default;

  // Called for every record; true when it is to be followed. Fills in the ids of the trace when the record is
  // to be exported as a trace.
  [[nodiscard]] virtual bool follows(const stream::record_block& block, followed_record& as) = 0;
  // Called when a followed record has ended.
  virtual void ended(followed_record&& record) = 0;
};

inline constexpr char traceparent_header[] = "traceparent";
inline constexpr char tracestate_header[] = "tracestate";

// The parts of the header "00-<trace id>-<parent id>-<flags>" (W3C Trace Context).
struct trace_parent {
  std::string_view trace_id;
  std::string_view parent_id;
  bool sampled = false;
};
// Parses the header; nullopt when it does not have this form. The views point into `text`.
[[nodiscard]] std::optional<trace_parent> parse_trace_parent(std::string_view text) noexcept;
// Formats the header, with the flag "sampled".
[[nodiscard]] std::string format_trace_parent(std::string_view trace_id, std::string_view span_id);

}  // namespace millrace::engine
