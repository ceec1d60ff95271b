#include "producer_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include <millrace/base/assert.h>

#include "background.h"
#include "conf.h"
#include "errors.h"

namespace millrace::kafka {
namespace {

// Per turn, so that a flood of reports cannot hold it.
constexpr std::size_t reports_per_turn_max = 10'000;
constexpr std::size_t topics_max = 1'000;
// Of `message.max.bytes`: the least that librdkafka takes, and less than a broker reads in one request.
constexpr std::size_t record_bytes_least = 1'000;
constexpr std::size_t record_bytes_most = std::size_t{64} * 1024 * 1024;
// A purge answers at once; this bounds the wait for the client's threads to notice.
constexpr int purge_wait_ms = 100;
constexpr int purge_waits_max = 100;

constexpr managed_property managed[] = {
    {"acks", "records are acknowledged by all in-sync replicas"},
    {"request.required.acks", "records are acknowledged by all in-sync replicas"},
    {"enable.idempotence", "the producer is always idempotent"},
    {"linger.ms", "use `kafka.producer.linger`"},
    {"queue.buffering.max.ms", "use `kafka.producer.linger`"},
    {"delivery.timeout.ms", "use `kafka.producer.delivery_timeout`"},
    {"message.timeout.ms", "use `kafka.producer.delivery_timeout`"},
    {"queue.buffering.max.messages", "use `kafka.producer.queue_records_max`"},
    {"queue.buffering.max.kbytes", "use `kafka.producer.queue_bytes_max`"},
    {"transactional.id", "transactions are not used"},
    {"delivery.report.only.error", "Millrace needs a report for every record"},
};

result<void> fill(conf_builder& conf, const producer_config& config) {
  conf.prefer("statistics.interval.ms", "10000");
  conf.prefer("allow.auto.create.topics", "false");
  // The default of the Java clients and of what is built on them.
  conf.prefer("partitioner", "murmur2_random");
  // The topic's limit decides. A record that the queue cannot hold is refused, because it would never fit.
  conf.prefer("message.max.bytes",
              std::to_string(std::clamp(config.bytes_max, record_bytes_least, record_bytes_most)));
  if (result<void> done = conf.apply(config.client, managed); !done) return done;
  const std::pair<const char*, std::string> properties[] = {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"linger.ms", std::to_string(config.linger.count())},
      {"message.timeout.ms", std::to_string(config.delivery_timeout.count())},
      {"queue.buffering.max.messages", std::to_string(config.records_max)},
      {"queue.buffering.max.kbytes", std::to_string(std::max<std::size_t>(config.bytes_max / 1024, 1))},
  };
  for (const auto& [name, value] : properties) {
    if (result<void> done = conf.set(name, value); !done) return done;
  }
  return {};
}

result<client_handle> make_handle(const producer_config& config) {
  conf_builder conf;
  if (result<void> done = fill(conf, config); !done) return done.error();
  conf.enable_events(RD_KAFKA_EVENT_DR);
  return conf.make_client(RD_KAFKA_PRODUCER);
}

void wake_worker(rd_kafka_t*, void* worker) { static_cast<runtime::loop*>(worker)->wake(); }

// librdkafka reads a null pointer as "no value", also with length 0.
const void* present(bytes_view bytes) noexcept {
  return bytes.empty() ? "" : static_cast<const void*>(bytes.data());
}

// The topic is known, and does not have the partition that was requested: no later try can succeed. The same
// code in a report concerns a topic that is created again; then the next try decides.
error refusal(rd_kafka_resp_err_t code, const char* text, const stream::outgoing& record) {
  const std::string where = "topic '" + std::string(record.topic) + "'";
  if (code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || !record.partition)
    return delivery_error(code, text).in(where);
  return error(errc::produce_rejected, "has no partition " + std::to_string(*record.partition)).in(where);
}

}  // namespace

result<void> check_properties(const producer_config& config) {
  conf_builder conf;
  return fill(conf, config);
}

result<std::unique_ptr<producer_client>> producer_client::make(const producer_config& config,
                                                               runtime::loop& worker,
                                                               producer_counters& counters) {
  result<client_handle> made = make_handle(config);
  if (!made) return made.error();
  return std::unique_ptr<producer_client>(
      new producer_client(config, worker, counters, std::move(made).value()));
}

