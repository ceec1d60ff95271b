#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <millrace/base/random.h>
#include <millrace/workload/visit_generator.h>

namespace millrace::workload {
namespace {

constexpr std::int64_t first_event_ms = 1'760'000'000'000;
constexpr std::int64_t event_step_ms = 5;
constexpr std::array<std::string_view, 6> kinds = {"PAGE_VIEW", "CLICK",  "ADD_TO_CART",
                                                   "PURCHASE",  "SEARCH", "CUSTOM"};
constexpr std::array<std::string_view, 20> words = {
    "shoes",  "winter", "red",   "blue",  "discount", "promo",  "kids",  "home", "garden", "phone",
    "laptop", "camera", "audio", "sport", "outdoor",  "beauty", "books", "toys", "sale",   "new"};
constexpr std::array<std::string_view, 4> countries = {"FR", "DE", "US", "ES"};
constexpr std::array<std::string_view, 4> languages = {"fr-FR", "en-US", "de-DE", "es-ES"};
constexpr std::array<std::string_view, 5> query_names = {"q", "utm", "page", "sort", "filter"};
constexpr std::array<std::string_view, 5> attribute_names = {"size", "color", "stock", "rating", "brand"};

class dice {
 public:
  explicit dice(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept { return mixed_bits(state_++ * 0xD1342543DE82EF95U + 1); }
  std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
  double unit() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
  template <std::size_t N>
  std::string_view pick(const std::array<std::string_view, N>& from) noexcept {
    return from[below(N)];
  }

 private:
  std::uint64_t state_;
};

// Avro's binary encoding (specification 1.12, "Binary Encoding"), appended to a string.
class datum {
 public:
  explicit datum(std::string& out) noexcept : out_(out) {}
  void number(std::int64_t value) {
    auto zigzag = (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
    while (zigzag >= 0x80U) {
      out_.push_back(static_cast<char>(zigzag | 0x80U));
      zigzag >>= 7U;
    }
    out_.push_back(static_cast<char>(zigzag));
  }
  void text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    out_.append(value);
  }
  void boolean(bool value) { out_.push_back(value ? '\1' : '\0'); }
  void real(double value) { raw(std::bit_cast<std::array<char, 8>>(value)); }
  void real32(float value) { raw(std::bit_cast<std::array<char, 4>>(value)); }
  void word(std::uint64_t value) { raw(std::bit_cast<std::array<char, 8>>(value)); }
  // Arrays and maps: one block, then the end.
  void begin_block(std::uint64_t count) {
    if (count > 0) number(static_cast<std::int64_t>(count));
  }
  void end_blocks() { number(0); }

