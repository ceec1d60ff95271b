// The limit: a decoder of exactly the reference schema, written by hand, with the codec's checks. What a plan
// costs over it is the price of knowing the schema only at run time.
#pragma once

#include <navigation.avsc.h>

#include <millrace/avro/arena.h>
#include <millrace/base/bytes.h>

namespace millrace::bench::straight_line {

// False: the datum is not well-formed, has bytes behind it, or exceeds the codec's default limits.
[[nodiscard]] bool decode(bytes_view datum, avro::arena& memory, tracking::Navigation& out);
// Strings are taken as they are.
[[nodiscard]] bool decode_unchecked(bytes_view datum, avro::arena& memory, tracking::Navigation& out);

}  // namespace millrace::bench::straight_line