producer_client::producer_client(const producer_config& config, runtime::loop& worker,
                                 producer_counters& counters, client_handle client)
    : config_(config),
      counters_(counters),
      client_(std::move(client)),
      credentials_(config.client.credentials) {
  queue_.reset(rd_kafka_queue_get_main(client_.get()));
  rd_kafka_queue_cb_event_enable(queue_.get(), wake_worker, &worker);
}

producer_client::~producer_client() {
  if (!client_) return;
  if (in_flight_ > 0) purge();
  for (int i = 0; in_flight_ > 0 && i < purge_waits_max; ++i) serve(purge_wait_ms);
  invariant(in_flight_ == 0, "a purged producer answers every record");
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  topics_.clear();
  queue_.reset();
}

void producer_client::end_in_background(std::unique_ptr<producer_client> ended) {
  invariant(ended->in_flight_ == 0, "a client ends after it has answered for every record");
  rd_kafka_queue_cb_event_enable(ended->queue_.get(), nullptr, nullptr);
  ended->topics_.clear();
  ended->queue_.reset();
  in_background([client = std::move(ended->client_)]() mutable { client.reset(); });
}

result<rd_kafka_topic_t*> producer_client::topic(std::string_view name) {
  for (const known_topic& known : topics_) {
    if (known.name == name) return known.handle.get();
  }
  if (topics_.size() >= topics_max) return error(errc::produce_rejected, "more than 1000 different topics");
  std::string text(name);
  topic_handle handle(rd_kafka_topic_new(client_.get(), text.c_str(), nullptr));
  if (!handle) return error(errc::produce_rejected, "topic '" + text + "' is not a topic's name");
  topics_.push_back({std::move(text), std::move(handle)});
  return topics_.back().handle.get();
}

result<void> producer_client::produce(const stream::outgoing& record, stream::receipt& answer) {
  if (failure_) {
    return error(errc::broker_unavailable, "the producer has failed: " + failure_->message())
        .in("topic '" + std::string(record.topic) + "'");
  }
  const result<rd_kafka_topic_t*> to = topic(record.topic);
  if (!to) return to.error();
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const stream::header_view& header : record.headers) {
      rd_kafka_header_add(headers, header.name.data(), static_cast<ssize_t>(header.name.size()),
                          header.value ? present(*header.value) : nullptr,
                          header.value ? static_cast<ssize_t>(header.value->size()) : 0);
    }
  }
  std::array<rd_kafka_vu_t, 8> fields{};
  std::size_t count = 0;
  const auto next = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    fields[count].vtype = type;
    return fields[count++];
  };
  next(RD_KAFKA_VTYPE_RKT).u.rkt = *to;
  if (record.partition) next(RD_KAFKA_VTYPE_PARTITION).u.i32 = *record.partition;
  if (record.created) next(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = record.created->time_since_epoch().count();
  if (record.key) {
    auto& key = next(RD_KAFKA_VTYPE_KEY).u.mem;
    key.ptr = const_cast<void*>(present(*record.key));
    key.size = record.key->size();
  }
  if (record.value) {
    auto& value = next(RD_KAFKA_VTYPE_VALUE).u.mem;
    value.ptr = const_cast<void*>(present(*record.value));
    value.size = record.value->size();
  }
  next(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  next(RD_KAFKA_VTYPE_OPAQUE).u.ptr = &answer;
  if (headers != nullptr) next(RD_KAFKA_VTYPE_HEADERS).u.headers = headers;

  const error_handle refused(rd_kafka_produceva(client_.get(), fields.data(), count));
  if (!refused) {
    ++in_flight_;
    ++counters_.accepted;
    return {};
  }
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  if (rd_kafka_error_code(refused.get()) == RD_KAFKA_RESP_ERR__FATAL) {
    fail(RD_KAFKA_RESP_ERR__FATAL);
    return produce(record, answer);
  }
  return refusal(rd_kafka_error_code(refused.get()), rd_kafka_error_string(refused.get()), record);
}

bool producer_client::serve(int wait_ms) {
  credentials_.renew(client_.get());
  for (std::size_t reports = 0; reports < reports_per_turn_max; wait_ms = 0) {
    const event_handle event(rd_kafka_queue_poll(queue_.get(), wait_ms));
    if (!event) return false;
    switch (rd_kafka_event_type(event.get())) {
      case RD_KAFKA_EVENT_DR:
        reports += on_reports(event.get());
        break;
      case RD_KAFKA_EVENT_ERROR:
        on_error(event.get());
        ++reports;
        break;
      case RD_KAFKA_EVENT_LOG: {
        const char* facility = "";
        const char* text = "";
        int level = 0;
        if (config_.client.on_log && rd_kafka_event_log(event.get(), &facility, &text, &level) == 0) {
          config_.client.on_log({level, facility, text});
        }
        ++reports;
        break;
      }
      case RD_KAFKA_EVENT_STATS:
        if (config_.client.on_statistics) config_.client.on_statistics(rd_kafka_event_stats(event.get()));
        break;
      default:  // no other kind is enabled
        break;
    }
  }
  return true;
}

std::size_t producer_client::on_reports(rd_kafka_event_t* event) {
  std::size_t count = 0;
  while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event)) {
    ++count;
    invariant(in_flight_ > 0, "an answer belongs to an accepted record");
    --in_flight_;
    auto& answer = *static_cast<stream::receipt*>(message->_private);
    std::optional<error> failed = verdict_on(*message);
    if (!failed) {
      delivered_ = true;
      ++counters_.acknowledged;
      answer.on_acknowledged({});
      continue;
    }
    counters_.rejected += failed->code() == errc::produce_rejected ? 1 : 0;
    counters_.cancelled += failed->code() == errc::cancelled ? 1 : 0;
    counters_.failed += failed->code() == errc::produce_failed ? 1 : 0;
    answer.on_acknowledged(*std::move(failed));
  }
  return count;
}

