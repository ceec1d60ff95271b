// JSON documents by a schema.
#include <millrace/avro/json_plan.h>
#include <millrace/avro/value.h>

#include "targets.h"

namespace millrace::avro::fuzz {
namespace {

// Each digit of the first line chooses one option.
[[nodiscard]] json_options options_of(std::string_view line) {
  const auto digit = [&](std::size_t i) {
    return i < line.size() ? static_cast<unsigned char>(line[i]) & 3U : 0U;
  };
  json_options options;
  options.limits = small_limits();
  options.bytes = digit(0) == 2   ? json_bytes::hexadecimal
                  : digit(0) == 1 ? json_bytes::latin1
                                  : json_bytes::base64;
  options.times = digit(1) == 1 ? json_times::text : json_times::number;
  options.decimals = digit(2) == 1 ? json_decimals::number : json_decimals::text;
  options.unions = digit(3) == 1 ? json_unions::tagged : json_unions::plain;
  return options;
}

void check_memory(const arena& memory, std::size_t input_bytes, const limits& limit) {
  // The binary form and what is decoded from it; blocks grow by doubling.
  const std::size_t binary = limit.output_bytes_base + limit.output_bytes_per_byte * input_bytes;
  const std::size_t decoded = limit.output_bytes_base + limit.output_bytes_per_byte * binary;
  invariant(memory.capacity() <= 4 * (binary + decoded) + (std::size_t{64} << 10),
            "decoding keeps to its limit of memory");
}

}  // namespace

void json(bytes_view input) {
  std::string_view rest = as_text(input);
  const json_options options = options_of(take_line(rest));
  parse_options parsing;
  parsing.limits = small_limits();
  const auto of = schema::parse(take_line(rest), parsing);
  if (!of) return;
  const auto decoder = json_decoder<value>::compile(*of, options);
  const auto encoder = json_encoder<value>::compile(*of, options);
  if (!decoder || !encoder) return;
  // One exact copy, so that a read past its end is seen.
  const byte_buffer document(as_bytes(rest).begin(), as_bytes(rest).end());
  arena memory;
  value decoded;
  const auto read = decoder->decode(document, memory, decoded);
  check_memory(memory, document.size(), options.limits);
  if (!read) return;
  byte_buffer written;
  if (const auto done = encoder->encode(decoded, written); !done) {
    // Deeper than the encoder goes, more text than the limit, or a number without a JSON form.
    const errc code = done.error().code();
    invariant(code == errc::limit_exceeded || code == errc::unresolvable, "what was read can be written");
    return;
  }
  arena other;
  value second;
  const auto again = decoder->decode(written, other, second);
  if (!again && again.error().code() == errc::limit_exceeded) return;
  invariant(again.ok(), "what was written can be read");
  byte_buffer twice;
  invariant(encoder->encode(second, twice).ok(), "what was written can be written again");
  invariant(as_text(written) == as_text(twice), "a document that was written stays as it is");
}

}  // namespace millrace::avro::fuzz
