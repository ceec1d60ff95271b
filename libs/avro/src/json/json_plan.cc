#include <string>

#include <millrace/avro/json_plan.h>
#include <millrace/base/assert.h>

#include "json/binary_printer.h"
#include "json/reader.h"
#include "json/shape.h"

namespace millrace::avro {

result<json_plan> json_plan::compile(const schema& documents, const type_descriptor& target,
                                     const json_options& options) {
  auto code = compile_json(documents, options);
  if (!code) return std::move(code).error();
  plan_options binary;
  binary.limits = options.limits;
  auto compiled = plan::compile(documents, target, binary);
  if (!compiled) return std::move(compiled).error();
  return json_plan(*std::move(code), *std::move(compiled));
}

result<void> json_plan::decode(bytes_view in, arena& memory, void* out) const {
  const auto datum = json_reader(*code_, memory).read(in);
  if (!datum) return datum.error();
  const auto used = binary_.decode(*datum, memory, out);
  // Every datum is valid; the target may lack a branch or a symbol, or the memory may end.
  if (!used) return used.error().in("the document as the target");
  invariant(*used == datum->size(), "a document is one datum");
  return {};
}

result<json_encode_plan> json_encode_plan::compile(const schema& documents, const type_descriptor& source,
                                                   const json_options& options) {
  auto code = compile_json(documents, options);
  if (!code) return std::move(code).error();
  encode_options binary;
  binary.limits = options.limits;
  auto compiled = encode_plan::compile(documents, source, binary);
  if (!compiled) return std::move(compiled).error();
  return json_encode_plan(*std::move(code), *std::move(compiled));
}

result<void> json_encode_plan::encode(const void* value, byte_buffer& out) const {
  byte_buffer datum;
  if (auto encoded = binary_.encode(value, datum); !encoded) return encoded;
  std::string text;
  constexpr std::size_t text_per_byte = 2;
  text.reserve(text_per_byte * datum.size());
  if (auto printed = binary_printer(*code_, text).print(datum); !printed) return printed;
  const bytes_view bytes = as_bytes(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return {};
}

}  // namespace millrace::avro
