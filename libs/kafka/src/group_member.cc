#include "group_member.h"

#include <algorithm>
#include <array>
#include <utility>

#include <millrace/base/assert.h>

#include "background.h"
#include "errors.h"

namespace millrace::kafka {
namespace {

using stage = owned_partition::stage;

// Per poll, so that a storm of events cannot hold the turn.
constexpr std::size_t events_per_poll_max = 1'000;
constexpr std::size_t failures_kept_max = 16;

void wake_worker(rd_kafka_t*, void* worker) { static_cast<runtime::loop*>(worker)->wake(); }

// The end of a consumer that was not closed: 5 s at most.
constexpr int close_wait_ms = 20;
constexpr int close_waits_max = 250;

void forward_log(const client_config& config, rd_kafka_event_t* event) {
  if (!config.on_log) return;
  const char* facility = "";
  const char* text = "";
  int level = 0;
  if (rd_kafka_event_log(event, &facility, &text, &level) == 0) config.on_log({level, facility, text});
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

consumer::group_member::group_member(const consumer_config& config, runtime::loop& worker,
                                     client_handle client, consumer_counters& counters)
    : config_(config),
      worker_(worker),
      client_(std::move(client)),
      credentials_(config_.client.credentials),
      partitions_(config_.topics),
      topics_checked_at_(worker.now()),
      counters_(counters) {
  rd_kafka_poll_set_consumer(client_.get());
  group_queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  fetch_queue_.reset(rd_kafka_queue_new(client_.get()));
  rd_kafka_queue_cb_event_enable(group_queue_.get(), wake_worker, &worker_);
  rd_kafka_queue_cb_event_enable(fetch_queue_.get(), wake_worker, &worker_);
  lookup_ = std::make_unique<offset_lookup>(client_.get(), worker_, config_.start_from);
  commits_ = std::make_unique<commit_queue>(
      client_.get(), group_queue_.get(),
      commit_queue::rules{config_.on_missing_topic == missing_topic::wait, config_.unknown_topic_grace},
      worker_, partitions_, counters_.commits_failed);
  ends_ = std::make_unique<log_ends>(client_.get(), fetch_queue_.get(), worker_, partitions_, *lookup_);
}

// librdkafka's destroy waits for ever for the answer to a rebalance that was not taken from the queue: so the
// group is left properly here too.
consumer::group_member::~group_member() {
  if (!client_) return;
  config_.client.on_log = nullptr;
  config_.client.on_statistics = nullptr;
  // What its owner was still giving up is given up.
  const std::vector<stream::partition_id> revoking = revoking_;
  release(revoking);
  // After a leave request that timed out there is no second wait.
  const int waits_max = closing_ ? 1 : close_waits_max;
  close();
  for (int waits = 0; !closed_ && waits < waits_max; ++waits) poll_silently(close_wait_ms);
  ends_.reset();
  lookup_.reset();
  rd_kafka_queue_cb_event_enable(group_queue_.get(), nullptr, nullptr);
  rd_kafka_queue_cb_event_enable(fetch_queue_.get(), nullptr, nullptr);
  fetch_queue_.reset();
  group_queue_.reset();
  // Not left in time, e.g. a commit whose coordinator is gone: librdkafka waits for the session's timeout,
  // and nothing should wait for librdkafka.
  if (!closed_) in_background([client = std::move(client_)]() mutable { client.reset(); });
}

void consumer::group_member::end_in_background(std::unique_ptr<group_member> ended) {
  rd_kafka_queue_cb_event_enable(ended->group_queue_.get(), nullptr, nullptr);
  rd_kafka_queue_cb_event_enable(ended->fetch_queue_.get(), nullptr, nullptr);
  ended->ends_.reset();
  ended->lookup_->fall_silent();
  in_background([lookup = std::move(ended->lookup_), fetched = std::move(ended->fetch_queue_),
                 events = std::move(ended->group_queue_), client = std::move(ended->client_)]() mutable {
    lookup.reset();
    fetched.reset();
    events.reset();
    client.reset();
  });
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
  credentials_.renew(client_.get());
  commits_->report(events);
  serve_events(events, 0);
  serve_lookups(events);
  if (!rereading_.empty()) serve_rereads();
  topics_suspect_ = commits_->take_topic_denied() || topics_suspect_;
  if (takes_records()) check_topics();
  if (takes_records()) ends_->check();
  note_fence();
  for (std::size_t i = 0; i < failures_kept_max && !failures_.empty(); ++i) {
    const error failure = std::move(failures_.front());
    failures_.pop_front();
    events.on_source_error(failure, false);
  }
  const std::size_t taken = takes_records() ? take_records(events, records_max) : 0;
  if (abandoned_) drop_everything(events);
  if (closing_ && (abandoned_ || rd_kafka_consumer_closed(client_.get()) != 0) && lookup_->idle())
    closed_ = true;
  return taken;
}

void consumer::group_member::poll_silently(int wait_ms) {
  release_everything silent(*this);
  poll(silent, 0);
  if (!closed_) serve_events(silent, wait_ms);
}

// A member whose commits alone are refused is served by the group and commits nothing any more.
void consumer::group_member::note_fence() {
  const std::optional<instant> since = commits_->fenced_since();
  if (!since || !takes_records() || worker_.now() - *since < config_.fenced_max) return;
  broken_ =
      error(errc::broker_fenced, "the group's coordinator has refused every commit of this member for " +
                                     std::to_string(config_.fenced_max.count()) +
                                     " ms and has not taken its partitions; it joins the group again");
}

void consumer::group_member::drop_everything(stream::source_events& events) {
  const std::vector<stream::partition_id> lost = partitions_.owned();
  for (const stream::partition_id id : lost) partitions_.at(id) = owned_partition{};
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
      commits_->on_event(event, events);
      return;
    case RD_KAFKA_EVENT_ERROR:
      on_error_event(event, events);
      return;
    case RD_KAFKA_EVENT_LOG:
      forward_log(config_.client, event);
      return;
    case RD_KAFKA_EVENT_STATS:
      if (config_.client.on_statistics) config_.client.on_statistics(rd_kafka_event_stats(event));
      return;
    case RD_KAFKA_EVENT_FETCH:
      // Before a partition's queue is forwarded nothing is fetched for it.
      invariant(false, "records arrive by the fetch queue only");
      return;
    default:  // no other kind is enabled
      return;
  }
}

void consumer::group_member::fail(stream::source_events& events, const error& failure) {
  if (failed_) return;
  failed_ = true;
  ends_->hold(true);
  events.on_source_error(failure.in("source '" + config_.group + "'"), true);
}

void consumer::group_member::on_error_event(rd_kafka_event_t* event, stream::source_events& events) {
  const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
  if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(event) != 0)
    return on_fatal_error(code, events);
  topics_suspect_ = topics_suspect_ || is_of_topic(code);
  const error failure = client_error(code, rd_kafka_event_error_string(event));
  on_client_error(code, failure, events);
}

// librdkafka sends nothing for a client that it calls fatally failed, also where only its membership was lost.
void consumer::group_member::on_fatal_error(rd_kafka_resp_err_t code, stream::source_events& events) {
  std::array<char, 512> text{};
  const rd_kafka_resp_err_t said = rd_kafka_fatal_error(client_.get(), text.data(), text.size());
  const rd_kafka_resp_err_t cause = said != RD_KAFKA_RESP_ERR_NO_ERROR ? said : code;
  const error failure = client_error(cause, text.data());
  if (!may_join_again(cause)) return fail(events, failure);
  if (!takes_records()) return;
  broken_ = failure;
  ends_->hold(true);
}

void consumer::group_member::set_paused(stream::partition_id id, bool paused) {
  owned_partition* partition = partitions_.find(id);
  if (partition == nullptr || partition->at == stage::absent || partition->paused == paused) return;
  partition->paused = paused;
  if (partition->at != stage::reading) return;
  const partition_list list = make_partition_list(1);
  partitions_.add_to(list.get(), id);
  if (paused) {
    rd_kafka_pause_partitions(client_.get(), list.get());
  } else {
    rd_kafka_resume_partitions(client_.get(), list.get());
  }
}

void consumer::group_member::close() {
  if (closing_) return;
  closing_ = true;
  ends_->hold(true);
  lookup_->abandon();
  const error_handle failure(rd_kafka_consumer_close_queue(client_.get(), group_queue_.get()));
  // After a fatal error librdkafka leaves nothing properly: the group's session timeout does.
  if (failure) abandoned_ = true;
  worker_.wake();
}

}  // namespace millrace::kafka
