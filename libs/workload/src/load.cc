#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include <millrace/kafka/consumer.h>
#include <millrace/kafka/producer.h>
#include <millrace/workload/load.h>

namespace millrace::workload {
namespace {

constexpr std::size_t in_flight_max = 50'000;
constexpr std::size_t records_per_read_max = 20'000;

}  // namespace

// One record on its way; reused.
class load::sent final : public stream::receipt {
 public:
  explicit sent(load& owner) : owner_(owner) {}
  void on_acknowledged(result<void> answer) override { owner_.acknowledged(*this, std::move(answer)); }
  expected_visit visit;

 private:
  load& owner_;
};

load::load(const visit_generator& generator, verifier& checks, std::int32_t schema_id)
    : generator_(generator), verifier_(checks), schema_id_(schema_id) {}

result<std::unique_ptr<load>> load::create(runtime::loop& loop, const std::string& bootstrap_servers,
                                           std::int32_t schema_id, const visit_generator& generator,
                                           verifier& checks) {
  std::unique_ptr<load> made(new load(generator, checks, schema_id));
  kafka::client_config client;
  client.bootstrap_servers = bootstrap_servers;
  client.client_id = "millrace-demo";
  kafka::producer_config producer;
  producer.client = client;
  producer.records_max = in_flight_max;
  auto sink = kafka::producer::create(std::move(producer), loop);
  if (!sink) return sink.error();
  made->sink_ = std::move(*sink);
  kafka::consumer_config consumer;
  consumer.client = client;
  consumer.group = "millrace-demo-verifier";
  consumer.topics = {"enriched-visits"};
  auto source = kafka::consumer::create(std::move(consumer), loop);
  if (!source) return source.error();
  made->source_ = std::move(*source);
  return made;
}

load::~load() {
  sink_.reset();  // answers what is outstanding, while the receipts exist
}

std::uint64_t load::produce(std::uint64_t count) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::string created = std::to_string(now.count());
  const std::array<stream::header_view, 1> headers = {{{"millrace-created-us", as_bytes(created)}}};
  for (std::uint64_t i = 0; i < count; ++i) {
    if (idle_.empty()) {
      if (pool_.size() >= in_flight_max) return i;
      pool_.push_back(std::make_unique<sent>(*this));
      idle_.push_back(pool_.back().get());
    }
    sent* record = idle_.back();
    std::string datum;
    record->visit = generator_.make(next_, &datum);
    value_.assign(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8)
      value_.push_back(static_cast<char>((schema_id_ >> shift) & 0xFF));
    value_ += datum;
    const stream::outgoing out{"navigation", as_bytes(record->visit.visitor_id), as_bytes(value_), headers};
    if (!sink_->produce(out, *record)) return i;
    idle_.pop_back();
    ++next_;
  }
  return count;
}

void load::poison(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string key = "poison-" + std::to_string(poison_sent_);
    const stream::outgoing out{"navigation", as_bytes(key), as_bytes(std::string_view("no framing")), {}};
    if (!sink_->produce(out, poisoned_)) return;
    ++poison_sent_;
  }
}

void load::acknowledged(sent& record, result<void> answer) {
  if (answer) {
    ++acknowledged_;
    verifier_.produced(record.visit);
  } else {
    ++failed_;
  }
  idle_.push_back(&record);
}

void load::read() { source_->poll(*this, records_per_read_max); }
void load::close() { source_->close(); }

void load::on_record(const stream::record_view& record) {
  ++read_;
  verifier_.downstream(record.key ? as_text(*record.key) : std::string_view(),
                       record.value.value_or(bytes_view()));
}
void load::on_assigned(std::span<const stream::partition_id>) {}
void load::on_revoked(std::span<const stream::partition_id> partitions) { source_->release(partitions); }
void load::on_lost(std::span<const stream::partition_id>) {}
void load::on_committed(std::span<const stream::commit_result>) {}
void load::on_source_error(const error& failure, bool) {
  std::fprintf(stderr, "demo: reading enriched-visits: %s\n", failure.to_string().c_str());
}

}  // namespace millrace::workload
