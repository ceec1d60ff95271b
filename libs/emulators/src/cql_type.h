// CQL types: names, protocol options, validation of serialised cells, order of clustering values, and
// literals. The text of validation errors is that of Cassandra's serializers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cql_failure.h"

namespace millrace::emulators::cql {

// The values are the protocol's option ids.
enum class type_id : std::uint16_t {
  ascii = 0x0001,
  bigint = 0x0002,
  blob = 0x0003,
  boolean = 0x0004,
  counter = 0x0005,
  decimal = 0x0006,
  double_ = 0x0007,
  float_ = 0x0008,
  int_ = 0x0009,
  timestamp = 0x000B,
  uuid = 0x000C,
  text = 0x000D,
  varint = 0x000E,
  timeuuid = 0x000F,
  inet = 0x0010,
  date = 0x0011,
  time = 0x0012,
  smallint = 0x0013,
  tinyint = 0x0014,
  duration = 0x0015,
  list = 0x0020,
  map = 0x0021,
  set = 0x0022,
  user = 0x0030,
  tuple = 0x0031,
};

struct type {
  type_id id = type_id::text;
  bool frozen = false;
  std::vector<type> parameters;  // of a user-defined type: of its fields
  // Of a user-defined type. Without fields it is a name that the catalogue has yet to resolve.
  std::string keyspace = {};
  std::string name = {};
  std::vector<std::string> fields = {};

  [[nodiscard]] bool collection() const noexcept {
    return id == type_id::list || id == type_id::map || id == type_id::set;
  }
  // Does a row store it in parts? Then it is null when it has none.
  [[nodiscard]] bool multi_cell() const noexcept { return !frozen && (collection() || id == type_id::user); }
};

inline constexpr std::size_t type_depth_max = 16;

[[nodiscard]] type simple(type_id id);
[[nodiscard]] type list_of(type element);
[[nodiscard]] type set_of(type element);
[[nodiscard]] type map_of(type key, type element);

// The type frozen, and everything inside it.
[[nodiscard]] type frozen(type of);
// Does the type contain the user-defined type of that name, or is it that type?
[[nodiscard]] bool refers_to(const type& of, std::string_view name) noexcept;
// Replaces that user-defined type wherever `in` contains it; what was frozen stays frozen. True: it did.
bool replace_user_type(type& in, const type& by);

// The scalar type of that (lower-case) name, "varchar" included; nothing for others.
[[nodiscard]] const type_id* scalar_named(std::string_view name) noexcept;
// As system_schema.columns writes it: "frozen<map<text, int>>".
[[nodiscard]] std::string to_string(const type& of);
void put_option(std::string& out, const type& of);
// The name as CQL needs it: in double quotes unless it is lower-case.
[[nodiscard]] std::string quoted_name(std::string_view name);

// Is `cell` a serialised value of the type? Collections and tuples are checked element by element.
[[nodiscard]] verdict validate(const type& of, std::string_view cell);
// A valid value of a column as the server keeps and sends it: of a user-defined type that is not frozen, all
// fields, those that are missing as null.
[[nodiscard]] std::string complete(const type& of, std::string_view cell);
// Is a valid value of a type that is stored in parts one without parts?
[[nodiscard]] bool no_parts(const type& of, std::string_view cell);
// Order of two valid cells as clustering values: <0, 0, >0.
[[nodiscard]] int compare(const type& of, std::string_view left, std::string_view right);

// A value written in the text of a statement.
struct literal {
  // A name is the key of a field in the braces of a user-defined type.
  enum class shape : std::uint8_t {
    null,
    text,
    integer,
    real,
    boolean,
    uuid,
    blob,
    list,
    braces,
    tuple,
    name
  };

  shape is = shape::null;
  std::string text;
  std::vector<literal> items;  // of a map in braces: key, value, key, value …
  bool pairs = false;          // braces of key : value pairs
};

// Serialises a non-null literal for a column. code::invalid when it does not fit the type.
[[nodiscard]] answer<std::string> encode(const type& of, const literal& from, std::string_view column);

}  // namespace millrace::emulators::cql
