#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include <millrace/workload/verifier.h>

namespace millrace::workload {
namespace {

constexpr std::size_t examples_max = 5;
constexpr std::size_t frame_bytes = 5;  // 0x00 and the schema id, four bytes big-endian

// Cells as the CQL binary protocol serialises them: big-endian numbers, UTF-8 text.
template <typename T>
std::string big_endian(T value) {
  std::array<char, sizeof(T)> bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  if constexpr (std::endian::native == std::endian::little) {
    for (std::size_t i = 0; i < bytes.size() / 2; ++i) std::swap(bytes[i], bytes[bytes.size() - 1 - i]);
  }
  return {bytes.data(), bytes.size()};
}

std::string raw(const uuid& id) { return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()}; }

std::optional<uuid> uuid_of(bytes_view cell) {
  uuid id;
  if (cell.size() != id.bytes.size()) return std::nullopt;
  std::memcpy(id.bytes.data(), cell.data(), cell.size());
  return id;
}

bool holds(const emulators::emulated_row& row, std::string_view column,
           const std::optional<std::string>& expected) {
  const auto cell = row.cell(column);
  if (!expected) return !cell;
  return cell && as_text(cell->bytes) == *expected;
}

// Reads an EnrichedVisit field by field (Avro specification, "Binary Encoding"). Any overrun is remembered.
class feed_reader {
 public:
  explicit feed_reader(std::string_view bytes) : rest_(bytes) {}
  std::int64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return fail();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return static_cast<std::int64_t>(value >> 1U) ^ -static_cast<std::int64_t>(value & 1U);
    }
    return fail();
  }
  std::string_view text() {
    const std::int64_t size = number();
    if (size < 0 || static_cast<std::uint64_t>(size) > rest_.size()) {
      fail();
      return {};
    }
    const std::string_view value = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(value.size());
    return value;
  }
  double real() {
    double value = 0;
    if (rest_.size() < sizeof value) return static_cast<double>(fail());
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  [[nodiscard]] bool complete() const noexcept { return good_ && rest_.empty(); }

 private:
  std::int64_t fail() {
    good_ = false;
    return 0;
  }
  std::string_view rest_;
  bool good_ = true;
};

struct visit_key {
  std::string visitor;
  std::string event_time;
  std::string event_id;
  std::array<bytes_view, 3> cells;

  explicit visit_key(const expected_visit& visit)
      : visitor(visit.visitor_id),
        event_time(big_endian(visit.event_time_ms)),
        event_id(raw(visit.event_id)) {
    cells = {as_bytes(visitor), as_bytes(event_time), as_bytes(event_id)};
  }
  visit_key(const visit_key&) = delete;
  visit_key& operator=(const visit_key&) = delete;
};

}  // namespace

verifier::verifier(const visit_generator& generator, emulators::emulated_table visits,
                   emulators::emulated_table last_seen)
    : generator_(generator), visits_(std::move(visits)), last_seen_(std::move(last_seen)) {}

verifier::progress& verifier::of(std::uint64_t index) {
  if (index >= records_.size()) records_.resize(index + 1);
  return records_[index];
}

void verifier::wrong(std::string what) {
  ++verdict_.wrong;
  if (verdict_.examples.size() < examples_max) verdict_.examples.push_back(std::move(what));
}

// A record counts once, whatever of it is missing.
void verifier::lost(progress& record, std::string what) {
  if (!record.lost) ++verdict_.lost;
  record.lost = true;
  if (verdict_.examples.size() < examples_max) verdict_.examples.push_back(std::move(what));
}

void verifier::produced(const expected_visit& visit) {
  of(visit.index).produced = true;
  ++verdict_.produced;
  std::uint64_t& newest = newest_.try_emplace(visit.visitor, visit.index).first->second;
  newest = std::max(newest, visit.index);
}

