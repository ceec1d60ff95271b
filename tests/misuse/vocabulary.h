// What the cases speak of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/app/millrace.h>

// NOLINTNEXTLINE(google-global-names-in-headers): the cases read as an application does.
using namespace millrace;

struct visit {
  std::string_view visitor;
};
struct profile {
  std::string_view segment;
  double score;
};

template <>
struct millrace::avro::describe<visit> {
  static type_descriptor type() { return record_of<visit>("visit", {field("visitor", &visit::visitor)}); }
};
