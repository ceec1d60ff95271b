// The compiled form of a plan: a flat array of 16-byte operations and the tables they point into.
//
// `dst` is an offset from the current base: the target struct, or the item of the innermost open array or
// map. Nested records, optionals and variants are part of the struct that holds them, so they cost no change
// of base.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <millrace/avro/arena.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/schema.h>

namespace millrace::avro {

// name: what dst, a, b and aux mean
#define MILLRACE_AVRO_OPCODES(X)                                                                           \
  /* control */                                                                                            \
  X(end)                                                                                                   \
  X(ret)   /* of a call or point */                                                                        \
  X(jump)  /* a: pc */                                                                                     \
  X(call)  /* dst: of the record; a: pc */                                                                 \
  X(point) /* dst: of the arena_ptr; a: pc; b: point index */                                              \
  X(unresolvable)                                                                                          \
  X(null_pointer)  /* dst */                                                                               \
  X(set_tag)       /* dst; a: value */                                                                     \
  X(emplace)       /* dst; a: alternative; b: type index */                                                \
  X(constant)      /* dst; a: image index; b: bytes */                                                     \
  X(enter_default) /* a: default index */                                                                  \
  X(leave_default)                                                                                         \
  /* values */                                                                                             \
  X(boolean)                                                                                               \
  X(int32)                                                                                                 \
  X(int64)                                                                                                 \
  X(int32_to_int64)                                                                                        \
  X(int32_to_float32)                                                                                      \
  X(int32_to_float64)                                                                                      \
  X(int64_to_float32)                                                                                      \
  X(int64_to_float64)                                                                                      \
  X(float32)                                                                                               \
  X(float64)                                                                                               \
  X(float32_to_float64)                                                                                    \
  X(string)                                                                                                \
  X(string_unchecked)                                                                                      \
  X(bytes)                                                                                                 \
  X(owned_string)                                                                                          \
  X(owned_string_unchecked)                                                                                \
  X(owned_bytes)                                                                                           \
  X(fixed) /* a: size */                                                                                   \
  X(uuid_text)                                                                                             \
  X(decimal)       /* b: scale */                                                                          \
  X(decimal_fixed) /* a: size; b: scale */                                                                 \
  X(big_decimal)                                                                                           \
  X(enum8) /* a: first of the symbol table; b: symbols of the writer */                                    \
  X(enum16)                                                                                                \
  X(enum32)                                                                                                \
  /* unions */                                                                                             \
  X(optional)              /* dst: tag; a: pc when null; aux: index byte of null (0 or 2) */               \
  X(optional_string)       /* dst, aux: as above; a: offset of the value; b: 1 validates */                \
  X(optional_owned_string) /* dst: of the std::optional; b: 1 validates; aux: index byte of null */        \
  X(optional_fixed)        /* dst, aux: as above; a: offset of the value; b: its bytes, 4 or 8 */          \
  X(optional_ints)         /* dst, aux: as above; a: offset of the first int32; b: how many, at most 4 */  \
  X(variant)               /* dst: tag; a: first of the jump table; b: branches of the writer */           \
  X(scalar_variant)        /* as variant; aux: of the value before the tag; most branches are scalars */   \
  X(branch)                /* a, b as above: no tag to store */                                            \
  /* collections: a: loop index */                                                                         \
  X(array)                                                                                                 \
  X(vector)                                                                                                \
  X(owned_map)                                                                                             \
  X(map_key)       /* first of the body of an owned map */                                                 \
  X(string_array)  /* a: loop index; the next operation is `strings` */                                    \
  X(strings)       /* all of a body: a: loop index; b: strings per item, which are all it is */            \
  X(owned_strings) /* all of the body of a vector of std::string; a: loop index; b: 1 validates */         \
  X(entry_array)   /* as array; the next operation is `entry` */                                           \
  X(entry)         /* as string: the key, in a map whose values are one `scalar_variant`; a: loop index */ \
  X(next)          /* a: loop index; b: pc of the body; dst: stride */                                     \
  /* wire only */                                                                                          \
  X(skip_fixed)   /* a: bytes */                                                                           \
  X(skip_int)     /* a: how many */                                                                        \
  X(skip_long)    /* a: how many */                                                                        \
  X(skip_bytes)   /* a: how many */                                                                        \
  X(skip_enum)    /* b: symbols of the writer */                                                           \
  X(skip_scalar)  /* as branch; most branches are scalars */                                               \
  X(skip_texts)   /* as skip_loop, of items that are b lengths with their bytes */                         \
  X(skip_entries) /* as skip_loop; the next operation is `skip_entry` */                                   \
  X(skip_entry)   /* the key, in a map whose values are one `skip_scalar`; a: loop index */                \
  /* as branch, of null and one other; aux: index byte of null; three operations with their body */        \
  X(skip_optional_text)                                                                                    \
  X(skip_optional_fixed) /* dst: bytes, at most 32 */                                                      \
  X(skip_optional_ints)  /* dst: how many, at most 4 */                                                    \
  X(skip_loop)           /* a: loop index */                                                               \
  /* values of any schema */                                                                               \
  X(set_type)    /* dst: of the value; a: node index */                                                    \
  X(fixed_view)  /* a: size */                                                                             \
  X(record_open) /* dst: of the view of its fields; b: point index */                                      \
  X(record_close)                                                                                          \
  X(record_call) /* dst, b: as above; a: pc of the body */                                                 \
  X(raw_bytes)   /* dst; a: opcode that would read them behind a length; b: scale */

enum class opcode : std::uint16_t {
#define MILLRACE_AVRO_NAME(name) name,
  MILLRACE_AVRO_OPCODES(MILLRACE_AVRO_NAME)
#undef MILLRACE_AVRO_NAME
};

struct op {
  opcode code = opcode::end;
  std::uint16_t aux = 0;
  std::uint32_t dst = 0;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};
static_assert(sizeof(op) == 16);

enum class loop_kind : std::uint8_t { array, vector, owned_map, skip };

// One array or map: its items are decoded by ops [body, end), the last of which is `next`.
struct loop {
  loop_kind kind = loop_kind::skip;
  bool construct = false;    // items start as constructed objects
  bool plain = false;        // items take wire bytes, and need no construction
  std::uint32_t dst = 0;     // of the view, vector or map
  std::uint32_t stride = 0;  // bytes per item in memory
  std::uint32_t align = 1;
  std::uint32_t wire_bytes_min = 0;  // per item of the WRITER, key included
  std::uint32_t body = 0;
  std::uint32_t end = 0;
  std::int64_t wire_bytes = -1;  // per item where all items take the same; skips then jump
  const type_operations* operations = nullptr;
};

// How `scalar_variant` reads a branch without jumping: as numbers to compute with, so that values of any
// mixture of branches cost no mispredicted jump. It sees the 8 bytes behind the index as one little-endian
// word.
struct scalar_shape {
  std::uint64_t last_bytes = 0;  // high bits of the bytes that may end a number; nothing set: not a scalar
  std::uint64_t bad_word = 0;    // bits of the word that must not be set
  std::uint64_t bad_number = 0;  // bits of the number that must not be set
  std::uint64_t raw = 0;         // all ones: the word is the value
  std::uint64_t number = 0;      // all ones: the zigzag number is the value
  std::uint64_t text = 0;        // bits of a text's length
  std::uint16_t wire_bytes = 0;  // besides a number's and a text's
  std::uint16_t more = 0;        // 1: two numbers, one after the other; to be skipped
  std::uint32_t after = 0;       // pc behind the union
};

// A jump table's entry: where the branch's ops start, and the tag of the variant's alternative.
struct branch_target {
  std::uint32_t pc = 0;
  std::uint32_t tag = 0;
  scalar_shape shape;
};
static_assert(sizeof(branch_target) == 64);  // so that finding one is a shift

struct point_target {
  std::uint32_t size = 0;
  std::uint32_t align = 1;
  const type_operations* operations = nullptr;  // construct first; nullptr: no need
  const void* image = nullptr;                  // of a record of values: what it starts as
  std::uint32_t count = 0;                      // its fields
};

inline constexpr std::int32_t no_symbol = INT32_MIN;

struct plan_code {
  std::vector<op> ops;
  std::vector<loop> loops;
  std::vector<branch_target> branches;
  std::vector<std::int32_t> symbols;
  std::vector<point_target> points;
  std::vector<const type_descriptor*> types;
  std::vector<const void*> images;
  std::vector<bytes_view> defaults;
  std::vector<const schema_node*> nodes;
  // Where in the schema each op works, for messages: index into `path_names`.
  std::vector<std::uint32_t> paths;
  std::vector<std::string> path_names;
  // Bytes of the defaults and what their images view.
  std::shared_ptr<arena> constants;
  std::vector<schema> kept;  // what `nodes` and decoded values point into
  plan_options options;
};

// What stopped a decode.
struct fault {
  errc code = errc::malformed;
  const char* why = nullptr;  // nullptr: nothing did
  std::size_t offset = 0;
  std::uint32_t pc = 0;
};

// Runs the plan: the bytes consumed, or a fault. Defined in interpreter.cc.
[[nodiscard]] std::size_t run(const plan_code& code, bytes_view in, arena& memory, void* out, fault& failed);

}  // namespace millrace::avro
