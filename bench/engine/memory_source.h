// A source whose records are in memory already: those of the demo, again and again, in runs per partition as
// a client with a backlog hands them over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/stream/source.h>

namespace millrace::bench {

class memory_source final : public stream::source {
 public:
  static constexpr std::int32_t schema_id = 7;
  static constexpr std::int32_t partition_count = 8;

  explicit memory_source(std::size_t distinct_records);

  std::size_t poll(stream::source_events& events, std::size_t records_max) override;
  void commit(std::span<const stream::partition_offset> offsets) override;
  void commit_again(std::span<const stream::partition_offset> offsets) override { commit(offsets); }
  void release(std::span<const stream::partition_id>) override {}
  void pause(stream::partition_id) override { ++pauses_; }
  void resume(stream::partition_id) override {}
  void close() override { closed_ = true; }
  [[nodiscard]] bool closed() const noexcept override { return closed_; }
  [[nodiscard]] std::string_view topic_name(std::uint32_t) const noexcept override { return "navigation"; }
  [[nodiscard]] std::string_view topic_id(std::uint32_t) const noexcept override { return "bench"; }
  [[nodiscard]] std::optional<std::int64_t> high_watermark(stream::partition_id) const noexcept override {
    return std::nullopt;
  }
  [[nodiscard]] std::uint64_t pauses() const noexcept { return pauses_; }

 private:
  static constexpr std::uint64_t run_length = 100;

  struct record {
    byte_buffer key;
    byte_buffer value;  // framed
  };
  std::vector<record> records_;
  std::vector<stream::commit_result> answers_;
  std::vector<std::int64_t> next_offset_;
  std::uint64_t delivered_ = 0;
  std::uint64_t pauses_ = 0;
  bool assigned_ = false;
  bool closed_ = false;
};

}  // namespace millrace::bench
