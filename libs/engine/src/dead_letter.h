// The dead-letter record of a record that can never succeed: the untouched key, value and headers, and why,
// where, when and how often it failed. What does not fit is left out, the largest part first: in the end the
// coordinates of the record remain, which fit any topic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/engine/options.h>
#include <millrace/stream/sink.h>

#include "envelope.h"

namespace millrace::engine {

// What the topic did not accept.
struct dead_letter_omissions {
  bool value = false;
  bool headers = false;  // of the original
  bool key = false;
  bool details = false;  // everything but the coordinates, the code and the processor

  [[nodiscard]] bool everything() const noexcept { return value && headers && key && details; }
  // Leaves out the largest part that `of` still has.
  void leave_out_more(const envelope& of) noexcept;
};

// The views are valid while the record is made.
struct dead_letter_facts {
  const envelope& of;
  const error& cause;
  std::string_view topic;
  std::string_view stage;
  std::string_view processor;  // empty: no processor has seen the record
  std::uint32_t attempts = 0;
  timestamp_micros first_failed;
  dead_letter_omissions without;
};

class dead_letter_record {
 public:
  dead_letter_record(const engine_options& options, const dead_letter_facts& facts);

  // Views the record and this object.
  [[nodiscard]] stream::outgoing outgoing() const;

 private:
  void add(std::string_view name, std::string_view value);
  void add_original_headers();
  void add_own_headers();
  void add_streams_headers();
  void add_processor();
  void add_omissions();
  // Set: the unknown group that the record was redriven for. It stays the owner of the record.
  [[nodiscard]] std::optional<bytes_view> original_group() const;

  const engine_options& options_;
  const dead_letter_facts& facts_;
  const stream::record_block& original_;
  std::string offset_;
  std::string created_;
  std::string schema_id_;
  std::string attempts_;
  std::string first_failed_;
  std::string trace_;
  std::string header_count_;
  std::string key_hash_;
  std::string_view message_;
  std::vector<stream::header_view> headers_;
};

}  // namespace millrace::engine
