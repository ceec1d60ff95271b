#include "tracing.h"

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <millrace/base/text.h>

#include "log.h"

namespace millrace::app {
namespace {

using engine::followed_record;
using nlohmann::json;

constexpr milliseconds exchange_timeout{5'000};
constexpr std::size_t answer_bytes_max = 64U << 10U;
constexpr auto batch_interval = std::chrono::milliseconds(500);
constexpr int kind_internal = 1;  // of OTLP's enum SpanKind
constexpr int kind_client = 3;
constexpr int kind_producer = 4;
constexpr int kind_consumer = 5;
constexpr int status_error = 2;

json attribute(const char* key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}
json attribute(const char* key, std::int64_t value) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}};  // 64 bits are text in its JSON
}

// Ids of a record's inner spans: the record's own, changed by their number, so that none needs randomness.
std::string inner_id(const std::string& span_id, std::size_t number) {
  std::uint64_t value = 0;
  for (const char c : span_id) {
    value = value << 4U | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  value ^= (number + 1) * 0x9E37'79B9'7F4A'7C15ULL;
  if (value == 0) value = 1;
  return hex_number(value);
}

class span_writer {
 public:
  explicit span_writer(const followed_record& record) : record_(record) {}

  json span(std::string name, int kind, instant began, instant ended, const std::string& failure) {
    json out = {{"traceId", record_.trace_id},
                {"spanId", inner_id(record_.span_id, number_++)},
                {"parentSpanId", record_.span_id},
                {"name", std::move(name)},
                {"kind", kind},
                {"startTimeUnixNano", unix_nanos(began)},
                {"endTimeUnixNano", unix_nanos(ended)},
                {"attributes", json::array()}};
    if (!failure.empty()) out["status"] = {{"code", status_error}, {"message", failure}};
    return out;
  }

  json root(const trace_resource& resource) {
    json out = span("process " + record_.topic, kind_consumer, record_.taken_at, record_.ended_at,
                    record_.outcome == "dead_lettered" ? record_.reason : std::string());
    out["spanId"] = record_.span_id;
    out.erase("parentSpanId");
    if (!record_.parent_id.empty()) out["parentSpanId"] = record_.parent_id;
    out["attributes"] = {attribute("messaging.system", std::string("kafka")),
                         attribute("messaging.operation.type", std::string("process")),
                         attribute("messaging.destination.name", record_.topic),
                         attribute("messaging.destination.partition.id", std::to_string(record_.partition)),
                         attribute("messaging.kafka.offset", record_.offset),
                         attribute("messaging.consumer.group.name", resource.group),
                         attribute("millrace.outcome", record_.outcome)};
    return out;
  }

 private:
  [[nodiscard]] std::string unix_nanos(instant at) const {
    return std::to_string(record_.taken_us * 1'000 + (at - record_.taken_at).count());
  }

  const followed_record& record_;
  std::size_t number_ = 0;
};

void append_spans(json& to, const followed_record& record, const trace_resource& resource) {
  span_writer write(record);
  to.push_back(write.root(resource));
  for (const engine::followed_stage& stage : record.stages) {
    const bool sends = stage.name == "produce_ack" || stage.name == "dead_letter_ack";
    const std::string name = stage.processor.empty() ? stage.name : stage.name + " " + stage.processor;
    json one = write.span(name, sends ? kind_producer : kind_internal, stage.began, stage.ended, stage.error);
    if (stage.attempt > 0)
      one["attributes"].push_back(attribute("millrace.attempt", std::int64_t{stage.attempt}));
    to.push_back(std::move(one));
  }
  for (const engine::followed_statement& statement : record.statements) {
    json one = write.span(statement.name, kind_client, statement.began, statement.ended, statement.error);
    one["attributes"].push_back(attribute("db.system.name", std::string("cassandra")));
    one["attributes"].push_back(attribute("db.query.summary", statement.name));
    to.push_back(std::move(one));
  }
}

constexpr std::string_view export_results[] = {"sent", "dropped"};

struct tracing_metrics : metrics::table {
  using table::table;

  metrics::counter_family traces =
      counter_rows({.name = "millrace_traces_total",
                    .help = "Records sampled as traces, by result: sent to the collector, or dropped because "
                            "it was slow or unavailable.",
                    .labels = {metrics::closed("result", export_results)}});
};

}  // namespace

void declare_tracing_metrics(metrics::catalogue& into) { const tracing_metrics declared(into); }

std::string otlp_json(const std::vector<followed_record>& records, const trace_resource& resource) {
  json spans = json::array();
  for (const followed_record& record : records) append_spans(spans, record, resource);
  const json scope = {{"scope", {{"name", "millrace"}}}, {"spans", std::move(spans)}};
  const json attributes = {attribute("service.name", resource.application),
                           attribute("service.version", resource.version)};
  const json all = {
      {"resourceSpans", {{{"resource", {{"attributes", attributes}}}, {"scopeSpans", {scope}}}}}};
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<std::unique_ptr<trace_exporter>> trace_exporter::start(const tracing_settings& settings,
                                                              trace_resource resource,
                                                              metrics::registry& counts) {
  auto to = http::parse_url(settings.endpoint);
  if (!to) return to.error().in("tracing.endpoint");
  try {
    return std::unique_ptr<trace_exporter>(
        new trace_exporter(settings, std::move(*to), std::move(resource), counts));
  } catch (const std::system_error& refused) {
    return error(errc::io_error, std::string("tracing: cannot start a thread: ") + refused.what() +
                                     "; raise the limit of threads of the process");
  }
}

trace_exporter::trace_exporter(const tracing_settings& settings, http::endpoint to, trace_resource resource,
                               metrics::registry& counts)
    : to_(std::move(to)),
      path_(to_.path.empty() ? "/v1/traces" : ""),
      files_({.ca_file = settings.ca_file}),
      authorization_(settings.bearer_token.empty() ? ""
                                                   : "Bearer " + std::string(settings.bearer_token.reveal())),
      resource_(std::move(resource)),
      hook_(counts.at_scrape([this, what = tracing_metrics(counts.declared())](metrics::samples& out) {
        out.set(what.traces, {"sent"}, static_cast<double>(sent_.load()));
        out.set(what.traces, {"dropped"}, static_cast<double>(dropped_.load()));
      })),
      thread_([this] { serve(); }) {}

trace_exporter::~trace_exporter() {
  if (thread_.joinable()) stop();
}

trace_exporter::totals trace_exporter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  dropped_.fetch_add(queue_.size(), std::memory_order_relaxed);
  return {sent_.load(), dropped_.load()};
}

void trace_exporter::add(followed_record&& record) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= queued_max) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queue_.push_back(std::move(record));
  if (queue_.size() >= batch_max) wake_.notify_one();
}

