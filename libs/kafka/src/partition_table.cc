#include "partition_table.h"

#include <algorithm>

namespace millrace::kafka {

std::optional<std::uint32_t> partition_table::index_of(std::string_view topic) const noexcept {
  const auto at = std::find(topics_.begin(), topics_.end(), topic);
  if (at == topics_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(at - topics_.begin());
}

owned_partition& partition_table::at(stream::partition_id id) {
  std::vector<owned_partition>& partitions = owned_[id.topic];
  const auto index = static_cast<std::size_t>(id.partition);
  if (index >= partitions.size()) partitions.resize(index + 1);
  return partitions[index];
}

const owned_partition* partition_table::find(stream::partition_id id) const noexcept {
  if (id.topic >= owned_.size() || id.partition < 0) return nullptr;
  const std::vector<owned_partition>& partitions = owned_[id.topic];
  const auto index = static_cast<std::size_t>(id.partition);
  return index < partitions.size() ? &partitions[index] : nullptr;
}

owned_partition* partition_table::find(stream::partition_id id) noexcept {
  return const_cast<owned_partition*>(std::as_const(*this).find(id));
}

std::vector<stream::partition_id> partition_table::owned() const {
  std::vector<stream::partition_id> all;
  for (std::uint32_t topic = 0; topic < owned_.size(); ++topic) {
    const std::vector<stream::partition_id> of_topic = owned_of(topic);
    all.insert(all.end(), of_topic.begin(), of_topic.end());
  }
  return all;
}

std::vector<stream::partition_id> partition_table::owned_of(std::uint32_t topic) const {
  std::vector<stream::partition_id> ids;
  for (std::size_t i = 0; i < owned_[topic].size(); ++i) {
    if (owned_[topic][i].at != owned_partition::stage::absent)
      ids.push_back({topic, static_cast<std::int32_t>(i)});
  }
  return ids;
}

std::string partition_table::describe(stream::partition_id id) const {
  return "topic '" + topics_[id.topic] + "' partition " + std::to_string(id.partition);
}

rd_kafka_topic_partition_t* partition_table::add_to(rd_kafka_topic_partition_list_t* list,
                                                    stream::partition_id id) const {
  return rd_kafka_topic_partition_list_add(list, topics_[id.topic].c_str(), id.partition);
}

std::vector<stream::partition_id> partition_table::ids_of(const rd_kafka_topic_partition_list_t& list) const {
  std::vector<stream::partition_id> ids;
  ids.reserve(static_cast<std::size_t>(list.cnt));
  for (int i = 0; i < list.cnt; ++i) {
    if (const auto topic = index_of(list.elems[i].topic)) ids.push_back({*topic, list.elems[i].partition});
  }
  return ids;
}

}  // namespace millrace::kafka
