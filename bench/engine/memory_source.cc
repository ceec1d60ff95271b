#include "memory_source.h"

#include <chrono>
#include <utility>

#include <millrace/avro/framing.h>
#include <millrace/workload/visit_generator.h>

namespace millrace::bench {

memory_source::memory_source(std::size_t distinct_records) : next_offset_(partition_count) {
  const workload::visit_generator generator(42);
  records_.resize(distinct_records);
  std::string datum;
  for (std::size_t i = 0; i < distinct_records; ++i) {
    datum.clear();
    const workload::expected_visit visit = generator.make(i, &datum);
    const bytes_view key = as_bytes(visit.visitor_id);
    records_[i].key.assign(key.begin(), key.end());
    avro::append_frame(schema_id, records_[i].value);
    const bytes_view body = as_bytes(datum);
    records_[i].value.insert(records_[i].value.end(), body.begin(), body.end());
  }
}

std::size_t memory_source::poll(stream::source_events& events, std::size_t records_max) {
  if (!assigned_) {
    assigned_ = true;
    std::vector<stream::partition_id> all;
    for (std::int32_t number = 0; number < partition_count; ++number) all.push_back({0, number});
    events.on_assigned(all);
    for (const stream::partition_id id : all) events.on_position({id, 0}, stream::position_origin::committed);
  }
  if (!answers_.empty()) {
    const std::vector<stream::commit_result> answers = std::exchange(answers_, {});
    events.on_committed(answers);
  }
  const timestamp created{std::chrono::milliseconds(1'700'000'000'000)};
  for (std::size_t i = 0; i < records_max; ++i) {
    const record& r = records_[delivered_ % records_.size()];
    const auto partition = static_cast<std::int32_t>(delivered_ / run_length % partition_count);
    ++delivered_;
    events.on_record({{0, partition},
                      next_offset_[static_cast<std::size_t>(partition)]++,
                      created,
                      bytes_view(r.key),
                      bytes_view(r.value),
                      {}});
  }
  return records_max;
}

void memory_source::commit(std::span<const stream::partition_offset> offsets) {
  for (const stream::partition_offset& at : offsets) {
    answers_.push_back({at.partition, at.offset, std::nullopt});
  }
}

}  // namespace millrace::bench
