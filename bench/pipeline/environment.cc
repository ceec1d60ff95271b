#include "environment.h"

#include <array>
#include <bit>
#include <charconv>
#include <fstream>
#include <iostream>
#include <sstream>

#include <fmt/format.h>
#include <navigation.avsc.h>
#include <nlohmann/json.hpp>

#include <millrace/avro/encoder.h>
#include <millrace/avro/plan.h>
#include <millrace/base/assert.h>
#include <millrace/kafka/producer.h>
#include <millrace/registry/client.h>
#include <millrace/runtime/loop.h>
#include <millrace/workload/navigation_schema.h>

namespace millrace::bench {
namespace {

using emulators::operation;
using nlohmann::json;

constexpr std::size_t outstanding_max = 50'000;
constexpr std::int64_t select_us = 300;
constexpr std::int64_t insert_us = 700;
constexpr const char* tables[] = {
    "CREATE KEYSPACE bench WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}",
    "CREATE TABLE bench.visitor_profile (visitor_id text PRIMARY KEY, segment text, score double)",
};
constexpr const char* visit_table =
    "CREATE TABLE bench.visit (visitor_id text, event_time timestamp, event_id uuid, url text, segment text, "
    "score double, PRIMARY KEY ((visitor_id), event_time, event_id))";

class receipts final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override {
    --outstanding;
    failed += answer ? 0U : 1U;
  }
  std::uint64_t outstanding = 0;
  std::uint64_t failed = 0;
};

// A cell as CQL's binary protocol serialises it.
template <class T>
std::string big_endian(T value) {
  auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  if constexpr (std::endian::native == std::endian::little) std::reverse(bytes.begin(), bytes.end());
  return {bytes.data(), bytes.size()};
}

// One of the profiles that exist, or, for one record in ten, of a visitor who has none.
workload::visit_profile profile_of(std::uint32_t visitor) {
  workload::visit_profile found = workload::profile_of(visitor);
  if (visitor >= profiles) return {"unknown", 0.0, false};
  return found;
}

result<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    return error(errc::config_invalid, "no number: " + text);
  return value;
}

// Records of another size: with a longer referrer, or without all that the schema lets them do without.
class resizing {
 public:
  [[nodiscard]] std::string operator()(const std::string& datum, std::size_t bytes) {
    tracking::Navigation nav;
    invariant(plan_.decode_exactly(as_bytes(datum), memory_, nav).ok(), "a generated record can be decoded");
    if (bytes < datum.size()) {
      nav.page.title = {};
      nav.page.referrer = {};
      nav.page.query = {};
      nav.device.user_agent = {};
      nav.device.screen = {};
      nav.device.viewport = {};
      nav.device.languages = {};
      nav.geo = {};
      nav.consents = {};
      nav.products = {};
      nav.campaign = {};
      nav.custom = {};
      nav.tags = {};
    } else {
      padding_.resize(bytes - datum.size(), 'x');
      nav.page.referrer = padding_;
    }
    out_.clear();
    invariant(encoder_.encode(nav, out_).ok(), "a generated record can be encoded");
    memory_.reset();
    return std::string(as_text(out_));
  }

 private:
  avro::decoder<tracking::Navigation> plan_ =
      avro::decoder<tracking::Navigation>::compile(avro::schema::parse(workload::navigation_schema()).value())
          .value();
  avro::encoder<tracking::Navigation> encoder_ = avro::encoder<tracking::Navigation>::compile().value();
  avro::arena memory_;
  byte_buffer out_;
  std::string padding_;
};

bool holds(const emulators::emulated_row& row, std::string_view column, std::string_view expected) {
  const auto cell = row.cell(column);
  return cell && as_text(cell->bytes) == expected;
}

}  // namespace

result<void> environment::start() {
  emulators::cql_emulator_options options;
  options.threads = 1;
  auto cql = emulators::cql_emulator::start(options);
  if (!cql) return cql.error();
  database_ = std::move(*cql);
  for (const char* statement : tables) {
    if (auto done = database_->execute(statement); !done) return done.error();
  }
  if (auto done = database_->execute(visit_table); !done) return done.error();
  if (auto done = add_profiles(); !done) return done.error();
  set_latency(select_us, insert_us);

  auto schemas = emulators::registry_double::start();
  if (!schemas) return schemas.error();
  registry_ = std::move(*schemas);
  registry::client_options client;
  client.urls = {registry_->url()};
  auto connected = registry::client::create(std::move(client));
  if (!connected) return connected.error();
  auto id = (*connected)->register_schema("navigation-value", workload::navigation_schema());
  if (!id) return id.error();
  schema_id_ = *id;
  return {};
}

result<void> environment::add_profiles() {
  for (std::uint32_t visitor = 0; visitor < profiles; ++visitor) {
    const workload::visit_profile profile = profile_of(visitor);
    if (!profile.known) continue;
    if (auto done = database_->execute(fmt::format(
            "INSERT INTO bench.visitor_profile (visitor_id, segment, score) VALUES ('v{:08}', '{}', {})",
            visitor, profile.segment, profile.score));
        !done) {
      return done.error();
    }
  }
  return {};
}

void environment::set_latency(std::int64_t select, std::int64_t insert) const {
  database_->set_latency(operation::select, {microseconds(select), 0});
  database_->set_latency(operation::insert, {microseconds(insert), 0});
}

result<environment::filling> environment::filling_of(const std::vector<std::string>& words) {
  filling what{.brokers = words[1], .topic = words[2]};
  std::uint64_t* const numbers[] = {&what.first, &what.count, &what.rate, &what.bytes};
  for (std::size_t k = 0; k < std::size(numbers); ++k) {
    const auto value = number(words[3 + k]);
    if (!value) return value.error();
    *numbers[k] = *value;
  }
  return what;
}