void verifier::downstream(std::string_view key, bytes_view value) {
  if (value.size() < frame_bytes || value[0] != std::byte{0})
    return wrong("a downstream record has no frame");
  feed_reader in(as_text(value.subspan(frame_bytes)));
  const auto event_id = uuid::parse(in.text());
  const auto index = event_id ? generator_.index_of(*event_id) : std::nullopt;
  if (!index) return wrong("a downstream record has an event id that was never generated");
  const expected_visit expected = generator_.make(*index);
  const visit_profile profile = profile_of(expected.visitor);
  bool same = in.number() == expected.event_time_ms;
  same = in.text() == expected.visitor_id && same;
  same = in.number() == expected.partner_id && same;
  same = in.number() == static_cast<std::int64_t>(expected.kind) && same;
  same = in.text() == expected.url && same;
  same = in.text() == profile.segment && same;
  same = in.real() == profile.score && same;
  same = in.real() == static_cast<double>(expected.basket_cents) / 100.0 && same;
  same = in.number() == expected.products && same;
  if (!same || !in.complete() || key != expected.visitor_id) {
    wrong("downstream record of event " + event_id->to_string() + " differs");
  }
  if (++of(*index).downstream > 1) ++verdict_.duplicated;
}

void verifier::check_rows(std::size_t records_max) {
  // A record's row may come after its downstream record: those not there yet are checked at the end.
  for (std::size_t i = 0; i < records_max && next_row_ < records_.size(); ++i, ++next_row_) {
    if (records_[next_row_].downstream > 0) check_row(generator_.make(next_row_), false);
  }
}

void verifier::check_row(const expected_visit& visit, bool is_last_chance) {
  const visit_key key(visit);
  const visit_profile profile = profile_of(visit.visitor);
  bool same = true;
  const bool found = visits_.visit(key.cells, [&](const emulators::emulated_row& row) {
    same = holds(row, "partner_id", big_endian(visit.partner_id)) &&
           holds(row, "kind", std::string(kind_name(visit.kind))) && holds(row, "url", visit.url) &&
           holds(row, "country", visit.country) && holds(row, "segment", profile.segment) &&
           holds(row, "score", big_endian(profile.score)) &&
           holds(row, "products", big_endian(visit.products));
  });
  if (!found) {
    if (is_last_chance) lost(of(visit.index), "no row in visit for event " + visit.event_id.to_string());
    return;
  }
  of(visit.index).row_checked = true;
  if (!same) wrong("row in visit for event " + visit.event_id.to_string() + " differs");
}

void verifier::check_last_seen() {
  // The rows of a visitor come together, in clustering order: its first is the one that readers take.
  std::string visitor;
  std::size_t right = 0;
  last_seen_.visit_all([&](const emulators::emulated_row& row) {
    const auto cell = row.cell("visitor_id");
    if (!cell || as_text(cell->bytes) == visitor) return;
    visitor = as_text(cell->bytes);
    const auto event_id = row.cell("event_id");
    const auto id = event_id ? uuid_of(event_id->bytes) : std::nullopt;
    const auto index = id ? generator_.index_of(*id) : std::nullopt;
    if (!index) return wrong("last_seen of visitor " + visitor + " has an event id that was never generated");
    const expected_visit expected = generator_.make(*index);
    const auto newest = newest_.find(expected.visitor);
    const bool same = expected.visitor_id == visitor && newest != newest_.end() && newest->second == *index &&
                      holds(row, "event_time", big_endian(expected.event_time_ms)) &&
                      holds(row, "kind", std::string(kind_name(expected.kind))) &&
                      holds(row, "url", expected.url);
    if (!same) return wrong("last_seen of visitor " + visitor + " is not its newest visit");
    ++right;
  });
  if (right < newest_.size()) {
    wrong("last_seen has " + std::to_string(right) + " of " + std::to_string(newest_.size()) + " visitors");
  }
}

verdict verifier::finish() {
  for (std::uint64_t index = 0; index < records_.size(); ++index) {
    progress& record = records_[index];
    if (!record.produced) continue;
    if (!record.row_checked) check_row(generator_.make(index), true);
    if (record.downstream == 0)
      lost(record, "no downstream record for event " + generator_.make(index).event_id.to_string());
  }
  verdict_.duplicated += visits_.counts().keys_rewritten + last_seen_.counts().keys_rewritten;
  check_last_seen();
  return verdict_;
}

}  // namespace millrace::workload
