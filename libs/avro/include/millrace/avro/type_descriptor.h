// Descriptions of C++ types for the codec: kind, size, and the places of members. A struct is described once.
//
// Example prelude:
//
//   struct visit {
//     std::string_view visitor_id;
//     millrace::timestamp event_time;
//     std::optional<std::string_view> city;
//   };
//
//   template <>
//   struct millrace::avro::describe<visit> {
//     static type_descriptor type() {
//       return record_of<visit>("", {field("visitor_id", &visit::visitor_id),
//                                    field("event_time", &visit::event_time),
//                                    field("city", &visit::city, "null")});  // default when the writer lacks it
//     }
//   };
//
// Example:
//
//   invariant(avro::descriptor_of<visit>().fields.size() == 3, "every field is described");
//
// * The name is the record's Avro name; "" matches a record of any name. Fields of the writer that the struct
//   does not have are skipped. A field that the writer lacks takes its default; without one the plan does not
//   compile.
// * `millrace codegen` writes such a description, and the schema as `schema_text`, for every generated
//   struct. Names, aliases and defaults then come from that schema.
//
// Types and the Avro types that they read:
//
//   C++ type                                               Avro type
//   bool, std::int32_t, std::int64_t, float, double        boolean, int, long, float, double, and promotions
//   std::string_view, std::string                          string (or bytes that are UTF-8)
//   bytes_view, byte_buffer                                bytes (or string)
//   an enum described with enum_of                         enum
//   std::array<std::byte, N>                               fixed
//   uuid                                                   uuid on string or fixed
//   decimal_view                                           decimal on bytes or fixed, big-decimal
//   duration                                               duration
//   std::chrono::sys_days, milliseconds, microseconds      date, time-millis, time-micros
//   std::chrono::sys_time<>, local_time<> of ms, us, ns    timestamp-*, local-timestamp-*
//   std::optional<T>                                       ["null", T] in either order
//   std::variant<...> (std::monostate is null)             any other union
//   array_view<T>, std::vector<T>                          array
//   map_view<V>, std::map<std::string, V>, unordered_map   map
//   std::vector<std::pair<std::string, V>>                 map; entries in wire order, equal keys included
//   described structs                                      record
//   arena_ptr<T>, for recursion                            record; ["null", record]
//   value (value.h)                                        any type
//
// Threads: descriptors are built at first use, thread-safely, and immutable.
// Lifetime: descriptors live until the program ends.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <millrace/avro/values.h>
#include <millrace/base/bytes.h>
#include <millrace/base/values.h>

namespace millrace::avro {

// Kinds of types; see the table above.
enum class type_kind : std::uint8_t {
  null,
  boolean,
  int32,
  int64,
  float32,
  float64,
  string,
  owned_string,
  bytes,
  owned_bytes,
  enumeration,
  fixed,
  uuid,
  decimal,
  duration,
  date,
  time_millis,
  time_micros,
  timestamp_millis,
  timestamp_micros,
  timestamp_nanos,
  local_timestamp_millis,
  local_timestamp_micros,
  local_timestamp_nanos,
  optional,
  variant,
  pointer,
  array,      // array_view
  vector,     // std::vector
  map,        // map_view
  owned_map,  // std::map, std::unordered_map, std::vector of pairs
  record,
  value,       // avro::value: any type
  projection,  // some fields of a record, each into a value of its own
};
// Returns the name of a kind, for messages.
[[nodiscard]] std::string_view to_string(type_kind kind) noexcept;

struct type_descriptor;

// A reference to a descriptor, resolved at its first use, so that recursive types can describe themselves.
class type_ref {
 public:
  using finder = const type_descriptor& (*)();

  type_ref() = default;
  explicit type_ref(finder find) : find_(find) {}
  // Refers to a known descriptor, which outlives the reference.
  explicit type_ref(const type_descriptor& known) : known_(&known) {}

  [[nodiscard]] const type_descriptor& operator*() const { return known_ != nullptr ? *known_ : find_(); }
  [[nodiscard]] const type_descriptor* operator->() const { return &**this; }