// Empty: the broker has the record.
std::optional<error> producer_client::verdict_on(const rd_kafka_message_t& message) {
  const bool delivered = message.err == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (delivered && message.offset >= 0 && counted_up_.empty()) return std::nullopt;
  if (delivered && !is_implied(message)) return std::nullopt;
  const char* topic_name = message.rkt != nullptr ? rd_kafka_topic_name(message.rkt) : "";
  const std::string where = "topic '" + std::string(topic_name) + "'";
  if (delivered) {
    ++counters_.implied;
    return error(errc::produce_failed,
                 "the broker acknowledged a later record and not this one; it is produced again")
        .in(where);
  }
  // Not rd_kafka_message_errstr: of a produced record that is the payload.
  const char* said = rd_kafka_message_produce_errstr(&message);
  error failed = delivery_error(message.err, said != nullptr ? said : "").in(where);
  // Given up with the failed client, not by the owner.
  if (failed.code() == errc::cancelled && failure_) return error(errc::produce_failed, failed.message());
  return failed;
}

// A broker's acknowledgement carries the record's offset. librdkafka reports success without one in two
// cases, and in neither has a broker said that it holds the record:
//   - a later batch was acknowledged, so it takes the earlier ones for written (rd_kafka_dr_implicit_ack). A
//   broker
//     accepts any first sequence number of a producer id that it does not know, so a refused first batch is
//     reported as delivered when the second one was accepted.
//   - the answer was DUPLICATE_SEQUENCE_NUMBER. It has no offset: the first record of the batch gets -1, and
//     librdkafka counts up from there.
// Taking such a record for not written costs a repeated record at worst.
bool producer_client::is_implied(const rd_kafka_message_t& message) {
  const auto batch = std::find_if(counted_up_.begin(), counted_up_.end(), [&](const counted_up& each) {
    return each.topic == message.rkt && each.partition == message.partition;
  });
  if (message.offset < 0) {
    const counted_up next{message.rkt, message.partition, message.offset + 1};
    if (batch != counted_up_.end()) {
      *batch = next;
    } else {
      counted_up_.push_back(next);
    }
    return true;
  }
  if (batch == counted_up_.end()) return false;
  if (batch->next_offset != message.offset) {
    counted_up_.erase(batch);
    return false;
  }
  ++batch->next_offset;
  return true;
}

void producer_client::on_error(rd_kafka_event_t* event) {
  const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
  if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(event) != 0) return fail(code);
  if (config_.on_error) {
    config_.on_error(client_error(code, rd_kafka_event_error_string(event)).in("sink"), false);
  }
}

void producer_client::fail(rd_kafka_resp_err_t code) {
  if (failure_) return;
  std::array<char, 512> text{};
  const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client_.get(), text.data(), text.size());
  failure_ = client_error(cause != RD_KAFKA_RESP_ERR_NO_ERROR ? cause : code, text.data()).in("sink");
}

}  // namespace millrace::kafka