 private:
  template <std::size_t N>
  void raw(const std::array<char, N>& bytes) {
    out_.append(bytes.data(), N);
  }
  std::string& out_;
};

void write_page(dice& d, datum& out, std::string& url) {
  url = "https://www.shop" + std::to_string(d.below(40) + 1) + ".example/";
  for (std::uint64_t i = d.below(4) + 1; i > 0; --i) url.append(d.pick(words)).append(i > 1 ? "/" : "");
  url += "?id=" + std::to_string(d.below(10'000'000) + 1);
  out.text(url);
  const bool titled = d.below(2) == 0;
  out.number(titled ? 1 : 0);
  if (titled)
    out.text(std::string(d.pick(words)).append(" ").append(d.pick(words)).append(" ").append(d.pick(words)));
  const bool referred = d.below(3) == 0;
  out.number(referred ? 1 : 0);
  if (referred) out.text(std::string("https://search.example/?q=").append(d.pick(words)));
  const std::uint64_t count = d.below(4);
  out.begin_block(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    out.text(query_names[i]);
    out.text(d.pick(words));
  }
  out.end_blocks();
}

void write_device(dice& d, datum& out) {
  out.text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" +
           std::to_string(d.below(51) + 90) + ".0.0.0 Safari/537.36");
  out.word(d.next());  // ip: fixed 16
  out.word(d.next());
  for (const auto& [width, height] : {std::pair{1920, 1080}, std::pair{1280, 720}}) {
    const bool present = d.below(2) == 0;
    out.number(present ? 1 : 0);
    if (present) {
      out.number(width);
      out.number(height);
    }
  }
  const std::uint64_t count = d.below(3) + 1;
  out.begin_block(count);
  for (std::uint64_t i = 0; i < count; ++i) out.text(languages[i]);
  out.end_blocks();
}

void write_geo(dice& d, datum& out, std::optional<std::string>& country) {
  if (d.below(2) == 0) {
    out.number(0);
    return;
  }
  out.number(1);
  country = std::string(d.pick(countries));
  out.text(*country);
  const bool in_city = d.below(3) != 0;
  out.number(in_city ? 1 : 0);
  if (in_city) out.text(d.below(2) == 0 ? "Paris" : "Lyon");
  out.real(d.unit() * 180 - 90);
  out.real(d.unit() * 360 - 180);
  const bool accurate = d.below(2) == 0;
  out.number(accurate ? 1 : 0);
  if (accurate) out.real32(12.5F);
}

void write_price(datum& out, std::string& bytes, std::int64_t cents) {
  bytes.clear();
  for (int shift = 16; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>((cents >> shift) & 0xFF));
  out.text(bytes);  // bytes are framed like strings
}

void write_products(dice& d, datum& out, expected_visit& expected) {
  constexpr std::array<std::uint64_t, 7> counts = {0, 0, 1, 1, 2, 3, 5};
  const std::uint64_t count = counts[d.below(counts.size())];
  expected.products = static_cast<std::int32_t>(count);
  std::string scratch;
  out.begin_block(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string digits = std::to_string(d.below(1'000'000) + 1);
    out.text("SKU-" + std::string(7 - digits.size(), '0') + digits);
    const bool named = d.below(2) == 0;
    out.number(named ? 1 : 0);
    if (named) out.text(std::string(d.pick(words)).append(" ").append(d.pick(words)));
    const auto cents = static_cast<std::int64_t>(d.below(99'900) + 100);
    const auto quantity = static_cast<std::int64_t>(d.below(4) + 1);
    expected.basket_cents += cents * quantity;
    write_price(out, scratch, cents);
    out.number(quantity);
    const std::uint64_t categories = d.below(4);
    out.begin_block(categories);
    for (std::uint64_t c = 0; c < categories; ++c) out.text(d.pick(words));
    out.end_blocks();
    const std::uint64_t attributes = d.below(4);
    out.begin_block(attributes);
    for (std::uint64_t a = 0; a < attributes; ++a) {
      out.text(attribute_names[a]);
      const std::uint64_t branch = d.below(5);
      out.number(static_cast<std::int64_t>(branch));
      if (branch == 1) out.boolean(true);
      if (branch == 2) out.number(static_cast<std::int64_t>(d.below(1'000'000'000)));
      if (branch == 3) out.real(d.unit());
      if (branch == 4) out.text(d.pick(words));
    }
    out.end_blocks();
  }
  out.end_blocks();
}

void write_campaign(dice& d, datum& out) {
  const bool present = d.below(2) == 0;
  out.number(present ? 1 : 0);
  if (!present) return;
  out.text("newsletter");
  const bool medium = d.below(2) == 0;
  out.number(medium ? 1 : 0);
  if (medium) out.text("email");
  out.number(1);
  out.text("autumn");
  const bool landing = d.below(2) == 0;
  out.number(landing ? 1 : 0);
  if (landing) {
    std::string url;
    write_page(d, out, url);
  }
}

void write_custom(dice& d, datum& out) {
  const std::uint64_t count = d.below(7);
  out.begin_block(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    out.text("k" + std::to_string(i));
    const std::uint64_t branch = d.below(7);
    out.number(static_cast<std::int64_t>(branch));
    if (branch == 1) out.boolean(true);
    if (branch == 2) out.number(5);
    if (branch == 3) out.number(1'000'000'000'000);
    if (branch == 4) out.real(2.5);
    if (branch == 5) out.text("xxxxxxxxxxxxxxxxxxxx");
    if (branch == 6) {
      out.begin_block(3);
      for (const std::string_view item : {"a", "b", "c"}) out.text(item);
      out.end_blocks();
    }
  }
  out.end_blocks();
}

void write_rest(dice& d, datum& out, const expected_visit& expected) {
  write_campaign(d, out);
  write_custom(d, out);
  out.text(
      uuid{std::bit_cast<std::array<std::byte, 16>>(std::array{d.next(), d.next()})}.to_string());  // session
  out.number(static_cast<std::int64_t>(d.below(51)));
  out.boolean(d.below(5) == 0);
  out.number(expected.event_time_ms - 60'000);
  const std::uint64_t tags = d.below(6);
  out.begin_block(tags);
  for (std::uint64_t i = 0; i < tags; ++i) out.text(d.pick(words));
  out.end_blocks();
}

}  // namespace

visit_profile profile_of(std::uint32_t visitor) {
  if (visitor % 10 == 0) return {"unknown", 0.0, false};
  return {"segment-" + std::to_string(visitor % 7), static_cast<double>(visitor % 1000) / 1000.0, true};
}

std::string_view kind_name(std::uint32_t kind) { return kinds[kind]; }

expected_visit visit_generator::make(std::uint64_t index, std::string* value) const {
  dice d(mixed_bits(seed_ ^ mixed_bits(index)));
  expected_visit expected;
  expected.index = index;
  expected.event_time_ms = first_event_ms + static_cast<std::int64_t>(index) * event_step_ms;
  // Few visitors come often (Pareto), as in production.
  const double popularity = std::pow(1.0 - d.unit(), -1.0 / 1.1);
  expected.visitor = static_cast<std::uint32_t>(std::fmod(popularity * 1000.0, 1'000'000.0));
  char visitor_id[16];
  std::snprintf(visitor_id, sizeof visitor_id, "v%08u", expected.visitor);
  expected.visitor_id = visitor_id;
  const std::uint64_t scrambled = mixed_bits(seed_ ^ ~index);
  std::memcpy(expected.event_id.bytes.data(), &scrambled, 8);
  std::memcpy(expected.event_id.bytes.data() + 8, &index, 8);
  expected.partner_id = static_cast<std::int32_t>(d.below(300) + 1);
  const std::uint64_t kind = d.below(11);
  expected.kind = kind < 6 ? 0 : static_cast<std::uint32_t>(kind - 5);

  std::string unused;
  std::string& bytes = value != nullptr ? *value : unused;
  bytes.clear();
  datum out(bytes);
  out.text(expected.event_id.to_string());
  out.number(expected.event_time_ms);
  out.number(expected.event_time_ms * 1000 + static_cast<std::int64_t>(d.below(3000)));
  out.number(expected.partner_id);
  out.text(expected.visitor_id);
  out.number(static_cast<std::int64_t>(expected.kind));
  write_page(d, out, expected.url);
  write_device(d, out);
  write_geo(d, out, expected.country);
  out.begin_block(3);
  for (const std::string_view purpose : {"analytics", "ads", "personalisation"}) {
    out.text(purpose);
    out.number(static_cast<std::int64_t>(d.below(3)));
  }
  out.end_blocks();
  write_products(d, out, expected);
  write_rest(d, out, expected);
  return expected;
}

std::optional<std::uint64_t> visit_generator::index_of(const uuid& event_id) const noexcept {
  std::uint64_t scrambled = 0;
  std::uint64_t index = 0;
  std::memcpy(&scrambled, event_id.bytes.data(), 8);
  std::memcpy(&index, event_id.bytes.data() + 8, 8);
  if (scrambled != mixed_bits(seed_ ^ ~index)) return std::nullopt;
  return index;
}

}  // namespace millrace::workload
