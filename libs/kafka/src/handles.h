// Owners of librdkafka's objects.
#pragma once

#include <memory>

#include <librdkafka/rdkafka.h>

namespace millrace::kafka {

template <typename T, void (*destroy)(T*)>
struct destroy_with {
  void operator()(T* object) const noexcept { destroy(object); }
};

using conf_handle = std::unique_ptr<rd_kafka_conf_t, destroy_with<rd_kafka_conf_t, rd_kafka_conf_destroy>>;
using queue_handle =
    std::unique_ptr<rd_kafka_queue_t, destroy_with<rd_kafka_queue_t, rd_kafka_queue_destroy>>;
using event_handle =
    std::unique_ptr<rd_kafka_event_t, destroy_with<rd_kafka_event_t, rd_kafka_event_destroy>>;
using error_handle =
    std::unique_ptr<rd_kafka_error_t, destroy_with<rd_kafka_error_t, rd_kafka_error_destroy>>;
using topic_handle =
    std::unique_ptr<rd_kafka_topic_t, destroy_with<rd_kafka_topic_t, rd_kafka_topic_destroy>>;
using partition_list =
    std::unique_ptr<rd_kafka_topic_partition_list_t,
                    destroy_with<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>>;

using topic_collection =
    std::unique_ptr<rd_kafka_TopicCollection_t,
                    destroy_with<rd_kafka_TopicCollection_t, rd_kafka_TopicCollection_destroy>>;
using admin_options = std::unique_ptr<rd_kafka_AdminOptions_t,
                                      destroy_with<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>>;

struct destroy_client {
  // Never the blocking close: leaving the group is done asynchronously before.
  void operator()(rd_kafka_t* client) const noexcept {
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }
};
using client_handle = std::unique_ptr<rd_kafka_t, destroy_client>;

[[nodiscard]] inline partition_list make_partition_list(std::size_t size) {
  return partition_list(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

}  // namespace millrace::kafka
