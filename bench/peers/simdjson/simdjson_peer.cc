// The simdjson row of the benchmark: the same records as JSON, every field extracted into a struct. The
// protocol is in bench/avro/README.md. usage: avro-peers DATA_FOLDER SCHEMA_FILE
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <simdjson.h>

namespace {

using namespace simdjson;
using text = std::string_view;
using texts = std::vector<text>;

// Views of the parser's buffers; vectors are reused from record to record.
using scalar = std::variant<std::monostate, bool, std::int64_t, double, text, texts>;
struct page {
  text url;
  std::optional<text> title, referrer;
  std::vector<std::pair<text, text>> query;
};
struct size {
  std::int64_t width, height;
};
struct device {
  text user_agent, ip;
  std::optional<size> screen, viewport;
  texts languages;
};
struct geo {
  text country;
  std::optional<text> city;
  double lat, lon;
  std::optional<double> accuracy;
};
struct product {
  text sku;
  std::optional<text> name;
  text price;
  std::int64_t quantity;
  texts categories;
  std::vector<std::pair<text, scalar>> attributes;
};
struct campaign {
  text source;
  std::optional<text> medium, name;
  std::optional<::page> landing;
};
struct session_info {
  text id;
  std::int64_t sequence;
  bool is_new;
  std::int64_t started;
};
struct navigation {
  text event_id;
  std::int64_t event_time, received_time, partner_id;
  text visitor_id, kind;
  ::page page;
  ::device device;
  std::optional<::geo> geo;
  std::vector<std::pair<text, text>> consents;
  std::vector<product> products;
  std::optional<::campaign> campaign;
  std::vector<std::pair<text, scalar>> custom;
  session_info session;
  texts tags;
};

using value = ondemand::value;

// The fields come in the order of the struct, so that no lookup goes back.
template <class Object>
value field(Object& object, text name) {
  return object.find_field(name).value();
}
void read(value from, text& to) { to = from.get_string(); }
void read(value from, std::int64_t& to) { to = from.get_int64(); }
void read(value from, double& to) { to = from.get_double(); }
void read(value from, bool& to) { to = from.get_bool(); }
void read(value from, size& to) {
  ondemand::object object = from;
  read(field(object, "width"), to.width);
  read(field(object, "height"), to.height);
}
template <class T>
void read(value from, std::optional<T>& to);
void read(value from, scalar& to);
void read(value from, product& to);
template <class T>
void read(value from, std::vector<T>& to) {
  to.clear();
  for (value item : from.get_array()) read(item, to.emplace_back());
}
template <class V>
void read(value from, std::vector<std::pair<text, V>>& to) {
  to.clear();
  for (auto member : from.get_object()) {
    auto& entry = to.emplace_back();
    entry.first = member.unescaped_key();
    read(member.value(), entry.second);
  }
}
void read(value from, scalar& to) {
  switch (from.type().value()) {
    case ondemand::json_type::null:
      to = std::monostate();
      break;
    case ondemand::json_type::boolean:
      to = from.get_bool().value();
      break;
    case ondemand::json_type::number: {
      ondemand::number number = from.get_number();
      if (number.is_double()) {
        to = number.get_double();
      } else {
        to = number.get_int64();
      }
      break;
    }
    case ondemand::json_type::string:
      to = from.get_string().value();
      break;
    case ondemand::json_type::array:
      read(from, to.emplace<texts>());
      break;
    case ondemand::json_type::object:
      std::abort();
  }
}
void read(value from, page& to) {
  ondemand::object object = from;
  read(field(object, "url"), to.url);
  read(field(object, "title"), to.title);
  read(field(object, "referrer"), to.referrer);
  read(field(object, "query"), to.query);
}
void read(value from, device& to) {
  ondemand::object object = from;
  read(field(object, "user_agent"), to.user_agent);
  read(field(object, "ip"), to.ip);
  read(field(object, "screen"), to.screen);
  read(field(object, "viewport"), to.viewport);
  read(field(object, "languages"), to.languages);
}
void read(value from, geo& to) {
  ondemand::object object = from;
  read(field(object, "country"), to.country);
  read(field(object, "city"), to.city);
  read(field(object, "lat"), to.lat);
  read(field(object, "lon"), to.lon);
  read(field(object, "accuracy"), to.accuracy);
}
void read(value from, product& to) {
  ondemand::object object = from;
  read(field(object, "sku"), to.sku);
  read(field(object, "name"), to.name);
  read(field(object, "price"), to.price);
  read(field(object, "quantity"), to.quantity);
  read(field(object, "categories"), to.categories);
  read(field(object, "attributes"), to.attributes);
}
void read(value from, campaign& to) {
  ondemand::object object = from;
  read(field(object, "source"), to.source);
  read(field(object, "medium"), to.medium);
  read(field(object, "name"), to.name);
  read(field(object, "landing"), to.landing);
}
void read(value from, session_info& to) {
  ondemand::object object = from;
  read(field(object, "id"), to.id);
  read(field(object, "sequence"), to.sequence);
  read(field(object, "is_new"), to.is_new);
  read(field(object, "started"), to.started);
}
template <class T>
void read(value from, std::optional<T>& to) {
  if (from.is_null()) {
    to.reset();
  } else {
    read(from, to.emplace());
  }
}
void read(ondemand::document& document, navigation& to) {
  ondemand::object object = document.get_object();
  read(field(object, "event_id"), to.event_id);
  read(field(object, "event_time"), to.event_time);
  read(field(object, "received_time"), to.received_time);
  read(field(object, "partner_id"), to.partner_id);
  read(field(object, "visitor_id"), to.visitor_id);
  read(field(object, "kind"), to.kind);
  read(field(object, "page"), to.page);
  read(field(object, "device"), to.device);
  read(field(object, "geo"), to.geo);
  read(field(object, "consents"), to.consents);
  read(field(object, "products"), to.products);
  read(field(object, "campaign"), to.campaign);
  read(field(object, "custom"), to.custom);
  read(field(object, "session"), to.session);
  read(field(object, "tags"), to.tags);
}

// Five of the fields; the others are passed over.
struct five_fields {
  std::int64_t event_time, partner_id, sequence;
  text visitor_id, url;
};
void read(ondemand::document& document, five_fields& to) {
  ondemand::object object = document.get_object();
  read(field(object, "event_time"), to.event_time);
  read(field(object, "partner_id"), to.partner_id);
  read(field(object, "visitor_id"), to.visitor_id);
  ondemand::object page = field(object, "page");
  read(field(page, "url"), to.url);
  ondemand::object session = field(object, "session");
  read(field(session, "sequence"), to.sequence);
}

std::uint64_t fnv1a(text data) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char byte : data) hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001B3U;
  return hash;
}

