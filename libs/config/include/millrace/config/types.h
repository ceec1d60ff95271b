// The type-erased form of a spec: what the loader, the reference and the schema walk. Declare settings with
// spec.h; nothing here is needed to use one.
//
// Threads: plain values, immutable after their construction.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/secret.h>
#include <millrace/config/units.h>

namespace millrace::config {

class findings;
struct section_info;

enum class kind : std::uint8_t {
  text,
  secret,
  integer,
  number,
  boolean,
  duration,
  size,
  choice,
  list,
  map,
  section,
};

// A value between text and the member: durations in nanoseconds, sizes in bytes, choices as the enum's
// number.
using scalar = std::variant<bool, std::int64_t, double, std::string>;

struct choice {
  std::string name;
  std::int64_t value;
};

// A member's type, and access to a member through a pointer to it. Which pointers are set depends on the
// kind.
struct type_info {
  config::kind kind = config::kind::text;
  std::int64_t min = std::numeric_limits<std::int64_t>::min();  // integers; nanoseconds; bytes
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::int64_t step = 1;  // nanoseconds of the member's resolution
  double number_min = -std::numeric_limits<double>::infinity();
  double number_max = std::numeric_limits<double>::infinity();
  std::vector<choice> choices;
  std::function<std::optional<std::string>(const void*)> check;
  std::shared_ptr<type_info> item;               // of a list
  std::shared_ptr<const section_info> settings;  // of a section

  void (*assign)(void*, scalar&&) = nullptr;
  scalar (*read)(const void*) = nullptr;
  // lists
  void (*clear)(void*) = nullptr;
  void* (*append)(void*) = nullptr;
  std::size_t (*size)(const void*) = nullptr;
  const void* (*element)(const void*, std::size_t) = nullptr;
  // std::map<std::string, std::string>
  std::map<std::string, std::string>* (*entries)(void*) = nullptr;
  // std::optional: the value inside, made when absent, or nullptr when absent. Everything above is about that
  // value.
  void* (*emplace)(void*) = nullptr;
  const void* (*present)(const void*) = nullptr;
};

struct field_info {
  std::string key;
  std::string doc;
  std::string example;
  std::string formerly;
  bool required = false;
  type_info type;
  std::function<void*(void*)> member;  // from the struct to the member
};

// A key that has no effect any more: accepted with a warning that says why.
struct retired_key {
  std::string key;
  std::string reason;
};

struct section_info {
  std::vector<field_info> fields;
  std::vector<retired_key> retired;
  std::vector<std::string> foreign;  // keys that another program reads: accepted, with all below them
  std::vector<std::function<void(const void*, findings&)>> checks;
  std::function<std::shared_ptr<void>()> make;  // a struct that holds the defaults
};

// The retired key of this name; nullptr when there is none.
[[nodiscard]] const retired_key* find_retired(const section_info& section, std::string_view key);

// Breaks an invariant when the declaration is wrong.
void verify(const section_info& section);

namespace detail {

template <typename M>
inline constexpr bool is_duration = false;
template <typename Rep, typename Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <typename M>
struct innermost {
  using type = M;
};
template <typename M>
struct innermost<std::optional<M>> : innermost<M> {};
template <typename M>
struct innermost<std::vector<M>> : innermost<M> {};

[[nodiscard]] inline type_info& innermost_type(type_info& type) { return type.item ? *type.item : type; }

template <typename M>
struct type_of {
  static type_info get() {
    type_info type;
    if constexpr (std::same_as<M, std::string>) {
      type.kind = kind::text;
    } else if constexpr (std::same_as<M, secret>) {
      type.kind = kind::secret;
    } else if constexpr (std::same_as<M, bool>) {
      type.kind = kind::boolean;
    } else if constexpr (std::same_as<M, double>) {
      type.kind = kind::number;
    } else if constexpr (std::same_as<M, byte_size>) {
      type.kind = kind::size;
      type.min = 0;
    } else if constexpr (is_duration<M>) {
      type.kind = kind::duration;
      type.min = 0;
      type.step = std::chrono::duration_cast<nanoseconds>(M(1)).count();
    } else if constexpr (std::is_enum_v<M>) {
      type.kind = kind::choice;
    } else {
      static_assert(std::integral<M>, "not a type that a setting can have; a struct needs section()");
      type.kind = kind::integer;
      type.min = std::is_signed_v<M> ? static_cast<std::int64_t>(std::numeric_limits<M>::min()) : 0;
      type.max = std::cmp_less(std::numeric_limits<std::int64_t>::max(), std::numeric_limits<M>::max())
                     ? std::numeric_limits<std::int64_t>::max()
                     : static_cast<std::int64_t>(std::numeric_limits<M>::max());
    }
    type.assign = [](void* member, scalar&& value) { assign(*static_cast<M*>(member), std::move(value)); };
    type.read = [](const void* member) { return read(*static_cast<const M*>(member)); };
    return type;
  }

