// Following single records from being taken to their end: for sampling them, and for traces. Most records are
// not followed and cost one question each.
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

// A span of a record's life, on the loop's clock.
struct followed_stage {
  std::string name;       // decode, key_wait, process, retry_wait, produce_ack, dead_letter_ack
  std::string processor;  // empty before processing
  std::uint32_t attempt = 0;
  instant began;
  instant ended;
  std::string error;
};

// The values of one statement.
struct followed_binding {
  std::string statement;
  std::vector<statements::column> parameters;
  byte_buffer cells;  // cell after cell, each with its int32 length
};

struct followed_statement {
  std::string name;
  const void* request = nullptr;        // whose it is, until its answer comes
  std::vector<followed_binding> bound;  // several: a batch
  instant began;
  instant ended;
  std::string error;
};

struct followed_emit {
  std::string topic;
  byte_buffer key;
  byte_buffer value;  // with its framing
};

// Owns all of its memory, so that it may go to another thread.
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
  // W3C Trace Context of the record's header, and the id of its span, which is the parent of what it
  // produces.
  std::string trace_id;   // 32 hexadecimal digits
  std::string parent_id;  // 16, or empty: the trace begins here
  std::string span_id;    // 16
};

class record_observer {
 public:
  record_observer() = default;
  record_observer(const record_observer&) = delete;
  record_observer& operator=(const record_observer&) = delete;
  virtual ~record_observer() = default;

  // The worker's thread, for every record. Fills the trace's ids when it wants the record as a trace.
  [[nodiscard]] virtual bool follows(const stream::record_block& block, followed_record& as) = 0;
  // The worker's thread, when it has ended.
  virtual void ended(followed_record&& record) = 0;
};

inline constexpr char traceparent_header[] = "traceparent";
inline constexpr char tracestate_header[] = "tracestate";

// The parts of "00-<trace id>-<parent id>-<flags>"; nullopt when it is none (W3C Trace Context).
struct trace_parent {
  std::string_view trace_id;
  std::string_view parent_id;
  bool sampled = false;
};
[[nodiscard]] std::optional<trace_parent> parse_trace_parent(std::string_view text) noexcept;
[[nodiscard]] std::string format_trace_parent(std::string_view trace_id, std::string_view span_id);

}  // namespace millrace::engine