struct checksum {
  std::uint64_t total = 0;

  void add(text name, text value) { total += fnv1a(value) * (fnv1a(name) | 1U); }
  template <class T>
  void add_raw(text name, T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    add(name, text(raw, sizeof raw));
  }
  void add(text name, std::int64_t value) { add_raw(name, value); }
  void add(text name, bool value) { add_raw(name, std::int64_t{value}); }
  void add(text name, double value) { add_raw(name, value); }
  void add(text, std::monostate) {}
  void add(text name, const texts& values) {
    for (const text value : values) add(name, value);
  }
  void add(text name, const scalar& value) {
    std::visit([&](const auto& inner) { add(name, inner); }, value);
  }
  template <class T>
  void add(text name, const std::optional<T>& value) {
    if (value) add(name, *value);
  }
  template <class V>
  void add(text name, const std::vector<std::pair<text, V>>& entries) {
    for (const auto& [key, value] : entries) {
      add(name, key);
      add(key, value);
    }
  }
  void add(const page& from) {
    add("url", from.url);
    add("title", from.title);
    add("referrer", from.referrer);
    add("query", from.query);
  }
  void add(const std::optional<size>& from) {
    if (!from) return;
    add("width", from->width);
    add("height", from->height);
  }
  void add(const product& from) {
    add("sku", from.sku);
    add("name", from.name);
    std::string cents(from.price);
    cents.erase(cents.find('.'), 1);
    add("price", std::int64_t{std::stoll(cents)});
    add("quantity", from.quantity);
    add("categories", from.categories);
    add("attributes", from.attributes);
  }
  void add(const five_fields& nav) {
    add("event_time", nav.event_time);
    add("partner_id", nav.partner_id);
    add("visitor_id", nav.visitor_id);
    add("url", nav.url);
    add("sequence", nav.sequence);
  }
  void add(const navigation& nav) {
    add("event_id", nav.event_id);
    add("event_time", nav.event_time);
    add("received_time", nav.received_time);
    add("partner_id", nav.partner_id);
    add("visitor_id", nav.visitor_id);
    add("kind", nav.kind);
    add(nav.page);
    add("user_agent", nav.device.user_agent);
    char ip[16];
    for (std::size_t i = 0; i < sizeof ip; ++i) {
      std::uint8_t byte = 0;
      const char* at = nav.device.ip.data() + 2 * i;
      std::from_chars(at, at + 2, byte, 16);
      ip[i] = static_cast<char>(byte);
    }
    add("ip", text(ip, sizeof ip));
    add(nav.device.screen);
    add(nav.device.viewport);
    add("languages", nav.device.languages);
    if (nav.geo) {
      add("country", nav.geo->country);
      add("city", nav.geo->city);
      add("lat", nav.geo->lat);
      add("lon", nav.geo->lon);
      add("accuracy", nav.geo->accuracy);
    }
    add("consents", nav.consents);
    for (const product& one : nav.products) add(one);
    if (nav.campaign) {
      add("source", nav.campaign->source);
      add("medium", nav.campaign->medium);
      add("name", nav.campaign->name);
      if (nav.campaign->landing) add(*nav.campaign->landing);
    }
    add("custom", nav.custom);
    add("id", nav.session.id);
    add("sequence", nav.session.sequence);
    add("is_new", nav.session.is_new);
    add("started", nav.session.started);
    add("tags", nav.tags);
  }
};

