// A source that logs two events of the source behind it: errors that are not fatal, and
// failed commits. All events are forwarded. The engine counts them and shows the last one in /status.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <millrace/stream/source.h>

#include "rate_limited_log.h"

namespace millrace::app {

class reporting_source final : public stream::source, private stream::source_events {
 public:
  reporting_source(std::unique_ptr<stream::source> behind, rate_limited_log log)
      : behind_(std::move(behind)), log_(std::move(log)) {}

  std::size_t poll(stream::source_events& events, std::size_t records_max) override;
  void commit(std::span<const stream::partition_offset> offsets) override { behind_->commit(offsets); }
  void commit_again(std::span<const stream::partition_offset> offsets) override {
    behind_->commit_again(offsets);
  }
  void release(std::span<const stream::partition_id> partitions) override { behind_->release(partitions); }
  void pause(stream::partition_id partition) override { behind_->pause(partition); }
  void resume(stream::partition_id partition) override { behind_->resume(partition); }
  void close() override { behind_->close(); }
  [[nodiscard]] bool closed() const noexcept override { return behind_->closed(); }
  [[nodiscard]] std::string_view topic_name(std::uint32_t topic) const noexcept override {
    return behind_->topic_name(topic);
  }
  [[nodiscard]] std::string_view topic_id(std::uint32_t topic) const noexcept override {
    return behind_->topic_id(topic);
  }
  [[nodiscard]] std::optional<std::int64_t> high_watermark(
      stream::partition_id partition) const noexcept override {
    return behind_->high_watermark(partition);
  }
  [[nodiscard]] std::optional<std::int64_t> read_position(stream::partition_id partition) const override {
    return behind_->read_position(partition);
  }

 private:
  void on_record(const stream::record_view& record) override { events_->on_record(record); }
  void on_assigned(std::span<const stream::partition_id> partitions) override {
    events_->on_assigned(partitions);
  }
  void on_position(const stream::partition_offset& start, stream::position_origin origin) override {
    events_->on_position(start, origin);
  }
  void on_gap(stream::partition_id partition, std::uint64_t records) override {
    events_->on_gap(partition, records);
  }
  void on_rewind(stream::partition_id partition, std::int64_t from, std::int64_t to) override {
    events_->on_rewind(partition, from, to);
  }
  void on_revoked(std::span<const stream::partition_id> partitions) override {
    events_->on_revoked(partitions);
  }
  void on_lost(std::span<const stream::partition_id> partitions) override { events_->on_lost(partitions); }
  void on_committed(std::span<const stream::commit_result> results) override;
  void on_source_error(const error& failure, bool fatal) override;

  std::unique_ptr<stream::source> behind_;
  rate_limited_log log_;
  stream::source_events* events_ = nullptr;  // during poll()
};

}  // namespace millrace::app
