// Writes that change a part of a cell: counters, elements of collections, fields of user-defined types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cql_type.h"
#include "cql_wire.h"

namespace millrace::emulators::cql {

enum class change : std::uint8_t {
  set,             // the whole cell
  append,          // of a counter: increment
  prepend,         // of a list
  subtract,        // of a counter: decrement
  put_element,     // of a map
  remove_element,  // of a map or a set
  put_field,
};

struct cell_edit {
  change is = change::set;
  const type* of = nullptr;  // of the column
  value operand;             // of remove_element and of a field that is deleted: nothing
  value key;                 // of an element
  std::size_t field = 0;
};

// The cell that the edit makes of the present one (nothing: there is none). Returns nothing when no part is
// left. Operand and key are valid values of their types.
[[nodiscard]] std::optional<std::string> edited(const cell_edit& by, std::optional<std::string_view> now);

// Are the elements of a set, or the keys of a map, in their order and each there once? True of other types.
[[nodiscard]] bool ordered(const type& of, std::string_view cell);

}  // namespace millrace::emulators::cql