// Every record once.
template <class T>
void pass(const std::vector<padded_string_view>& lines, ondemand::parser& parser, T& to, checksum* sum) {
  for (const padded_string_view one : lines) {
    ondemand::document document = parser.iterate(one);
    read(document, to);
    if (sum != nullptr) sum->add(to);
    asm volatile("" : : "r"(&to) : "memory");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream file(std::string(argv[1]) + "/navigation.jsonl", std::ios::binary);
  std::string raw{std::istreambuf_iterator<char>(file), {}};
  raw.reserve(raw.size() + SIMDJSON_PADDING);
  std::vector<padded_string_view> lines;
  for (std::size_t at = 0; at < raw.size();) {
    const std::size_t end = raw.find('\n', at);
    lines.emplace_back(raw.data() + at, end - at, end - at + SIMDJSON_PADDING);
    at = end + 1;
  }
  std::puts("simdjson On Demand, JSON\tsimdjson On Demand, JSON, five fields");
  std::fflush(stdout);
  ondemand::parser parser;
  navigation nav;
  five_fields five;
  for (std::string line; std::getline(std::cin, line);) {
    const bool summed = line.starts_with("sum\t");
    checksum sum;
    if (line.ends_with("five fields")) {
      pass(lines, parser, five, summed ? &sum : nullptr);
    } else {
      pass(lines, parser, nav, summed ? &sum : nullptr);
    }
    if (summed) {
      std::printf("%016" PRIx64 "\n", sum.total);
    } else {
      std::puts("done");
    }
    std::fflush(stdout);
  }
  return 0;
}