void trace_exporter::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait_for(lock, batch_interval, [this] { return stopping_ || queue_.size() >= batch_max; });
    const bool last = stopping_;
    std::vector<followed_record> batch;
    while (!queue_.empty() && batch.size() < batch_max) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    lock.unlock();
    if (!batch.empty()) export_batch(batch);
    lock.lock();
    if (last) return;
  }
}

void trace_exporter::export_batch(const std::vector<followed_record>& batch) noexcept {
  std::string why;
  try {
    const auto done = send(otlp_json(batch, resource_));
    if (done) {
      sent_.fetch_add(batch.size(), std::memory_order_relaxed);
      return;
    }
    why = done.error().to_string();
  } catch (const std::exception& refused) {
    why = refused.what();
  }
  dropped_.fetch_add(batch.size(), std::memory_order_relaxed);
  log_limited(log_level::warning, "traces_dropped", "send", {{"records", batch.size()}, {"error", why}});
}

result<void> trace_exporter::send(const std::string& body) const {
  http::request request{"POST", path_, body, {{"Content-Type", "application/json"}}};
  if (!authorization_.empty()) request.headers.emplace_back("Authorization", authorization_);
  const auto answer = http::exchange(
      {to_, &files_}, request,
      {.connect_timeout = exchange_timeout, .timeout = exchange_timeout, .body_bytes_max = answer_bytes_max});
  if (!answer) return answer.error().in("the collector");
  if (answer->status / 100 != 2) {
    return error(errc::io_error,
                 "the collector at " + to_.text() + " answered HTTP " + std::to_string(answer->status));
  }
  return {};
}

record_sampler::record_sampler(tap& samples, trace_exporter* traces, const tracing_settings& settings,
                               std::uint64_t seed)
    : tap_(samples),
      traces_(traces),
      ratio_(settings.sample_ratio),
      per_second_max_(settings.records_per_second),
      random_(seed | 1U) {}

std::uint64_t record_sampler::random() noexcept {
  random_ ^= random_ << 13U;
  random_ ^= random_ >> 7U;
  random_ ^= random_ << 17U;
  return random_ * 0x2545'F491'4F6C'DD1DULL;
}

std::string record_sampler::random_id(std::size_t digits) {
  std::string text;
  while (text.size() < digits) text += hex_number(random());
  text.resize(digits);
  if (text.find_first_not_of('0') == std::string::npos) text.back() = '1';
  return text;
}

bool record_sampler::within_rate() {
  const std::int64_t second = system_clock().now().ns / 1'000'000'000;
  if (second != second_) {
    second_ = second;
    traced_ = 0;
  }
  return ++traced_ <= per_second_max_;
}

// What its producer sampled is sampled here too; of the others, a share.
bool record_sampler::begins_trace(const stream::record_block& block, followed_record& as) {
  std::optional<engine::trace_parent> parent;
  if (block.header_count() > 0) {
    if (const auto given = block.header(engine::traceparent_header))
      parent = engine::parse_trace_parent(as_text(*given));
  }
  const bool chosen =
      parent ? parent->sampled : ratio_ > 0 && static_cast<double>(random() >> 11U) * 0x1p-53 < ratio_;
  if (!chosen || !within_rate()) return false;
  as.trace_id = parent ? std::string(parent->trace_id) : random_id(32);
  as.parent_id = parent ? std::string(parent->parent_id) : std::string();
  as.span_id = random_id(16);
  return true;
}

bool record_sampler::follows(const stream::record_block& block, followed_record& as) {
  const bool traced = traces_ != nullptr && begins_trace(block, as);
  if (traced) return true;
  return tap_.armed() && tap_.wants(block.key(), block.from().partition);
}

void record_sampler::ended(followed_record&& record) {
  if (tap_.armed()) tap_.offer(record);
  if (traces_ != nullptr && !record.span_id.empty()) traces_->add(std::move(record));
}

}  // namespace millrace::app
