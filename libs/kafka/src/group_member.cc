#include "group_member.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include <millrace/base/assert.h>

#include "errors.h"

namespace millrace::kafka {
namespace {

using stage = owned_partition::stage;

// Per poll, so that a storm of events cannot hold the turn.
constexpr std::size_t events_per_poll_max = 1'000;
constexpr std::size_t batch_records_max = 256;
constexpr std::size_t failures_kept_max = 16;

void wake_worker(rd_kafka_t*, void* worker) { static_cast<runtime::loop*>(worker)->wake(); }

// The end of a consumer that was not closed: 5 s at most.
constexpr int close_wait_ms = 20;
constexpr int close_waits_max = 250;

std::optional<bytes_view> part(const void* data, std::size_t length) noexcept {
  if (data == nullptr) return std::nullopt;
  return bytes_view(static_cast<const std::byte*>(data), length);
}

}  // namespace

class consumer::group_member::release_everything final : public stream::source_events {
 public:
  explicit release_everything(group_member& member) : member_(member) {}
  void on_record(const stream::record_view&) override {}
  void on_assigned(std::span<const stream::partition_id>) override {}
  void on_revoked(std::span<const stream::partition_id> partitions) override { member_.release(partitions); }
  void on_lost(std::span<const stream::partition_id>) override {}
  void on_committed(std::span<const stream::commit_result>) override {}
  void on_source_error(const error&, bool) override {}

 private:
  group_member& member_;
};

consumer::group_member::group_member(consumer_config config, runtime::loop& worker, client_handle client)
    : config_(std::move(config)),
      worker_(worker),
      client_(std::move(client)),
      owned_(config_.topics.size()),
      topic_ids_(config_.topics.size()) {
  rd_kafka_poll_set_consumer(client_.get());
  group_queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  fetch_queue_.reset(rd_kafka_queue_new(client_.get()));
  rd_kafka_queue_cb_event_enable(group_queue_.get(), wake_worker, &worker_);
  rd_kafka_queue_cb_event_enable(fetch_queue_.get(), wake_worker, &worker_);
  lookup_ = std::make_unique<offset_lookup>(client_.get(), worker_);
}

// librdkafka's destroy waits for ever for the answer to a rebalance that nobody took from the queue: so the
// group is left properly here too.
consumer::group_member::~group_member() {
  release_everything silent(*this);
  config_.client.on_log = nullptr;
  config_.client.on_statistics = nullptr;
  // What its owner was still giving up is given up.
  const std::vector<stream::partition_id> revoking = revoking_;
  release(revoking);
  close();
  for (int waits = 0; !closed_ && waits < close_waits_max; ++waits) {
    poll(silent, 0);
    if (!closed_) serve_events(silent, close_wait_ms);
  }
  lookup_.reset();
  rd_kafka_queue_cb_event_enable(group_queue_.get(), nullptr, nullptr);
  rd_kafka_queue_cb_event_enable(fetch_queue_.get(), nullptr, nullptr);
  fetch_queue_.reset();
  group_queue_.reset();
  // Not left in time, e.g. a commit whose coordinator is gone: librdkafka waits for the session's timeout,
  // and nobody should wait for librdkafka.
  if (!closed_) std::thread([client = std::move(client_)]() mutable { client.reset(); }).detach();
}

result<void> consumer::group_member::subscribe() {
  const partition_list topics = make_partition_list(config_.topics.size());
  for (const std::string& topic : config_.topics) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t refused = rd_kafka_subscribe(client_.get(), topics.get());
  if (refused == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return error(errc::config_invalid,
               std::string("Kafka source: cannot subscribe: ") + rd_kafka_err2str(refused));
}

std::size_t consumer::group_member::poll(stream::source_events& events, std::size_t records_max) {
  if (closed_) return 0;
  last_topic_ = nullptr;
  report_commits(events);
  serve_events(events, 0);
  serve_lookups(events);
  for (std::size_t i = 0; i < failures_kept_max && !failures_.empty(); ++i) {
    const error failure = std::move(failures_.front());
    failures_.pop_front();
    events.on_source_error(failure, false);
  }
  const std::size_t taken = failed_ || closing_ ? 0 : take_records(events, records_max);
  if (abandoned_) drop_everything(events);
  if (closing_ && (abandoned_ || rd_kafka_consumer_closed(client_.get()) != 0) && lookup_->idle())
    closed_ = true;
  return taken;
}

void consumer::group_member::drop_everything(stream::source_events& events) {
  std::vector<stream::partition_id> lost;
  for (std::uint32_t topic = 0; topic < owned_.size(); ++topic) {
    for (std::size_t i = 0; i < owned_[topic].size(); ++i) {
      if (owned_[topic][i].at == stage::absent) continue;
      lost.push_back({topic, static_cast<std::int32_t>(i)});
      owned_[topic][i] = owned_partition{};
    }
  }
  revoking_.clear();
  revoke_pending_ = false;
  if (!lost.empty()) events.on_lost(lost);
}

void consumer::group_member::serve_events(stream::source_events& events, int wait_ms) {
  for (std::size_t i = 0; i < events_per_poll_max; ++i) {
    const event_handle event(rd_kafka_queue_poll(group_queue_.get(), std::exchange(wait_ms, 0)));
    if (!event) return;
    on_event(event.get(), events);
  }
  worker_.wake();
}

void consumer::group_member::on_event(rd_kafka_event_t* event, stream::source_events& events) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE:
      on_rebalance(event, events);
      return;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
      on_commit_event(event, events);
      return;
    case RD_KAFKA_EVENT_ERROR:
      on_error_event(event, events);
      return;
    case RD_KAFKA_EVENT_LOG:
      forward_log(event);
      return;
    case RD_KAFKA_EVENT_STATS:
      if (config_.client.on_statistics) config_.client.on_statistics(rd_kafka_event_stats(event));
      return;
    case RD_KAFKA_EVENT_FETCH:
      // Before a partition's queue is forwarded nothing is fetched for it.
      invariant(false, "records arrive by the fetch queue only");
      return;
  }
}

