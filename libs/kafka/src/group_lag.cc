#include <algorithm>
#include <map>
#include <utility>

#include <millrace/kafka/connectivity.h>
#include <millrace/kafka/group_lag.h>

#include "conf.h"
#include "errors.h"
#include "handles.h"

namespace millrace::kafka {
namespace {

constexpr int poll_ms = 100;
constexpr milliseconds asks_again_after{200};

using message_handle =
    std::unique_ptr<rd_kafka_message_t, destroy_with<rd_kafka_message_t, rd_kafka_message_destroy>>;

class group_question {
 public:
  group_question(client_handle client, milliseconds timeout)
      : client_(std::move(client)), deadline_(system_clock().now() + timeout) {
    rd_kafka_poll_set_consumer(client_.get());
  }

  // The first request for the coordinator of a group takes longer.
  result<void> ask_committed(std::vector<partition_lag>& all) {
    while (true) {
      const partition_list list = make_partition_list(all.size());
      for (const partition_lag& p : all) {
        rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition);
      }
      const rd_kafka_resp_err_t failed = rd_kafka_committed(client_.get(), list.get(), left_ms());
      if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) return take_committed(*list, all);
      const error why = client_error(failed, {});
      if (why.code() == errc::broker_unauthorized || left_ms() <= 1) return why.in("committed offsets");
      static_cast<void>(rd_kafka_poll(client_.get(), static_cast<int>(asks_again_after.count())));
    }
  }

  result<void> ask_ends(std::vector<partition_lag>& all) {
    for (partition_lag& p : all) {
      const rd_kafka_resp_err_t failed = rd_kafka_query_watermark_offsets(
          client_.get(), p.topic.c_str(), p.partition, &p.low, &p.high, left_ms());
      if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error(failed, {}).in(p.topic + "/" + std::to_string(p.partition));
      }
      p.records = std::max<std::int64_t>(p.high - std::max(p.committed.value_or(p.low), p.low), 0);
    }
    return {};
  }

  // Reads the first record of each partition that lags.
  result<void> read_oldest(std::vector<partition_lag>& all) {
    std::map<std::pair<std::string, std::int32_t>, partition_lag*> unread;
    const partition_list list = make_partition_list(all.size());
    for (partition_lag& p : all) {
      if (p.records == 0) continue;
      unread.emplace(std::pair(p.topic, p.partition), &p);
      rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition)->offset =
          std::max(p.committed.value_or(p.low), p.low);
    }
    const rd_kafka_resp_err_t failed = rd_kafka_assign(client_.get(), list.get());
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) return client_error(failed, {});
    while (!unread.empty() && left_ms() > 1) {
      const message_handle message(rd_kafka_consumer_poll(client_.get(), poll_ms));
      if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->rkt == nullptr) continue;
      const auto found = unread.find({rd_kafka_topic_name(message->rkt), message->partition});
      if (found == unread.end()) continue;
      rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
      const std::int64_t created = rd_kafka_message_timestamp(message.get(), &kind);
      if (kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) found->second->oldest = timestamp(milliseconds(created));
      pause(found->first.first, found->first.second);
      unread.erase(found);
    }
    rd_kafka_assign(client_.get(), nullptr);
    return {};
  }

 private:
  static result<void> take_committed(const rd_kafka_topic_partition_list_t& list,
                                     std::vector<partition_lag>& all) {
    for (int i = 0; i < list.cnt; ++i) {
      const rd_kafka_topic_partition_t& one = list.elems[i];
      if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error(one.err, {}).in(std::string(one.topic) + "/" + std::to_string(one.partition));
      }
      if (one.offset >= 0) all[static_cast<std::size_t>(i)].committed = one.offset;
    }
    return {};
  }

  void pause(const std::string& topic, std::int32_t partition) {
    const partition_list list = make_partition_list(1);
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    rd_kafka_pause_partitions(client_.get(), list.get());
  }
  [[nodiscard]] int left_ms() const {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - system_clock().now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 1, INT32_MAX));
  }

  client_handle client_;
  instant deadline_;
};

}  // namespace

result<std::vector<partition_lag>> read_group_lag(const client_config& config, const std::string& group,
                                                  std::span<const std::string> topics, milliseconds timeout) {
  const auto cluster = check_connectivity(config, topics, timeout);
  if (!cluster) return cluster.error();
  std::vector<partition_lag> all;
  for (const topic_facts& topic : cluster->topics) {
    for (std::int32_t i = 0; i < topic.partitions; ++i) {
      partition_lag one;
      one.topic = topic.name;
      one.partition = i;
      all.push_back(std::move(one));
    }
  }
  conf_builder conf;
  conf.prefer("allow.auto.create.topics", "false");
  if (result<void> done = conf.apply(config, {}); !done) return done.error();
  for (const auto& [name, value] :
       {std::pair("group.id", group), std::pair("enable.auto.commit", std::string("false")),
        std::pair("auto.offset.reset", std::string("earliest"))}) {
    if (result<void> done = conf.set(name, value); !done) return done.error();
  }
  conf.enable_events(0);
  result<client_handle> client = conf.make_client(RD_KAFKA_CONSUMER);
  if (!client) return std::move(client).error();
  group_question asking(std::move(client).value(), timeout);
  if (auto done = asking.ask_committed(all); !done) return done.error().in("group '" + group + "'");
  if (auto done = asking.ask_ends(all); !done) return done.error();
  if (auto done = asking.read_oldest(all); !done) return done.error();
  return all;
}

}  // namespace millrace::kafka
