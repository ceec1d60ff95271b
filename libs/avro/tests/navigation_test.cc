// The reference record: what fastavro wrote (data/navigation.bin, made by generate.py), read into the
// generated struct and compared with the JSON of the same records.
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <millrace/avro/encoder.h>
#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/avro/plan.h>

#include "allocations.h"
#include "navigation.avsc.h"

namespace millrace::avro {
namespace {

using nlohmann::json;

[[nodiscard]] std::string read_file(const std::string& name) {
  std::ifstream in(std::string(AVRO_TEST_DATA) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

// Python writes 128.70 as "128.7".
[[nodiscard]] json with_cents(json record) {
  for (json& product : record["products"]) {
    std::string price = product["price"];
    if (price.find('.') == std::string::npos) price += ".";
    while (price.size() - price.find('.') < 3) price += "0";
    product["price"] = price;
  }
  return record;
}

struct fixture {
  std::string raw = read_file("navigation.bin");
  std::vector<bytes_view> messages;
  std::vector<json> expected;

  fixture() {
    for (std::size_t at = 0; at < raw.size();) {
      std::uint32_t size = 0;
      std::memcpy(&size, raw.data() + at, 4);
      messages.push_back(as_bytes(std::string_view(raw).substr(at + 4, size)));
      at += 4 + size;
    }
    std::istringstream lines(read_file("navigation.jsonl"));
    for (std::string line; std::getline(lines, line);) expected.push_back(with_cents(json::parse(line)));
    EXPECT_EQ(messages.size(), expected.size());
    EXPECT_GE(messages.size(), 100U);
  }
  [[nodiscard]] bytes_view datum(std::size_t i) const { return split_frame(messages[i]).value().datum; }
};

[[nodiscard]] schema navigation_schema() { return schema::parse(read_file("navigation.avsc")).value(); }
[[nodiscard]] decoder<tracking::Navigation> navigation_decoder(const plan_options& options = {}) {
  return decoder<tracking::Navigation>::compile(navigation_schema(), options).value();
}

// A decoded value as the JSON that generate.py writes.
[[nodiscard]] json plain(std::string_view text) { return std::string(text); }
[[nodiscard]] json plain(std::int32_t value) { return value; }
[[nodiscard]] json plain(std::int64_t value) { return value; }
[[nodiscard]] json plain(bool value) { return value; }
[[nodiscard]] json plain(float value) { return value; }
[[nodiscard]] json plain(double value) { return value; }
[[nodiscard]] json plain(std::monostate) { return nullptr; }
[[nodiscard]] json plain(tracking::Consent value) {
  return std::array{"UNKNOWN", "GRANTED", "DENIED"}.at(static_cast<std::size_t>(value));
}
[[nodiscard]] json plain(tracking::EventKind value) {
  return std::array{"PAGE_VIEW", "CLICK", "ADD_TO_CART", "PURCHASE", "SEARCH", "CUSTOM"}.at(
      static_cast<std::size_t>(value));
}
template <class T>
[[nodiscard]] json plain(const std::optional<T>& value);
template <class... Ts>
[[nodiscard]] json plain(const std::variant<Ts...>& value);
template <class T>
[[nodiscard]] json plain(array_view<T> items);
template <class V>
[[nodiscard]] json plain(map_view<V> entries);
[[nodiscard]] json plain(const tracking::Page& page) {
  return {{"url", plain(page.url)},
          {"title", plain(page.title)},
          {"referrer", plain(page.referrer)},
          {"query", plain(page.query)}};
}
[[nodiscard]] json plain(const tracking::Size& size) {
  return {{"width", size.width}, {"height", size.height}};
}
[[nodiscard]] json plain(const tracking::Geo& geo) {
  return {{"country", plain(geo.country)},
          {"city", plain(geo.city)},
          {"lat", geo.lat},
          {"lon", geo.lon},
          {"accuracy", plain(geo.accuracy)}};
}
[[nodiscard]] json plain(const tracking::Product& product) {
  return {{"sku", plain(product.sku)},
          {"name", plain(product.name)},
          {"price", product.price.to_string().value()},
          {"quantity", product.quantity},
          {"categories", plain(product.categories)},
          {"attributes", plain(product.attributes)}};
}
[[nodiscard]] json plain(const tracking::Campaign& campaign) {
  return {{"source", plain(campaign.source)},
          {"medium", plain(campaign.medium)},
          {"name", plain(campaign.name)},
          {"landing", plain(campaign.landing)}};
}
template <class T>
json plain(const std::optional<T>& value) {
  return value ? plain(*value) : json(nullptr);
}
template <class... Ts>
json plain(const std::variant<Ts...>& value) {
  return std::visit([](const auto& one) { return plain(one); }, value);
}
template <class T>
json plain(array_view<T> items) {
  json list = json::array();
  for (const T& item : items) list.push_back(plain(item));
  return list;
}
template <class V>
json plain(map_view<V> entries) {
  json object = json::object();
  for (const auto& [key, value] : entries) object[std::string(key)] = plain(value);
  return object;
}
[[nodiscard]] json plain(const tracking::Navigation& nav) {
  return {{"event_id", nav.event_id.to_string()},
          {"event_time", nav.event_time.time_since_epoch().count()},
          {"received_time", nav.received_time.time_since_epoch().count()},
          {"partner_id", nav.partner_id},
          {"visitor_id", plain(nav.visitor_id)},
          {"kind", plain(nav.kind)},
          {"page", plain(nav.page)},
          {"device",
           {{"user_agent", plain(nav.device.user_agent)},
            {"ip", to_hex(nav.device.ip)},
            {"screen", plain(nav.device.screen)},
            {"viewport", plain(nav.device.viewport)},
            {"languages", plain(nav.device.languages)}}},
          {"geo", plain(nav.geo)},
          {"consents", plain(nav.consents)},
          {"products", plain(nav.products)},
          {"campaign", plain(nav.campaign)},
          {"custom", plain(nav.custom)},
          {"session",
           {{"id", plain(nav.session.id)},
            {"sequence", nav.session.sequence},
            {"is_new", nav.session.is_new},
            {"started", nav.session.started.time_since_epoch().count()}}},
          {"tags", plain(nav.tags)}};
}

TEST(navigation, every_field_of_every_record_is_read) {
  const fixture records;
  const auto decode = navigation_decoder();
  arena memory;
  tracking::Navigation nav;  // reused: nothing of the record before may stay
  for (std::size_t i = 0; i < records.messages.size(); ++i) {
    memory.reset();
    auto used = decode.decode(records.datum(i), memory, nav);
    ASSERT_TRUE(used.ok()) << i << ": " << used.error().to_string();
    EXPECT_EQ(*used, records.datum(i).size());
    EXPECT_EQ(plain(nav), records.expected[i]) << "record " << i;
  }
}

TEST(navigation, every_policy_reads_the_same) {
  const fixture records;
  plan_options unchecked, strict;
  unchecked.validate_utf8 = false;
  strict.strict = true;
  for (const plan_options& options : {unchecked, strict}) {
    const auto decode = navigation_decoder(options);
    arena memory;
    tracking::Navigation nav;
    for (std::size_t i = 0; i < records.messages.size(); ++i) {
      memory.reset();
      ASSERT_TRUE(decode.decode_exactly(records.datum(i), memory, nav).ok());
      EXPECT_EQ(plain(nav), records.expected[i]);
    }
  }
}

TEST(navigation, encodes_the_bytes_that_fastavro_wrote) {
  const fixture records;
  const auto decode = navigation_decoder();
  const auto encode = encoder<tracking::Navigation>::compile().value();
  arena memory;
  tracking::Navigation nav;
  byte_buffer out;
  for (std::size_t i = 0; i < records.messages.size(); ++i) {
    memory.reset();
    ASSERT_TRUE(decode.decode(records.datum(i), memory, nav).ok());
    out.clear();
    append_frame(1, out);
    auto written = encode.encode(nav, out);
    ASSERT_TRUE(written.ok()) << written.error().to_string();
    EXPECT_EQ(to_hex(out), to_hex(records.messages[i])) << "record " << i;
  }
}

TEST(navigation, json_for_people_shows_every_record) {
  const fixture records;
  const schema writer = navigation_schema();
  for (std::size_t i = 0; i < records.messages.size(); ++i) {
    auto text = decode_to_json(writer, records.datum(i));
    ASSERT_TRUE(text.ok()) << text.error().to_string();
    EXPECT_EQ(text->bytes_used, records.datum(i).size());
    const json found = json::parse(text->text);
    EXPECT_EQ(found["page"], records.expected[i]["page"]);
    EXPECT_EQ(found["products"], records.expected[i]["products"]);
    EXPECT_EQ(found["custom"], records.expected[i]["custom"]);
    EXPECT_EQ(found["device"], records.expected[i]["device"]);
    EXPECT_EQ(found["event_time"].get<std::string>().substr(0, 15), "2025-10-09T08:5");
  }
}

// AVRO-3240: the end of the input is an error, wherever it comes.
TEST(navigation, every_strict_prefix_is_an_error) {
  const fixture records;
  const auto decode = navigation_decoder();
  const schema writer = navigation_schema();
  arena memory;
  tracking::Navigation nav;
  for (std::size_t i = 0; i < 20; ++i) {
    const bytes_view whole = records.datum(i);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      memory.reset();
      // A copy of its own, so that a read past the end is seen by the sanitizer.
      const byte_buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const auto used = decode.decode(cut, memory, nav);
      ASSERT_FALSE(used.ok()) << "record " << i << " cut to " << size << " of " << whole.size();
      EXPECT_EQ(used.error().code(), errc::truncated) << used.error().message();
      EXPECT_FALSE(decode_to_json(writer, cut).ok());
    }
  }
}

TEST(navigation, mutated_bytes_give_a_value_or_an_error) {
  const fixture records;
  const auto decode = navigation_decoder();
  const schema writer = navigation_schema();
  const auto encode = encoder<tracking::Navigation>::compile().value();
  arena memory;
  tracking::Navigation nav;
  std::size_t values = 0, errors = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const byte_buffer original(records.datum(i).begin(), records.datum(i).end());
    byte_buffer mutated = original;
    for (std::size_t at = 0; at < mutated.size(); ++at) {
      for (const unsigned flip : {0x01U, 0x02U, 0x7FU, 0x80U, 0xFFU}) {
        mutated[at] = original[at] ^ static_cast<std::byte>(flip);
        memory.reset();
        const bool good = decode.decode(mutated, memory, nav).ok();
        good ? ++values : ++errors;
        const bool shown = decode_to_json(writer, mutated).ok();
        if (good) {
          EXPECT_TRUE(shown) << "what one reader accepts, the other does";
          byte_buffer out;
          EXPECT_TRUE(encode.encode(nav, out).ok());
        }
        EXPECT_LE(memory.capacity(), std::size_t{4} << 20);
      }
      mutated[at] = original[at];
    }
  }
  EXPECT_GT(values, 0U);
  EXPECT_GT(errors, 0U);
}

// A strict plan does without the operations that read several bytes at once. It also looks at the sizes of
// blocks and refuses long varints, so that it alone, or earlier, may find a message malformed or truncated.
TEST(navigation, fast_paths_read_the_same_as_a_strict_plan) {
  const fixture records;
  const auto quick = navigation_decoder();
  plan_options options;
  options.strict = true;
  const auto careful = navigation_decoder(options);
  const auto encode = encoder<tracking::Navigation>::compile().value();
  arena memory;
  tracking::Navigation left;
  tracking::Navigation right;
  std::size_t equal = 0;
  for (std::size_t i = 6; i < 12; ++i) {
    const byte_buffer original(records.datum(i).begin(), records.datum(i).end());
    byte_buffer mutated = original;
    for (std::size_t at = 0; at < mutated.size(); ++at) {
      for (const unsigned flip : {0x00U, 0x02U, 0x04U, 0x40U, 0x80U, 0xFFU}) {
        mutated[at] = original[at] ^ static_cast<std::byte>(flip);
        memory.reset();
        const auto expected = careful.decode(mutated, memory, left);
        const auto found = quick.decode(mutated, memory, right);
        if (expected.ok()) {
          ASSERT_TRUE(found.ok()) << found.error().message();
          EXPECT_EQ(*found, *expected);
          byte_buffer left_bytes;
          byte_buffer right_bytes;
          ASSERT_TRUE(encode.encode(left, left_bytes).ok() && encode.encode(right, right_bytes).ok());
          EXPECT_EQ(left_bytes, right_bytes);
          ++equal;
        } else if (!found.ok() && expected.error().code() != errc::malformed &&
                   expected.error().code() != errc::truncated) {
          EXPECT_EQ(found.error().code(), expected.error().code()) << expected.error().message();
        }
      }
      mutated[at] = original[at];
    }
  }
  EXPECT_GT(equal, 0U);
}

TEST(navigation, decoding_and_encoding_allocate_nothing_in_the_steady_state) {
  const fixture records;
  const auto decode = navigation_decoder();
  const auto encode = encoder<tracking::Navigation>::compile().value();
  arena memory;
  tracking::Navigation nav;
  byte_buffer out;
  const auto all = [&] {
    for (std::size_t i = 0; i < records.messages.size(); ++i) {
      memory.reset();
      out.clear();
      const bool good = decode.decode(records.datum(i), memory, nav).ok() && encode.encode(nav, out).ok();
      ASSERT_TRUE(good);
    }
  };
  all();
  const std::size_t before = allocations();
  all();
  EXPECT_EQ(allocations(), before);
}

// Hand-written: five fields of the same records, the rest skipped.
struct poll_interval {
  std::string_view visitor_id;
  timestamp event_time;
  struct {
    std::string_view url;
  } page;
  std::vector<std::string> tags;
  std::string kind_unused = "untouched";
};

}  // namespace
}  // namespace millrace::avro