result<std::uint64_t> environment::fill(const filling& what) const {
  runtime::loop loop(system_clock());
  kafka::producer_config config;
  config.client.bootstrap_servers = what.brokers;
  config.client.client_id = "bench-fill";
  config.records_max = outstanding_max;
  auto sink = kafka::producer::create(std::move(config), loop);
  if (!sink) return sink.error();
  receipts answers;
  resizing resized;
  std::string value;
  std::uint64_t bytes = 0;
  const instant began = loop.time().now();
  for (std::uint64_t done = 0; done < what.count;) {
    // A paced record is due at its time, whatever the ones before it cost.
    if (what.rate > 0 && loop.time().now() < began + nanoseconds(done * 1'000'000'000 / what.rate)) {
      loop.run_turn(microseconds(500));
      continue;
    }
    std::string datum;
    const workload::expected_visit visit = generator_.make(what.first + done, &datum);
    if (what.bytes > 0) datum = resized(datum, what.bytes);
    value.assign(1, '\0');
    value += big_endian(schema_id_);
    value += datum;
    if ((*sink)->produce({what.topic, as_bytes(visit.visitor_id), as_bytes(value), {}}, answers)) {
      ++answers.outstanding;
      ++done;
      bytes += value.size();
    } else {
      loop.run_turn(milliseconds(1));
    }
  }
  while (answers.outstanding > 0) loop.run_turn(milliseconds(5));
  if (answers.failed > 0) return error(errc::internal, "the broker refused records");
  return bytes;
}

result<void> environment::reset() {
  if (auto done = database_->execute("DROP TABLE bench.visit"); !done) return done.error();
  return database_->execute(visit_table);
}

result<environment::verdict> environment::verify(std::uint64_t count) const {
  auto table = database_->table("bench", "visit");
  if (!table) return table.error();
  verdict found;
  for (std::uint64_t index = 0; index < count; ++index) {
    const workload::expected_visit visit = generator_.make(index);
    const workload::visit_profile profile = profile_of(visit.visitor);
    const std::string event_time = big_endian(visit.event_time_ms);
    const std::string event_id(reinterpret_cast<const char*>(visit.event_id.bytes.data()),
                               visit.event_id.bytes.size());
    const std::array<bytes_view, 3> key{as_bytes(visit.visitor_id), as_bytes(event_time), as_bytes(event_id)};
    bool right = false, again = false;
    const bool there = table->visit(key, [&](const emulators::emulated_row& row) {
      right = holds(row, "url", visit.url) && holds(row, "segment", profile.segment) &&
              holds(row, "score", big_endian(profile.score));
      again = row.writes() > 1;
    });
    found.missing += there ? 0U : 1U;
    found.wrong += there && !right ? 1U : 0U;
    found.rewritten += again ? 1U : 0U;
  }
  return found;
}

result<void> environment::expect(std::uint64_t count, const std::string& file) const {
  std::ofstream out(file);
  for (std::uint64_t index = 0; index < count; ++index) {
    const workload::expected_visit visit = generator_.make(index);
    const workload::visit_profile profile = profile_of(visit.visitor);
    out << fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", visit.visitor_id, visit.event_time_ms,
                       visit.event_id.to_string(), visit.url, profile.segment, profile.score);
  }
  out.close();
  if (!out) return error(errc::io_error, "cannot write " + file);
  return {};
}

result<std::string> environment::answer(const std::vector<std::string>& words) {
  const std::string& command = words.front();
  if (command == "fill" && words.size() == 7) {
    const auto what = filling_of(words);
    if (!what) return what.error();
    const auto bytes = fill(*what);
    if (!bytes) return bytes.error();
    return json{{"records", what->count}, {"bytes", *bytes}}.dump();
  }
  if (command == "reset" && words.size() == 1) {
    if (auto done = reset(); !done) return done.error();
    return std::string("{}");
  }
  if (command == "inserted" && words.size() == 1) {
    const auto table = database_->table("bench", "visit");
    if (!table) return table.error();
    return json{{"inserted", table->counts().keys_written}}.dump();
  }
  if (command == "verify" && words.size() == 2) {
    const auto count = number(words[1]);
    if (!count) return count.error();
    const auto found = verify(*count);
    if (!found) return found.error();
    return json{{"missing", found->missing}, {"wrong", found->wrong}, {"rewritten", found->rewritten}}.dump();
  }
  if (command == "expect" && words.size() == 3) {
    const auto count = number(words[1]);
    if (!count) return count.error();
    if (auto written = expect(*count, words[2]); !written) return written.error();
    return std::string("{}");
  }
  if (command == "latency" && words.size() == 3) {
    const auto select = number(words[1]), insert = number(words[2]);
    if (!select || !insert) return error(errc::config_invalid, "latency SELECT_US INSERT_US");
    set_latency(static_cast<std::int64_t>(*select), static_cast<std::int64_t>(*insert));
    return std::string("{}");
  }
  return error(errc::config_invalid, "no such command: " + command);
}

int environment::serve() {
  std::cout << json{{"cql", database_->contact_point()},
                    {"registry", registry_->url()},
                    {"schema_id", schema_id_}}
            << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    if (words.empty()) continue;
    const auto said = answer(words);
    std::cout << (said ? *said : json{{"error", said.error().to_string()}}.dump()) << std::endl;
  }
  return 0;
}

}  // namespace millrace::bench
