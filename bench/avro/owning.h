// The reference schema in structs that own what they hold, described by hand: nothing views the message.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include <millrace/avro/type_descriptor.h>

#include "navigation.avsc.h"

namespace owning {

struct page {
  std::string url;
  std::optional<std::string> title;
  std::optional<std::string> referrer;
  std::unordered_map<std::string, std::string> query;
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

struct product {
  std::string sku;
  std::optional<std::string> name;
  millrace::byte_buffer price;
  std::int32_t quantity = 0;
  std::vector<std::string> categories;
  std::unordered_map<std::string, attribute> attributes;
};

struct campaign {
  std::string source;
  std::optional<std::string> medium;
  std::optional<std::string> name;
  std::optional<page> landing;
};

struct session_info {
  std::string id;
  std::int32_t sequence = 0;
  bool is_new = false;
  millrace::timestamp started;
};

struct navigation {
  millrace::uuid event_id;
  millrace::timestamp event_time;
  millrace::timestamp_micros received_time;
  std::int32_t partner_id = 0;
  std::string visitor_id;
  tracking::EventKind kind{};
  owning::page page;
  owning::device device;
  std::optional<owning::geo> geo;
  std::unordered_map<std::string, tracking::Consent> consents;
  std::vector<product> products;
  std::optional<owning::campaign> campaign;
  std::unordered_map<std::string, custom_value> custom;
  session_info session;
  std::vector<std::string> tags;
};

}  // namespace owning

namespace millrace::avro {

template <>
struct describe<owning::page> {
  static type_descriptor type() {
    using owning::page;
    return record_of<page>("Page",
                           {field("url", &page::url), field("title", &page::title),
                            field("referrer", &page::referrer), field("query", &page::query)},
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
template <>
struct describe<owning::product> {
  static type_descriptor type() {
    using owning::product;
    return record_of<product>(
        "Product",
        {field("sku", &product::sku), field("name", &product::name), field("price", &product::price),
         field("quantity", &product::quantity), field("categories", &product::categories),
         field("attributes", &product::attributes)},
        members::all);
  }
};
template <>
struct describe<owning::campaign> {
  static type_descriptor type() {
    using owning::campaign;
    return record_of<campaign>("Campaign",
                               {field("source", &campaign::source), field("medium", &campaign::medium),
                                field("name", &campaign::name), field("landing", &campaign::landing)},
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
template <>
struct describe<owning::navigation> {
  static type_descriptor type() {
    using owning::navigation;
    return record_of<navigation>(
        "Navigation",
        {field("event_id", &navigation::event_id), field("event_time", &navigation::event_time),
         field("received_time", &navigation::received_time), field("partner_id", &navigation::partner_id),
         field("visitor_id", &navigation::visitor_id), field("kind", &navigation::kind),
         field("page", &navigation::page), field("device", &navigation::device),
         field("geo", &navigation::geo), field("consents", &navigation::consents),
         field("products", &navigation::products), field("campaign", &navigation::campaign),
         field("custom", &navigation::custom), field("session", &navigation::session),
         field("tags", &navigation::tags)},
        members::all);
  }
};

}  // namespace millrace::avro
