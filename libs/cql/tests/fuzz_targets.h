// What tests/fuzz runs of this library. Each target takes any bytes and must return within its limits of time and memory;
// what it finds wrong beyond that breaks an invariant and aborts. The targets are here, as they read private headers.
#pragma once

#include <millrace/base/bytes.h>

namespace millrace::cql::fuzz {

void frame(
    bytes_view input);  // flags of the header, kind of the answer (0 RESULT, 1 ERROR, 2 SUPPORTED), body
void prepared(bytes_view input);    // a byte of options, a prepared statement with its description
void tablet(bytes_view input);      // a payload with a tablet
void compressed(bytes_view input);  // a byte of options (the algorithm), a compressed body
void cells(bytes_view input);       // cells of a row, or values of a statement

}  // namespace millrace::cql::fuzz
