#include <millrace/base/assert.h>
#include <millrace/simulation/simulated_log.h>

namespace millrace::simulation {

std::int64_t seeded_random::between(std::int64_t low, std::int64_t high) noexcept {
  const auto span = static_cast<std::uint64_t>(high - low) + 1;
  return low + static_cast<std::int64_t>(next() % span);
}

bool seeded_random::chance(double probability) noexcept { return numbers_.fraction() < probability; }

std::uint32_t simulated_log::add_topic(std::string name, std::int32_t partitions) {
  std::string id = "id of " + name;
  topics_.push_back({std::move(name), std::vector<partition>(static_cast<std::size_t>(partitions)),
                     std::move(id), std::nullopt});
  return static_cast<std::uint32_t>(topics_.size() - 1);
}

simulated_log::partition& simulated_log::at(stream::partition_id which) {
  return const_cast<partition&>(std::as_const(*this).at(which));
}

const simulated_log::partition& simulated_log::at(stream::partition_id which) const {
  invariant(which.topic < topics_.size() &&
                static_cast<std::size_t>(which.partition) < topics_[which.topic].partitions.size(),
            "a simulated partition exists");
  return topics_[which.topic].partitions[static_cast<std::size_t>(which.partition)];
}

std::int64_t simulated_log::append(stream::partition_id to, simulated_record record, std::int64_t hole) {
  partition& p = at(to);
  record.offset = p.end + hole;
  p.end = record.offset + 1;
  p.records.push_back(std::move(record));
  return p.records.back().offset;
}

void simulated_log::grow(std::uint32_t topic, std::int32_t partitions) {
  std::vector<partition>& all = topics_[topic].partitions;
  all.resize(all.size() + static_cast<std::size_t>(partitions));
}

bool simulated_log::added_later(stream::partition_id which) const {
  const std::optional<std::size_t>& first = topics_[which.topic].partitions_at_first_commit;
  return first && static_cast<std::size_t>(which.partition) >= *first;
}

std::vector<stream::partition_id> simulated_log::partitions(std::uint32_t topic) const {
  std::vector<stream::partition_id> all;
  for (std::size_t i = 0; i < topics_[topic].partitions.size(); ++i) {
    all.push_back({topic, static_cast<std::int32_t>(i)});
  }
  return all;
}

const std::vector<simulated_record>& simulated_log::records(stream::partition_id of) const {
  return at(of).records;
}
std::int64_t simulated_log::end(stream::partition_id of) const { return at(of).end; }
std::optional<std::int64_t> simulated_log::committed(stream::partition_id of) const {
  return at(of).committed;
}

bool simulated_log::commit(const stream::partition_offset& what, const void* by) {
  partition& p = at(what.partition);
  if (p.owner != by) return false;
  p.committed = what.offset;
  p.metadata = what.metadata;
  topic& of = topics_[what.partition.topic];
  if (!of.partitions_at_first_commit) of.partitions_at_first_commit = of.partitions.size();
  return true;
}

}  // namespace millrace::simulation
