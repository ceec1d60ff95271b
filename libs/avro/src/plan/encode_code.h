// The compiled form of an encoder: a tree that mirrors the schema, each node knowing where its value stands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <millrace/avro/encoder.h>

namespace millrace::avro {

enum class encode_op : std::uint8_t {
  nothing,   // null
  constant,  // a default, already encoded
  boolean,
  from_int32,
  from_int64,
  days,  // 64 bits in memory, an int on the wire
  raw,   // float, double, fixed, duration: the bytes in memory
  float_to_double,
  string,
  owned_string,
  bytes,
  owned_bytes,
  uuid_text,
  decimal,
  decimal_fixed,
  big_decimal,
  symbol,
  branch,        // union index `number`, then the child
  alternatives,  // the child of the active alternative
  pointer,       // child 0 for null, child 1 for the pointee
  record,
  items,
  entries,
  owned_entries,
  any_value,  // an avro::value, by `schema`
};

inline constexpr std::uint32_t no_node = UINT32_MAX;

struct encode_child {
  std::uint32_t node = no_node;
  std::uint32_t offset = 0;
};

struct encode_node {
  encode_op code = encode_op::nothing;
  bool is_signed = false;   // symbol
  std::size_t size = 0;     // bytes, or bytes from item to item
  std::int64_t number = 0;  // branch, scale
  std::vector<encode_child> children;
  std::vector<std::int32_t> dense_symbols;       // value → index of the symbol, -1 for none
  std::map<std::int32_t, std::int32_t> symbols;  // the rest
  byte_buffer constant;
  const type_operations* operations = nullptr;
  const schema_node* schema = nullptr;
  std::string path;
};

struct encode_code {
  std::vector<encode_node> nodes;
  std::uint32_t root = 0;
  std::size_t depth_max = 0;
  bool raw_root = false;             // without the length in front
  std::optional<avro::schema> kept;  // whose nodes `any_value` uses
};

[[nodiscard]] result<std::shared_ptr<encode_code>> compile_encoder(const schema& writer,
                                                                   const type_descriptor& source,
                                                                   const limits& limit);

}  // namespace millrace::avro
