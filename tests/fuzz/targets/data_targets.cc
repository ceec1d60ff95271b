// Data: of one schema, read by another, in container files, behind frames.
#include <millrace/avro/container.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/projection.h>
#include <millrace/avro/value.h>

#include "targets.h"

namespace millrace::avro::fuzz {
namespace {

constexpr std::size_t json_overhead = 16;

// What was decoded can be written by its own schema and read back.
void check_survives(const schema& of, const value& datum, const plan_options& options) {
  const auto writer = encoder<value>::compile(of, encode_options{.limits = options.limits});
  const auto reader = decoder<value>::compile(of, options);
  if (!writer || !reader) return;
  byte_buffer bytes;
  if (!writer->encode(datum, bytes)) return;  // deeper than the encoder goes
  arena memory;
  value again;
  const auto used = reader->decode(bytes, memory, again);
  if (!used && used.error().code() == errc::limit_exceeded) return;
  invariant(used.ok() && *used == bytes.size(), "what was encoded can be decoded");
  invariant(equal(datum, again), "a value survives encoding");
}

// Skipping a value takes as many bytes as reading it. Where a block's size lies, only a strict reader sees
// it: a skip trusts it.
void check_skipped(const schema& writer, bytes_view datum, plan_options options) {
  const auto nothing = projection::compile(writer, {}, options);
  options.strict = true;
  const auto plan = decoder<value>::compile(writer, options);
  if (!nothing || !plan) return;
  arena memory;
  value decoded;
  const auto read = plan->decode(datum, memory, decoded);
  if (!read) return;
  const auto skipped = nothing->decode(datum, memory, {});
  invariant(skipped.ok() && *skipped == *read, "a value is skipped as it is read");
}

void check_json(const schema& of, const value& datum, const plan_options& options) {
  static_cast<void>(to_json(of, datum, json_form::plain, options.limits));
  const auto text = to_json(of, datum, json_form::avro, options.limits);
  if (!text) return;
  invariant(text->size() <= options.limits.json_text_bytes_max + json_overhead,
            "JSON text keeps to its limit");
  byte_buffer bytes;
  static_cast<void>(encode_json(of, *text, bytes, options.limits));
}

[[nodiscard]] std::size_t output_max(std::size_t input_bytes, const limits& limit) {
  return limit.output_bytes_base + limit.output_bytes_per_byte * input_bytes;
}

void check_memory(const arena& memory, std::size_t input_bytes, const limits& limit) {
  // Blocks grow by doubling.
  invariant(memory.capacity() <= 4 * output_max(input_bytes, limit) + (std::size_t{64} << 10),
            "decoding keeps to its limit of memory");
}

}  // namespace

void decode(bytes_view input) {
  std::string_view rest = as_text(input);
  parse_options parsing;
  parsing.limits = small_limits();
  parsing.check_defaults = false;
  const auto writer = schema::parse(take_line(rest), parsing);
  if (!writer) return;
  plan_options options;
  options.limits = small_limits();
  const auto plan = decoder<value>::compile(*writer, options);
  if (!plan) return;
  // One exact copy, so that a read past its end is seen.
  const byte_buffer datum(as_bytes(rest).begin(), as_bytes(rest).end());
  arena memory;
  value decoded;
  const auto used = plan->decode(datum, memory, decoded);
  check_memory(memory, datum.size(), options.limits);
  check_skipped(*writer, datum, options);
  static_cast<void>(decode_to_json(*writer, datum, json_form::plain, options.limits));
  if (!used) return;
  invariant(*used <= datum.size(), "no more is used than there is");
  check_survives(*writer, decoded, options);
  check_json(*writer, decoded, options);
  options.strict = true;
  options.validate_utf8 = false;
  const auto careless = decoder<value>::compile(*writer, options);
  invariant(careless.ok(), "options do not change whether a plan compiles");
  memory.reset();
  static_cast<void>(careless->decode(datum, memory, decoded));
}

void resolve(bytes_view input) {
  std::string_view rest = as_text(input);
  parse_options parsing;
  parsing.limits = small_limits();
  const auto writer = schema::parse(take_line(rest), parsing);
  const auto reader = schema::parse(take_line(rest), parsing);
  if (!writer || !reader) return;
  plan_options options;
  options.limits = small_limits();
  const auto plan = decoder<value>::compile(*writer, *reader, options);
  if (!plan) return;
  const byte_buffer datum(as_bytes(rest).begin(), as_bytes(rest).end());
  arena memory;
  value decoded;
  const auto used = plan->decode(datum, memory, decoded);
  check_memory(memory, datum.size(), options.limits);
  if (!used) return;
  invariant(*used <= datum.size(), "no more is used than there is");
  check_survives(*reader, decoded, options);
  check_skipped(*writer, datum, options);
}

void container(bytes_view input) {
  container_read_options options;
  options.limits = small_limits();
  options.container.metadata_bytes_max = std::size_t{64} << 10;
  options.container.metadata_entries_max = 64;
  options.container.block_bytes_max = std::size_t{64} << 10;
  auto file = container_reader::open(input_of(input), options);
  if (!file) return;
  plan_options decoding;
  decoding.limits = small_limits();
  const auto plan = decoder<value>::compile((*file)->writer(), decoding);
  if (!plan) return;
  byte_buffer copy;
  auto writer = container_writer::create(output_into(copy), (*file)->writer());
  invariant(writer.ok(), "a file that can be read can be written");
  constexpr std::uint64_t records_max = 20'000;
  arena memory;
  value datum;
  std::uint64_t records = 0;
  for (; records < records_max; ++records) {
    const auto front = (*file)->next();
    if (!front || !front->has_value()) break;
    memory.reset();
    const auto used = plan->decode(**front, memory, datum);
    if (!used || !(*writer)->append((*front)->first(*used)) || !(*file)->took(*used)) break;
  }
  invariant((*writer)->close().ok(), "what was read can be written");
  const auto again = container_reader::open(input_of(copy), options);
  invariant(again.ok() || again.error().code() == errc::limit_exceeded, "what was written can be read");
}

void framing(bytes_view input) {
  if (const auto frame = split_frame(input)) {
    byte_buffer again;
    append_frame(frame->schema_id, again);
    again.insert(again.end(), frame->datum.begin(), frame->datum.end());
    invariant(as_text(again) == as_text(input), "a frame is what it is made of");
  }
  if (const auto object = split_single_object(input)) {
    byte_buffer again;
    append_single_object(object->fingerprint, again);
    again.insert(again.end(), object->datum.begin(), object->datum.end());
    invariant(as_text(again) == as_text(input), "a single object is what it is made of");
  }
  static_cast<void>(split_message(std::nullopt, input));
  if (input.empty()) return;
  const std::size_t header_bytes =
      std::min<std::size_t>(std::to_integer<std::size_t>(input[0]), input.size() - 1);
  const bytes_view header = input.subspan(1, header_bytes);
  const bytes_view payload = input.subspan(1 + header_bytes);
  const auto keyed = split_message(header, payload);
  if (keyed && keyed->has_value())
    invariant((*keyed)->datum.size() <= payload.size(), "a datum is of its message");
  static_cast<void>(split_message(header, std::nullopt));
}

}  // namespace millrace::avro::fuzz