 private:
  static void assign(M& member, scalar&& value) {
    if constexpr (std::same_as<M, std::string>) {
      member = std::get<std::string>(std::move(value));
    } else if constexpr (std::same_as<M, secret>) {
      std::string& text = std::get<std::string>(value);
      member = secret(text);
      wipe(text);
    } else if constexpr (std::same_as<M, bool> || std::same_as<M, double>) {
      member = std::get<M>(value);
    } else if constexpr (std::same_as<M, byte_size>) {
      member.bytes = static_cast<std::uint64_t>(std::get<std::int64_t>(value));
    } else if constexpr (is_duration<M>) {
      member = std::chrono::duration_cast<M>(nanoseconds(std::get<std::int64_t>(value)));
    } else {
      member = static_cast<M>(std::get<std::int64_t>(value));
    }
  }
  static scalar read(const M& member) {
    if constexpr (std::same_as<M, std::string> || std::same_as<M, bool> || std::same_as<M, double>) {
      return member;
    } else if constexpr (std::same_as<M, secret>) {
      return std::string(member.empty() ? "" : "***");
    } else if constexpr (std::same_as<M, byte_size>) {
      return static_cast<std::int64_t>(member.bytes);
    } else if constexpr (is_duration<M>) {
      return std::chrono::duration_cast<nanoseconds>(member).count();
    } else {
      return static_cast<std::int64_t>(member);
    }
  }
};

template <typename M>
[[nodiscard]] type_info optional_of(type_info type) {
  type.emplace = [](void* member) -> void* {
    auto& value = *static_cast<std::optional<M>*>(member);
    return value ? &*value : &value.emplace();
  };
  type.present = [](const void* member) -> const void* {
    const auto& value = *static_cast<const std::optional<M>*>(member);
    return value ? &*value : nullptr;
  };
  return type;
}

template <typename M>
[[nodiscard]] type_info list_of(type_info item) {
  static_assert(!std::same_as<M, bool>, "std::vector<bool> has no elements to point to");
  type_info type;
  type.kind = kind::list;
  type.item = std::make_shared<type_info>(std::move(item));
  type.clear = [](void* member) { static_cast<std::vector<M>*>(member)->clear(); };
  type.append = [](void* member) -> void* { return &static_cast<std::vector<M>*>(member)->emplace_back(); };
  type.size = [](const void* member) { return static_cast<const std::vector<M>*>(member)->size(); };
  type.element = [](const void* member, std::size_t i) -> const void* {
    return &(*static_cast<const std::vector<M>*>(member))[i];
  };
  return type;
}

template <typename M>
struct type_of<std::optional<M>> {
  static type_info get() { return optional_of<M>(type_of<M>::get()); }
};
template <typename M>
struct type_of<std::vector<M>> {
  static type_info get() { return list_of<M>(type_of<M>::get()); }
};
template <>
struct type_of<std::map<std::string, std::string>> {
  static type_info get() {
    type_info type;
    type.kind = kind::map;
    type.entries = [](void* member) { return static_cast<std::map<std::string, std::string>*>(member); };
    return type;
  }
};

[[nodiscard]] inline type_info section_type(std::shared_ptr<const section_info> settings) {
  type_info type;
  type.kind = kind::section;
  type.settings = std::move(settings);
  return type;
}

}  // namespace detail

}  // namespace millrace::config
