// The limits of the codec: one object for every path (schema text, defaults, plan, read, skip, JSON), so that
// no path is weaker than another. The input is untrusted: a count or a length is compared with the rest of
// the message before it is used.
//
// Example:
//
//   const avro::limits strict{.depth_max = 16, .output_bytes_base = std::size_t{64} << 10U};
//   const auto schema = avro::schema::parse(R"("int")", {.limits = strict});
//   if (!schema) return schema.error();
//
// Example prelude:
//
//   #include <millrace/avro/schema.h>
//
// Threads: a plain value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::avro {

// Exceeding a limit is errc::limit_exceeded.
struct limits {
  // Schemas.
  std::size_t schema_text_bytes_max = std::size_t{1} << 20;
  std::size_t schema_nodes_max = 20'000;  // types, references included
  std::size_t schema_depth_max = 64;      // types inside types; JSON text may nest four times as deep
  std::size_t name_bytes_max = 1024;      // one full name
  std::size_t union_branches_max = 4096;
  std::size_t enum_symbols_max = 65'536;
  std::size_t fixed_bytes_max = std::size_t{16} << 20;
  std::size_t default_bytes_max = std::size_t{64} << 10;  // one default, in Avro's binary form
  // All defaults that one schema checks, or one plan needs; each value in them counts 8 bytes more.
  std::size_t default_bytes_total_max = std::size_t{4} << 20;
  // Plans.
  std::size_t plan_ops_max = 200'000;
  // One datum.
  // Arrays, maps and recursive records that are open at once; 128 at most, whatever is set.
  std::size_t depth_max = 64;
  std::uint64_t zero_byte_items_max = 1'000'000;  // items that cost no wire byte, summed over the datum
  // Memory of one decoded datum: base + per_byte × size of the message. It bounds false counts and defaults
  // of the reader that amplify a small datum.
  std::size_t output_bytes_base = std::size_t{1} << 20;
  std::size_t output_bytes_per_byte = 64;
  // JSON text of one datum, read or written.
  std::size_t json_text_bytes_max = std::size_t{64} << 20;
};

}  // namespace millrace::avro