void consumer::group_member::forward_log(rd_kafka_event_t* event) {
  if (!config_.client.on_log) return;
  const char* facility = "";
  const char* text = "";
  int level = 0;
  if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
    config_.client.on_log({level, facility, text});
}

void consumer::group_member::fail(stream::source_events& events, const error& failure) {
  if (failed_) return;
  failed_ = true;
  events.on_source_error(failure.in("source '" + config_.group_id + "'"), true);
}

void consumer::group_member::on_error_event(rd_kafka_event_t* event, stream::source_events& events) {
  const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
  if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(event) != 0) {
    std::array<char, 512> text{};
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client_.get(), text.data(), text.size());
    fail(events, client_error(cause != RD_KAFKA_RESP_ERR_NO_ERROR ? cause : code, text.data()));
    return;
  }
  const error failure = client_error(code, rd_kafka_event_error_string(event));
  const bool missing = failure.code() == errc::topic_not_found;
  if (stops_the_line(code) || (missing && config_.on_missing_topic == missing_topic::fail)) {
    fail(events, failure);
  } else {
    events.on_source_error(failure, false);
  }
}

std::size_t consumer::group_member::take_records(stream::source_events& events, std::size_t records_max) {
  std::size_t taken = 0;
  batch_.resize(batch_records_max);
  while (taken < records_max && !failed_ && !closing_) {
    const std::size_t wanted = std::min(records_max - taken, batch_records_max);
    const ssize_t got = rd_kafka_consume_batch_queue(fetch_queue_.get(), 0, batch_.data(), wanted);
    if (got <= 0) break;
    for (ssize_t i = 0; i < got; ++i) {
      rd_kafka_message_t* message = batch_[static_cast<std::size_t>(i)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        on_message_error(*message, events);
      } else if (!failed_ && take_message(*message, events)) {
        ++taken;
      }
      rd_kafka_message_destroy(message);
    }
  }
  return taken;
}

bool consumer::group_member::take_message(const rd_kafka_message_t& message, stream::source_events& events) {
  if (message.rkt != last_topic_) {
    const auto topic = topic_index(rd_kafka_topic_name(message.rkt));
    if (!topic) return false;
    last_topic_ = message.rkt;
    last_topic_index_ = *topic;
  }
  const stream::partition_id from{last_topic_index_, message.partition};
  owned_partition* partition = find(from);
  // Being given up: the next owner reads it from the commit on.
  if (partition == nullptr || partition->at != stage::reading) return false;
  if (message.offset != partition->next_offset) note_gap(*partition, message, from, events);
  partition->next_offset = message.offset + 1;
  note_epoch(*partition, message);

  headers_.clear();
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      headers_.push_back({name, part(value, size)});
    }
  }
  rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t created = rd_kafka_message_timestamp(&message, &kind);
  const stream::record_view record{
      from,
      message.offset,
      timestamp(milliseconds(kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || created < 0 ? 0 : created)),
      part(message.key, message.key_len),
      part(message.payload, message.len),
      headers_};
  ++counters_.records;
  counters_.bytes += message.key_len + message.len;
  events.on_record(record);
  return true;
}

void consumer::group_member::note_epoch(owned_partition& partition, const rd_kafka_message_t& message) {
  const std::int32_t epoch = rd_kafka_message_leader_epoch(&message);
  if (epoch < 0) return;
  if (partition.epochs.empty() || partition.epochs.back().epoch != epoch) {
    partition.epochs.push_back({message.offset, epoch});
  }
}

