// The checksum of README.md, over any struct with the reference schema's members: views or owners, the
// reference's own types or promoted ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

#include <millrace/avro/type_descriptor.h>
#include <millrace/avro/value.h>
#include <millrace/base/values.h>

namespace millrace::bench {

[[nodiscard]] inline std::uint64_t fnv1a(std::string_view data) noexcept {
  std::uint64_t value = 0xCBF29CE484222325U;
  for (const char byte : data) value = (value ^ static_cast<std::uint8_t>(byte)) * 0x100000001B3U;
  return value;
}

class checksum {
 public:
  [[nodiscard]] std::uint64_t value() const noexcept { return total_; }

  void add(std::string_view name, std::string_view text) noexcept {
    total_ += fnv1a(text) * (fnv1a(name) | 1U);
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  void add(std::string_view name, T number) noexcept {
    using wide = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
    const auto widened = static_cast<wide>(number);
    char raw[sizeof widened];
    std::memcpy(raw, &widened, sizeof widened);
    add(name, std::string_view(raw, sizeof raw));
  }
  template <class E>
    requires std::is_enum_v<E>
  void add(std::string_view name, E symbol) noexcept {
    add(name, avro::symbol_of(symbol));
  }
  template <class Duration>
  void add(std::string_view name, std::chrono::sys_time<Duration> instant) noexcept {
    add(name, static_cast<std::int64_t>(instant.time_since_epoch().count()));
  }
  void add(std::string_view /*name*/, std::monostate /*null*/) noexcept {}
  void add(std::string_view name, const uuid& value) { add(name, std::string_view(value.to_string())); }
  void add(std::string_view name, bytes_view value) noexcept {
    add(name, std::string_view(reinterpret_cast<const char*>(value.data()), value.size()));
  }
  void add(std::string_view name, const decimal_view& value) { add(name, value.unscaled_int64().value()); }
  template <class T>
  void add(std::string_view name, const std::optional<T>& value) {
    if (value) add(name, *value);
  }
  template <class... Ts>
  void add(std::string_view name, const std::variant<Ts...>& value) {
    std::visit([&](const auto& inner) { add(name, inner); }, value);
  }
  // Arrays of strings.
  template <class List>
    requires std::convertible_to<typename List::value_type, std::string_view> &&
             (!std::convertible_to<List, std::string_view>)
  void add(std::string_view name, const List& items) {
    for (const auto& item : items) add(name, std::string_view(item));
  }
  template <class Map>
  void add_map(std::string_view name, const Map& entries) {
    for (const auto& [key, value] : entries) {
      add(name, std::string_view(key));
      if constexpr (std::convertible_to<decltype(value), std::string_view>) {
        add(key, std::string_view(value));
      } else {
        add(key, value);
      }
    }
  }

  // A value of any type.
  void add_value(std::string_view name, const avro::value& from) {
    switch (from.type().type) {
      case avro::schema_type::null:
      case avro::schema_type::union_of:  // never a value's type
        break;
      case avro::schema_type::boolean:
        add(name, from.boolean());
        break;
      case avro::schema_type::int32:
      case avro::schema_type::int64:
        add(name, from.int64());
        break;
      case avro::schema_type::float32:
      case avro::schema_type::float64:
        add(name, from.float64());
        break;
      case avro::schema_type::string:
        add(name, from.text());
        break;
      case avro::schema_type::bytes:
        add(name, from.decimal().value());
        break;
      case avro::schema_type::fixed:
        add(name, from.bytes());
        break;
      case avro::schema_type::enumeration:
        add(name, from.symbol());
        break;
      case avro::schema_type::array:
        for (const avro::value& item : from.items()) add_value(name, item);
        break;
      case avro::schema_type::map:
        for (const auto& [key, value] : from.entries()) {
          add(name, key);
          add_value(key, value);
        }
        break;
      case avro::schema_type::record:
        for (std::size_t i = 0; i < from.fields().size(); ++i) {
          add_value(from.type().fields[i].name, from.fields()[i]);
        }
        break;
    }
  }

  template <class Page>
  void add_page(const Page& page) {
    add("url", std::string_view(page.url));
    add("title", page.title);
    add("referrer", page.referrer);
    add_map("query", page.query);
  }
  template <class Size>
  void add_size(const std::optional<Size>& size) {
    if (!size) return;
    add("width", size->width);
    add("height", size->height);
  }
  template <class Geo>
  void add_geo(const Geo& geo) {
    add("country", std::string_view(geo.country));
    add("city", geo.city);
    add("lat", geo.lat);
    add("lon", geo.lon);
    add("accuracy", geo.accuracy);
  }
  template <class Product>
  void add_product(const Product& product) {
    add("sku", std::string_view(product.sku));
    add("name", product.name);
    add("price", decimal_of(product.price));
    add("quantity", product.quantity);
    add("categories", product.categories);
    add_map("attributes", product.attributes);
  }
  template <class Navigation>
  void add_navigation(const Navigation& nav) {
    add("event_id", nav.event_id);
    add("event_time", nav.event_time);
    add("received_time", nav.received_time);
    add("partner_id", nav.partner_id);
    add("visitor_id", std::string_view(nav.visitor_id));
    add("kind", nav.kind);
    add_page(nav.page);
    add("user_agent", std::string_view(nav.device.user_agent));
    add("ip", bytes_view(nav.device.ip));
    add_size(nav.device.screen);
    add_size(nav.device.viewport);
    add("languages", nav.device.languages);
    if (nav.geo) add_geo(*nav.geo);
    add_map("consents", nav.consents);
    for (const auto& product : nav.products) add_product(product);
    if (nav.campaign) {
      add("source", std::string_view(nav.campaign->source));
      add("medium", nav.campaign->medium);
      add("name", nav.campaign->name);
      if (nav.campaign->landing) add_page(*nav.campaign->landing);
    }
    add_map("custom", nav.custom);
    add("id", std::string_view(nav.session.id));
    add("sequence", nav.session.sequence);
    add("is_new", nav.session.is_new);
    add("started", nav.session.started);
    add("tags", nav.tags);
  }

 private:
  [[nodiscard]] static decimal_view decimal_of(const decimal_view& view) noexcept { return view; }
  [[nodiscard]] static decimal_view decimal_of(const byte_buffer& unscaled) noexcept { return {unscaled, 2}; }

  std::uint64_t total_ = 0;
};

}  // namespace millrace::bench
