// A struct with five of the reference record's fields: checksum.py's PROJECTION.
#pragma once

#include <cstdint>
#include <string_view>

#include <millrace/avro/type_descriptor.h>
#include <millrace/base/values.h>

#include "checksum.h"

namespace millrace::bench {

struct five_fields {
  struct page_url {
    std::string_view url;
  };
  struct session_sequence {
    std::int32_t sequence = 0;
  };
  timestamp event_time;
  std::int32_t partner_id = 0;
  std::string_view visitor_id;
  page_url page;
  session_sequence session;
};

inline void add_to(checksum& sum, const five_fields& nav) {
  sum.add("event_time", nav.event_time);
  sum.add("partner_id", nav.partner_id);
  sum.add("visitor_id", nav.visitor_id);
  sum.add("url", nav.page.url);
  sum.add("sequence", nav.session.sequence);
}

}  // namespace millrace::bench

template <>
struct millrace::avro::describe<millrace::bench::five_fields::page_url> {
  using type_of = millrace::bench::five_fields::page_url;
  static type_descriptor type() { return record_of<type_of>("Page", {field("url", &type_of::url)}); }
};
template <>
struct millrace::avro::describe<millrace::bench::five_fields::session_sequence> {
  using type_of = millrace::bench::five_fields::session_sequence;
  static type_descriptor type() {
    return record_of<type_of>("SessionInfo", {field("sequence", &type_of::sequence)});
  }
};
template <>
struct millrace::avro::describe<millrace::bench::five_fields> {
  using type_of = millrace::bench::five_fields;
  static type_descriptor type() {
    return record_of<type_of>(
        "Navigation",
        {field("event_time", &type_of::event_time), field("partner_id", &type_of::partner_id),
         field("visitor_id", &type_of::visitor_id), field("page", &type_of::page),
         field("session", &type_of::session)},
        members::all);
  }
};