// Offsets are not contiguous (compaction, transactions); records are missing only where the log begins later.
void consumer::group_member::note_gap(owned_partition& partition, const rd_kafka_message_t& message,
                                      stream::partition_id from, stream::source_events& events) {
  const std::int64_t expected = partition.next_offset;
  if (expected < 0 || message.offset < expected) return;
  const auto marks = watermarks_of(from);
  if (!marks || marks->low <= expected) return;
  const std::int64_t resumed = config_.on_offset_out_of_range == out_of_range::latest
                                   ? message.offset
                                   : std::min(marks->low, message.offset);
  const auto missing = static_cast<std::uint64_t>(resumed - expected);
  counters_.offset_gap_records += missing;
  events.on_gap(from, missing);
  events.on_source_error(
      error(errc::offset_out_of_range,
            describe(from) + ": the offsets from " + std::to_string(expected) + " to " +
                std::to_string(resumed - 1) +
                " were no longer in the log and are skipped ('on_offset_out_of_range'); check the "
                "topic's retention against the lag"),
      false);
}

void consumer::group_member::on_message_error(const rd_kafka_message_t& message,
                                              stream::source_events& events) {
  std::string where = "source '" + config_.group_id + "'";
  if (message.rkt != nullptr) {
    where = "topic '" + std::string(rd_kafka_topic_name(message.rkt)) + "' partition " +
            std::to_string(message.partition);
  }
  const char* text = rd_kafka_message_errstr(&message);
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    fail(events,
         error(errc::offset_out_of_range,
               where + ": offset " + std::to_string(message.offset) +
                   " cannot be read and nothing was skipped (" + (text != nullptr ? text : "") +
                   "); set the group's offset, or choose 'on_offset_out_of_range: earliest' or latest"));
    return;
  }
  const error failure = client_error(message.err, text != nullptr ? text : "").in(where);
  const bool missing = failure.code() == errc::topic_not_found;
  if (stops_the_line(message.err) || (missing && config_.on_missing_topic == missing_topic::fail)) {
    fail(events, failure);
  } else {
    events.on_source_error(failure, false);
  }
}

void consumer::group_member::set_paused(stream::partition_id id, bool paused) {
  owned_partition* partition = find(id);
  if (partition == nullptr || partition->at == stage::absent || partition->paused == paused) return;
  partition->paused = paused;
  if (partition->at != stage::reading) return;
  const partition_list list = make_partition_list(1);
  add_to(list.get(), id);
  if (paused) {
    rd_kafka_pause_partitions(client_.get(), list.get());
  } else {
    rd_kafka_resume_partitions(client_.get(), list.get());
  }
}

void consumer::group_member::close() {
  if (closing_) return;
  closing_ = true;
  lookup_->abandon();
  const error_handle failure(rd_kafka_consumer_close_queue(client_.get(), group_queue_.get()));
  // After a fatal error librdkafka leaves nothing properly: the group's session timeout does.
  if (failure) abandoned_ = true;
  worker_.wake();
}

std::string_view consumer::group_member::topic_name(std::uint32_t topic) const noexcept {
  return topic < config_.topics.size() ? std::string_view(config_.topics[topic]) : std::string_view();
}

std::optional<consumer::group_member::watermarks> consumer::group_member::watermarks_of(
    stream::partition_id id) const noexcept {
  if (id.topic >= config_.topics.size()) return std::nullopt;
  watermarks marks{};
  if (rd_kafka_get_watermark_offsets(client_.get(), config_.topics[id.topic].c_str(), id.partition,
                                     &marks.low, &marks.high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      marks.high < 0) {
    return std::nullopt;
  }
  return marks;
}

std::optional<std::uint32_t> consumer::group_member::topic_index(std::string_view name) const noexcept {
  const auto at = std::find(config_.topics.begin(), config_.topics.end(), name);
  if (at == config_.topics.end()) return std::nullopt;
  return static_cast<std::uint32_t>(at - config_.topics.begin());
}

owned_partition& consumer::group_member::owned(stream::partition_id id) {
  std::vector<owned_partition>& partitions = owned_[id.topic];
  const auto index = static_cast<std::size_t>(id.partition);
  if (index >= partitions.size()) partitions.resize(index + 1);
  return partitions[index];
}

owned_partition* consumer::group_member::find(stream::partition_id id) noexcept {
  if (id.topic >= owned_.size() || id.partition < 0) return nullptr;
  std::vector<owned_partition>& partitions = owned_[id.topic];
  const auto index = static_cast<std::size_t>(id.partition);
  return index < partitions.size() ? &partitions[index] : nullptr;
}

std::string consumer::group_member::describe(stream::partition_id id) const {
  return "topic '" + std::string(topic_name(id.topic)) + "' partition " + std::to_string(id.partition);
}

}  // namespace millrace::kafka
