// The compiled form of a schema for JSON text: one shape per type, with the tables that reading and writing
// need. Data goes between JSON text and Avro's binary form of the same schema; structs are the business of the
// binary plans.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/avro/json_plan.h>
#include <millrace/avro/schema.h>

#include "json/name_table.h"

namespace millrace::avro {

enum class shape_kind : std::uint8_t {
  null,
  boolean,
  int32,
  int64,
  float32,
  float64,
  string,
  uuid_text,   // on string
  uuid_fixed,  // on fixed
  bytes,
  fixed,
  decimal,
  decimal_fixed,
  big_decimal,
  date,
  time,     // time-millis, time-micros
  instant,  // timestamp-*
  local_instant,
  duration,
  enumeration,
  array,
  map,
  record,
  optional,  // of null and one other
  union_of,
};

// The JSON types, as their first byte shows them.
enum class token : std::uint8_t { null, boolean, number, text, array, object, none };
inline constexpr std::size_t tokens_count = 6;
using token_mask = std::uint8_t;
[[nodiscard]] constexpr token_mask mask_of(token one) noexcept {
  return one == token::none ? token_mask{0} : static_cast<token_mask>(1U << static_cast<unsigned>(one));
}
[[nodiscard]] token token_of(std::uint8_t first) noexcept;
// "a string".
[[nodiscard]] std::string_view to_string(token one) noexcept;

inline constexpr std::uint32_t no_index = UINT32_MAX;
inline constexpr std::uint8_t no_branch_index = 0xFF;

struct json_field {
  std::string quoted;  // the name with its quotes
  // The same as two words of which the mask's bits count, where it has at most 16 bytes.
  std::array<std::uint64_t, 2> words{};
  std::array<std::uint64_t, 2> masks{};
  std::uint32_t shape = 0;
  bool has_default = false;
  byte_buffer missing;  // what stands for it when it is missing, in binary form
  [[nodiscard]] std::string_view name() const noexcept {
    return std::string_view(quoted).substr(1, quoted.size() - 2);
  }
};

struct json_branch {
  std::string quoted;  // the branch's name with quotes, as wrappers have it
  std::uint32_t shape = 0;
  std::uint32_t wrapped = 0;  // the shape inside a wrapper, where every form is allowed
  // The wrapper {"name": value} is also what a map or record of the union may be: the types of `value` for
  // which it is read as that.
  token_mask plain = 0;
};

// Which branch a JSON type chooses.
struct union_choice {
  std::array<std::uint32_t, tokens_count> by_token{};  // no_index: none
  std::uint32_t int32 = no_index;                      // of the numbers
  std::uint32_t int64 = no_index;
  std::uint32_t float32 = no_index;
  std::uint32_t float64 = no_index;
  bool several_enums = false;  // text is looked up in each
};

struct json_shape {
  shape_kind kind = shape_kind::null;
  token_mask accepts = 0;
  bool wide = false;                          // date, time, instants: of a long
  std::uint8_t digits = 0;                    // of a second: 0, 3, 6, 9
  std::uint8_t null_index = no_branch_index;  // optional: the indices of its branches, as bytes of a varint
  std::uint8_t value_index = no_branch_index;
  std::uint32_t item = no_index;  // of arrays, maps, optionals
  std::uint32_t size = 0;         // of fixed
  std::int32_t scale = 0;
  std::int32_t precision = 0;
  std::uint32_t default_symbol = no_index;
  const schema_node* node = nullptr;
  std::vector<json_field> fields;
  std::vector<json_branch> branches;  // of optionals too
  name_table names;                   // of fields with their aliases; of symbols
  std::vector<std::string> symbols;   // quoted
  union_choice choice;
};

struct json_code {
  std::vector<json_shape> shapes;
  std::uint32_t root = 0;
  json_options options;
  schema kept;  // `node`s point into it

  explicit json_code(schema documents) : kept(std::move(documents)) {}
  [[nodiscard]] const json_shape& at(std::uint32_t index) const noexcept { return shapes[index]; }
};

[[nodiscard]] result<std::shared_ptr<const json_code>> compile_json(const schema& documents,
                                                                    const json_options& options);

// How messages name a type: "int", "decimal", "com.example.Page", "null, long or string".
[[nodiscard]] std::string name_of(const json_code& code, const json_shape& shape);

}  // namespace millrace::avro
