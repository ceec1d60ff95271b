// What the handlers of one request pass around; private to the dispatcher's sources.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cql_dispatch.h"

namespace millrace::emulators::cql {

// Where a request that names one partition belongs.
struct dispatcher::location {
  std::int64_t token;
  const table_routing& in;
};

// What the handlers of one frame pass around.
struct dispatcher::request {
  session& with;
  std::int16_t stream;
  std::string_view body;
  std::string& out;
  operation kind = operation::control;

  template <typename F>
  fate answer(opcode op, F&& fill) {
    const std::size_t begun = begin_frame(out, op, stream);
    fill(out);
    end_frame(out, begun);
    return {};
  }
};

}  // namespace millrace::emulators::cql