 private:
  finder find_ = nullptr;
  const type_descriptor* known_ = nullptr;
};

// A described member.
struct field_descriptor {
  std::string_view name;
  std::size_t offset = 0;
  type_ref type;
  std::optional<std::string_view> default_json;
};

// A symbol of an enum.
struct symbol_descriptor {
  std::string_view name;
  std::int32_t value = 0;
};

// Operations of a type on objects that are passed by address.
struct type_operations {
  void (*construct)(void* first, std::size_t count) = nullptr;
  // Optional: 0 empties, 1 makes a value; variant: the alternative. A present value is kept, with the memory
  // that it owns, and decoded into like any other reused object.
  void (*emplace)(void* object, std::size_t alternative) = nullptr;
  std::size_t (*active)(const void* object) = nullptr;
  std::byte* (*resize)(void* vector, std::size_t size) = nullptr;
  std::pair<const std::byte*, std::size_t> (*items)(const void* collection) = nullptr;
  void (*clear)(void* map) = nullptr;
  std::byte* (*insert)(void* map, std::string_view key) = nullptr;
  // Returns the value that a map has under the key. Returns nullptr when there is none, or when its position
  // in the order of iteration (below 64) is in `seen`, to which the position is added.
  std::byte* (*revisit)(void* map, std::string_view key, std::uint64_t& seen) = nullptr;
  std::size_t (*count)(const void* map) = nullptr;
  using visitor = void (*)(void* context, std::string_view key, const std::byte* value);
  void (*for_each)(const void* map, void* context, visitor visit) = nullptr;
};

// The description of one type.
struct type_descriptor {
  type_kind kind = type_kind::null;
  std::size_t size = 0;
  std::size_t align = 1;
  // The bytes are the value: copied as bytes, without a destructor, allowed in an arena.
  bool trivial = false;
  // Every member is described, so that memory need not be constructed before a decode.
  bool complete = false;
  std::string_view name;                   // Avro name of a record or enum, "" for any
  std::vector<field_descriptor> fields;    // record
  std::vector<symbol_descriptor> symbols;  // enumeration
  std::vector<type_ref> alternatives;      // variant
  type_ref item;                           // optional, pointer, array, vector; the value of a map
  std::size_t value_offset = 0;            // of the value in a map's entry
  std::size_t entry_size = 0;              // of an owned map that is a vector of its entries; else 0
  std::size_t payload_offset = 0;          // of the value in an optional or variant
  std::optional<std::size_t> tag_offset;   // of the byte that distinguishes them, where its place is known
  type_operations operations;
  std::string_view schema_text;  // embedded by codegen, or ""
};

// Specialised per described type, with a static `type_descriptor type()`, and for generated structs with
// `static constexpr std::string_view schema_text`.
template <class T>
struct describe;

// Returns the descriptor of T.
template <class T>
[[nodiscard]] const type_descriptor& descriptor_of();

// Returns a reference to the descriptor of T, which may not be built yet.
template <class T>
[[nodiscard]] type_ref ref_to() {
  return type_ref(&descriptor_of<T>);
}

// A field_descriptor of a member of T.
template <class T>
struct member {
  field_descriptor field;
};

// Describes one field of a struct. `default_json` is Avro's JSON of the default.
template <class T, class M>
[[nodiscard]] member<T> field(std::string_view name, M T::* pointer,
                              std::optional<std::string_view> default_json = std::nullopt) {
  static const T probe{};
  const auto* start = reinterpret_cast<const std::byte*>(&probe);
  const auto* at = reinterpret_cast<const std::byte*>(&(probe.*pointer));
  return {{name, static_cast<std::size_t>(at - start), ref_to<M>(), default_json}};
}

enum class members { some, all };

// Describes a struct. `members::all` promises that every member is described.
template <class T>
[[nodiscard]] type_descriptor record_of(std::string_view name, std::initializer_list<member<T>> fields,
                                        members described = members::some);

// Describes an enum of at most 32 bits.
template <class E>
[[nodiscard]] type_descriptor enum_of(std::string_view name,
                                      std::initializer_list<std::pair<std::string_view, E>> symbols) {
  static_assert(std::is_enum_v<E> && sizeof(E) <= 4);
  type_descriptor type;
  type.kind = type_kind::enumeration;
  type.size = sizeof(E);
  type.align = alignof(E);
  type.trivial = type.complete = true;
  type.name = name;
  for (const auto& [text, value] : symbols) type.symbols.push_back({text, static_cast<std::int32_t>(value)});
  return type;
}

// Returns the Avro symbol of an enum's value: "PAGE_VIEW". Empty when the value has none.
template <class E>
[[nodiscard]] std::string_view symbol_of(E value) {
  for (const symbol_descriptor& symbol : descriptor_of<E>().symbols) {
    if (symbol.value == static_cast<std::int32_t>(value)) return symbol.name;
  }
  return {};
}

}  // namespace millrace::avro

#include <millrace/avro/type_descriptor_inl.h>
