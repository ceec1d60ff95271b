#include <algorithm>

#include <millrace/simulation/simulated_sink.h>

namespace millrace::simulation {
namespace {

std::optional<byte_buffer> copy(std::optional<bytes_view> part) {
  if (!part) return std::nullopt;
  return byte_buffer(part->begin(), part->end());
}

}  // namespace

std::optional<std::string> produced_record::header(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [n, value] : headers) {
    if (n != name) continue;
    found.reset();
    if (value) found = std::string(as_text(*value));
  }
  return found;
}

struct simulated_sink::flight final : runtime::timer {
  flight(simulated_sink& sink, produced_record what, produce_fate how, stream::receipt& to)
      : owner(sink), record(std::move(what)), fate(std::move(how)), answer(to) {}
  void on_timer() override { owner.land(*this); }

  simulated_sink& owner;
  produced_record record;
  produce_fate fate;
  stream::receipt& answer;
};

simulated_sink::simulated_sink(runtime::loop& loop, options settings)
    : loop_(loop), options_(std::move(settings)) {}
simulated_sink::~simulated_sink() = default;

std::vector<const produced_record*> simulated_sink::written_to(std::string_view topic) const {
  std::vector<const produced_record*> found;
  for (const produced_record& r : written_) {
    if (r.topic == topic) found.push_back(&r);
  }
  return found;
}

result<void> simulated_sink::produce(const stream::outgoing& record, stream::receipt& answer) {
  if (failure_ && !severed_) return error(errc::broker_unavailable, failure_->message());
  produced_record what{std::string(record.topic), copy(record.key), copy(record.value), {}, ++last_number_,
                       record.partition,          record.created};
  for (const stream::header_view& h : record.headers) what.headers.emplace_back(h.name, copy(h.value));
  produce_fate fate = options_.fate_of ? options_.fate_of(what) : produce_fate{};
  if (fate.refused && !severed_) return *fate.refused;
  flights_.push_back(std::make_unique<flight>(*this, std::move(what), std::move(fate), answer));
  flight& f = *flights_.back();
  loop_.start(f, severed_ ? nanoseconds(0) : f.fate.delay);
  return {};
}

void simulated_sink::land(flight& f) {
  const auto found =
      std::find_if(flights_.begin(), flights_.end(), [&f](const auto& each) { return each.get() == &f; });
  const std::unique_ptr<flight> landed = std::move(*found);
  flights_.erase(found);
  if (severed_) return landed->answer.on_acknowledged(error(errc::cancelled));
  if (failure_) return landed->answer.on_acknowledged(error(errc::produce_failed, failure_->message()));
  if (!landed->fate.failure || landed->fate.written_although) {
    written_.push_back(landed->record);
    if (options_.on_written) options_.on_written(landed->record);
  }
  if (landed->fate.failure) return landed->answer.on_acknowledged(*landed->fate.failure);
  landed->answer.on_acknowledged({});
}

void simulated_sink::sever() {
  severed_ = true;
  for (const auto& f : flights_) loop_.start(*f, nanoseconds(0));
}

void simulated_sink::fail(error cause) {
  failure_ = std::move(cause);
  for (const auto& f : flights_) loop_.start(*f, nanoseconds(0));
  loop_.wake();
}

}  // namespace millrace::simulation