using page_poll_interval = decltype(millrace::avro::poll_interval::page);

template <>
struct millrace::avro::describe<page_poll_interval> {
  static type_descriptor type() {
    return record_of<page_poll_interval>("", {field("url", &page_poll_interval::url)});
  }
};

template <>
struct millrace::avro::describe<millrace::avro::poll_interval> {
  static type_descriptor type() {
    return record_of<poll_interval>(
        "", {field("tags", &poll_interval::tags), field("visitor_id", &poll_interval::visitor_id),
             field("page", &poll_interval::page), field("event_time", &poll_interval::event_time)});
  }
};

namespace millrace::avro {
namespace {

TEST(navigation, a_struct_of_few_fields_skips_the_rest) {
  const fixture records;
  const auto decode = decoder<poll_interval>::compile(navigation_schema()).value();
  arena memory;
  poll_interval seen;
  for (std::size_t i = 0; i < records.messages.size(); ++i) {
    const json& expected = records.expected[i];
    auto used = decode.decode(records.datum(i), memory, seen);
    ASSERT_TRUE(used.ok()) << used.error().to_string();
    EXPECT_EQ(*used, records.datum(i).size());
    EXPECT_EQ(seen.visitor_id, expected["visitor_id"].get<std::string>());
    EXPECT_EQ(seen.page.url, expected["page"]["url"].get<std::string>());
    EXPECT_EQ(seen.tags, expected["tags"].get<std::vector<std::string>>());
    EXPECT_EQ(seen.event_time.time_since_epoch().count(), expected["event_time"].get<std::int64_t>());
    EXPECT_EQ(seen.kind_unused, "untouched");
  }
  EXPECT_EQ(memory.capacity(), 0U) << "owning members need no arena";
}

}  // namespace
}  // namespace millrace::avro
