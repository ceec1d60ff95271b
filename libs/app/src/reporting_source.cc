#include "reporting_source.h"

namespace millrace::app {

std::size_t reporting_source::poll(stream::source_events& events, std::size_t records_max) {
  events_ = &events;
  return behind_->poll(*this, records_max);
}

void reporting_source::on_committed(std::span<const stream::commit_result> results) {
  for (const stream::commit_result& result : results) {
    if (result.failure) log_.note("commit_failed", *result.failure);
  }
  events_->on_committed(results);
}

void reporting_source::on_source_error(const error& failure, bool fatal) {
  if (!fatal) log_.note("source_error", failure);
  events_->on_source_error(failure, fatal);
}

}  // namespace millrace::app
