// What is fuzzed. Each target takes any bytes and must return within its limits of time and memory; what it
// finds wrong beyond that (two paths that disagree, a value that does not survive) breaks an invariant and
// aborts.
//
// Where a target takes schemas and data, each schema is a line of its own in front, the data is the rest.
#pragma once

#include <string_view>

#include <millrace/avro/limits.h>
#include <millrace/base/bytes.h>

namespace millrace::statements::fuzz {

void statement(bytes_view input);  // a CQL statement

}  // namespace millrace::statements::fuzz

// As libs/cql/tests/fuzz_targets.h declares them, which also says what each takes.
namespace millrace::cql::fuzz {

void frame(bytes_view input);
void prepared(bytes_view input);
void tablet(bytes_view input);
void compressed(bytes_view input);
void cells(bytes_view input);

}  // namespace millrace::cql::fuzz

namespace millrace::avro::fuzz {

void schema_text(bytes_view input);   // a schema, all of the input
void plan_compile(bytes_view input);  // writer, reader
void decode(bytes_view input);        // writer, datum
void resolve(bytes_view input);       // writer, reader, datum
void container(bytes_view input);     // an object container file
void json(bytes_view input);          // a byte of options, schema, document
void framing(bytes_view input);       // a byte of options, a header of that many bytes, a message

struct target {
  std::string_view name;  // also the folder of its corpus
  void (*run)(bytes_view input);
};
inline constexpr target targets[] = {{"schema", schema_text},
                                     {"plan", plan_compile},
                                     {"decode", decode},
                                     {"resolve", resolve},
                                     {"container", container},
                                     {"json", json},
                                     {"framing", framing},
                                     {"statement", statements::fuzz::statement},
                                     {"cql_frame", cql::fuzz::frame},
                                     {"cql_prepared", cql::fuzz::prepared},
                                     {"cql_tablet", cql::fuzz::tablet},
                                     {"cql_compressed", cql::fuzz::compressed},
                                     {"cql_cells", cql::fuzz::cells}};

// Small, so that a run is short and reaches the limits.
[[nodiscard]] limits small_limits();

// Cuts the first line off.
[[nodiscard]] std::string_view take_line(std::string_view& rest);

}  // namespace millrace::avro::fuzz
