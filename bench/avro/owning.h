// The reference schema in structs that own what they hold, described by hand: nothing views the message.
// `Map` is what maps become.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <navigation.avsc.h>

#include <millrace/avro/type_descriptor.h>

namespace owning {

template <class V>
using pairs = std::vector<std::pair<std::string, V>>;
template <class V>
using hash_map = std::unordered_map<std::string, V>;

template <template <class> class Map>
struct page {
  std::string url;
  std::optional<std::string> title;
  std::optional<std::string> referrer;
  Map<std::string> query;
};

struct device {
  std::string user_agent;
  std::array<std::byte, 16> ip{};
  std::optional<tracking::Size> screen;
  std::optional<tracking::Size> viewport;
  std::vector<std::string> languages;
};

struct geo {
  std::string country;
  std::optional<std::string> city;
  double lat = 0;
  double lon = 0;
  std::optional<float> accuracy;
};

using attribute = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using custom_value = std::variant<std::monostate, bool, std::int32_t, std::int64_t, double, std::string,
                                  std::vector<std::string>>;

template <template <class> class Map>
struct product {
  std::string sku;
  std::optional<std::string> name;
  millrace::byte_buffer price;
  std::int32_t quantity = 0;
  std::vector<std::string> categories;
  Map<attribute> attributes;
};

template <template <class> class Map>
struct campaign {
  std::string source;
  std::optional<std::string> medium;
  std::optional<std::string> name;
  std::optional<owning::page<Map>> landing;
};

struct session_info {
  std::string id;
  std::int32_t sequence = 0;
  bool is_new = false;
  millrace::timestamp started;
};

template <template <class> class Map>
struct navigation {
  millrace::uuid event_id;
  millrace::timestamp event_time;
  millrace::timestamp_micros received_time;
  std::int32_t partner_id = 0;
  std::string visitor_id;
  tracking::EventKind kind{};
  owning::page<Map> page;
  owning::device device;
  std::optional<owning::geo> geo;
  Map<tracking::Consent> consents;
  std::vector<product<Map>> products;
  std::optional<owning::campaign<Map>> campaign;
  Map<custom_value> custom;
  session_info session;
  std::vector<std::string> tags;
};

}  // namespace owning

namespace millrace::avro {

template <template <class> class Map>
struct describe<owning::page<Map>> {
  static type_descriptor type() {
    using type_of = owning::page<Map>;
    return record_of<type_of>("Page",
                              {field("url", &type_of::url), field("title", &type_of::title),
                               field("referrer", &type_of::referrer), field("query", &type_of::query)},
                              members::all);
  }
};
template <>
struct describe<owning::device> {
  static type_descriptor type() {
    using owning::device;
    return record_of<device>(
        "Device",
        {field("user_agent", &device::user_agent), field("ip", &device::ip), field("screen", &device::screen),
         field("viewport", &device::viewport), field("languages", &device::languages)},
        members::all);
  }
};
template <>
struct describe<owning::geo> {
  static type_descriptor type() {
    using owning::geo;
    return record_of<geo>(
        "Geo",
        {field("country", &geo::country), field("city", &geo::city), field("lat", &geo::lat),
         field("lon", &geo::lon), field("accuracy", &geo::accuracy)},
        members::all);
  }
};
template <template <class> class Map>
struct describe<owning::product<Map>> {
  static type_descriptor type() {
    using type_of = owning::product<Map>;
    return record_of<type_of>(
        "Product",
        {field("sku", &type_of::sku), field("name", &type_of::name), field("price", &type_of::price),
         field("quantity", &type_of::quantity), field("categories", &type_of::categories),
         field("attributes", &type_of::attributes)},
        members::all);
  }
};
template <template <class> class Map>
struct describe<owning::campaign<Map>> {
  static type_descriptor type() {
    using type_of = owning::campaign<Map>;
    return record_of<type_of>("Campaign",
                              {field("source", &type_of::source), field("medium", &type_of::medium),
                               field("name", &type_of::name), field("landing", &type_of::landing)},
                              members::all);
  }
};
template <>
struct describe<owning::session_info> {
  static type_descriptor type() {
    using owning::session_info;
    return record_of<session_info>(
        "SessionInfo",
        {field("id", &session_info::id), field("sequence", &session_info::sequence),
         field("is_new", &session_info::is_new), field("started", &session_info::started)},
        members::all);
  }
};
template <template <class> class Map>
struct describe<owning::navigation<Map>> {
  static type_descriptor type() {
    using type_of = owning::navigation<Map>;
    return record_of<type_of>(
        "Navigation",
        {field("event_id", &type_of::event_id), field("event_time", &type_of::event_time),
         field("received_time", &type_of::received_time), field("partner_id", &type_of::partner_id),
         field("visitor_id", &type_of::visitor_id), field("kind", &type_of::kind),
         field("page", &type_of::page), field("device", &type_of::device), field("geo", &type_of::geo),
         field("consents", &type_of::consents), field("products", &type_of::products),
         field("campaign", &type_of::campaign), field("custom", &type_of::custom),
         field("session", &type_of::session), field("tags", &type_of::tags)},
        members::all);
  }
};

}  // namespace millrace::avro
