#include <algorithm>

#include <millrace/simulation/simulated_schemas.h>

namespace millrace::simulation {

struct simulated_schemas::flight final : runtime::timer {
  flight(simulated_schemas& schemas, std::int32_t wanted, stream::schema_receiver& to, fate how)
      : owner(schemas), id(wanted), receiver(to), outcome(std::move(how)) {}
  void on_timer() override { owner.land(*this); }

  simulated_schemas& owner;
  std::int32_t id;
  stream::schema_receiver& receiver;
  fate outcome;
};

simulated_schemas::simulated_schemas(runtime::loop& loop, options settings)
    : loop_(loop), options_(std::move(settings)) {}
simulated_schemas::~simulated_schemas() = default;

void simulated_schemas::add(std::int32_t id, std::string text) {
  texts_[id] = std::make_shared<const stream::schema_document>(
      stream::schema_document{.text = std::move(text), .references = {}});
}

void simulated_schemas::add_tagged(const stream::schema_tag& tag, std::string text) {
  tagged_.emplace_back(tag, std::make_shared<const stream::schema_document>(
                                stream::schema_document{.text = std::move(text), .references = {}}));
}

// The answer comes at once, as that of a table in memory does.
void simulated_schemas::fetch_tagged(const stream::schema_tag& tag, stream::schema_receiver& receiver) {
  ++fetches_;
  const auto found =
      std::find_if(tagged_.begin(), tagged_.end(), [&tag](const auto& each) { return each.first == tag; });
  if (found == tagged_.end()) return schemas::fetch_tagged(tag, receiver);
  receiver.on_schema(tag.id(), found->second);
}

void simulated_schemas::fetch(std::int32_t id, stream::schema_receiver& receiver) {
  ++fetches_;
  fate how = options_.fate_of && !severed_ ? options_.fate_of(id) : fate{};
  flights_.push_back(std::make_unique<flight>(*this, id, receiver, std::move(how)));
  loop_.start(*flights_.back(), severed_ ? nanoseconds(0) : flights_.back()->outcome.delay);
}

void simulated_schemas::land(flight& f) {
  const auto found =
      std::find_if(flights_.begin(), flights_.end(), [&f](const auto& each) { return each.get() == &f; });
  const std::unique_ptr<flight> landed = std::move(*found);
  flights_.erase(found);
  if (severed_) return landed->receiver.on_schema(landed->id, error(errc::cancelled));
  if (landed->outcome.failure) return landed->receiver.on_schema(landed->id, *landed->outcome.failure);
  const auto text = texts_.find(landed->id);
  if (text == texts_.end()) {
    return landed->receiver.on_schema(
        landed->id, error(errc::schema_not_found, "no schema has the id " + std::to_string(landed->id)));
  }
  landed->receiver.on_schema(landed->id, text->second);
}

result<std::int32_t> simulated_schemas::register_schema(std::string_view subject, std::string_view text) {
  static_cast<void>(subject);
  for (const auto& [id, known] : texts_) {
    if (known->text == text) return id;
  }
  const std::int32_t id = texts_.empty() ? 1 : texts_.rbegin()->first + 1;
  add(id, std::string(text));
  return id;
}

void simulated_schemas::sever() {
  severed_ = true;
  for (const auto& f : flights_) loop_.start(*f, nanoseconds(0));
}

}  // namespace millrace::simulation
