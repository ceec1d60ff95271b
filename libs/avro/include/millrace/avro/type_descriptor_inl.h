// The descriptors of the types that type_descriptor.h lists, which includes this header. Applications include
// type_descriptor.h.
//
// Threads: descriptors are built at first use, thread-safely, and immutable.
#pragma once

#include <algorithm>
#include <map>
#include <unordered_map>

#include <millrace/avro/type_descriptor.h>

namespace millrace::avro {
namespace internal {

template <class T>
[[nodiscard]] type_descriptor describe_as(type_kind kind) {
  static_assert(std::is_default_constructible_v<T>);
  type_descriptor type;
  type.kind = kind;
  type.size = sizeof(T);
  type.align = alignof(T);
  type.trivial = std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>;
  type.complete = true;
  type.operations.construct = [](void* first, std::size_t count) {
    std::uninitialized_value_construct_n(static_cast<T*>(first), count);
  };
  return type;
}

// Simple kinds.
template <class T>
inline constexpr std::optional<type_kind> simple_kind = std::nullopt;
template <>
inline constexpr std::optional simple_kind<std::monostate> = type_kind::null;
template <>
inline constexpr std::optional simple_kind<bool> = type_kind::boolean;
template <>
inline constexpr std::optional simple_kind<std::int32_t> = type_kind::int32;
template <>
inline constexpr std::optional simple_kind<std::int64_t> = type_kind::int64;
template <>
inline constexpr std::optional simple_kind<float> = type_kind::float32;
template <>
inline constexpr std::optional simple_kind<double> = type_kind::float64;
template <>
inline constexpr std::optional simple_kind<std::string_view> = type_kind::string;
template <>
inline constexpr std::optional simple_kind<std::string> = type_kind::owned_string;
template <>
inline constexpr std::optional simple_kind<bytes_view> = type_kind::bytes;
template <>
inline constexpr std::optional simple_kind<byte_buffer> = type_kind::owned_bytes;
template <>
inline constexpr std::optional simple_kind<uuid> = type_kind::uuid;
template <>
inline constexpr std::optional simple_kind<decimal_view> = type_kind::decimal;
template <>
inline constexpr std::optional simple_kind<duration> = type_kind::duration;
template <>
inline constexpr std::optional simple_kind<std::chrono::sys_days> = type_kind::date;
template <>
inline constexpr std::optional simple_kind<std::chrono::milliseconds> = type_kind::time_millis;
template <>
inline constexpr std::optional simple_kind<std::chrono::microseconds> = type_kind::time_micros;
template <>
inline constexpr std::optional simple_kind<timestamp> = type_kind::timestamp_millis;
template <>
inline constexpr std::optional simple_kind<timestamp_micros> = type_kind::timestamp_micros;
template <>
inline constexpr std::optional simple_kind<timestamp_nanos> = type_kind::timestamp_nanos;
template <>
inline constexpr std::optional simple_kind<std::chrono::local_time<std::chrono::milliseconds>> =
    type_kind::local_timestamp_millis;
template <>
inline constexpr std::optional simple_kind<std::chrono::local_time<std::chrono::microseconds>> =
    type_kind::local_timestamp_micros;
template <>
inline constexpr std::optional simple_kind<std::chrono::local_time<std::chrono::nanoseconds>> =
    type_kind::local_timestamp_nanos;
template <std::size_t N>
inline constexpr std::optional simple_kind<std::array<std::byte, N>> = type_kind::fixed;

template <class T>
inline constexpr bool is_described = requires { describe<T>::type(); };

template <class T>
struct builder {
  static type_descriptor build() {
    if constexpr (simple_kind<T>.has_value()) {
      return describe_as<T>(*simple_kind<T>);
    } else {
      static_assert(is_described<T>,
                    "a type has no Avro mapping; millrace_avro_generate writes structs from a schema, and a "
                    "specialisation of millrace::avro::describe<T> describes another");
      type_descriptor type = describe<T>::type();
      if constexpr (requires { describe<T>::schema_text; }) type.schema_text = describe<T>::schema_text;
      return type;
    }
  }
};

// libstdc++ keeps the tag of an optional or variant in one byte behind the value. For types that may be
// copied as bytes that place is looked up here, in objects made the ordinary way, and believed only when
// every state shows the expected byte; otherwise the (slower) operations are used.
template <class T>
struct builder<std::optional<T>> {
  using optional = std::optional<T>;
  static type_descriptor build() {
    type_descriptor type = describe_as<optional>(type_kind::optional);
    type.item = ref_to<T>();
    type.operations.emplace = [](void* object, std::size_t alternative) {
      auto& self = *static_cast<optional*>(object);
      if (alternative == 0) {
        self.reset();
      } else if (!self) {
        self.emplace();
      }
    };
    type.operations.active = [](const void* object) -> std::size_t {
      return static_cast<const optional*>(object)->has_value() ? 1 : 0;
    };
    const optional full(std::in_place);
    const optional empty;
    const auto* bytes = reinterpret_cast<const std::byte*>(&full);
    type.payload_offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&*full) - bytes);
    const std::size_t tag = type.payload_offset + sizeof(T);
    if (type.trivial && tag < sizeof(optional) && bytes[tag] == std::byte{1} &&
        reinterpret_cast<const std::byte*>(&empty)[tag] == std::byte{0}) {
      type.tag_offset = tag;
    }
    return type;
  }
};

template <class... Ts>
struct builder<std::variant<Ts...>> {
  using variant = std::variant<Ts...>;
  using indices = std::index_sequence_for<Ts...>;

  static type_descriptor build() { return build(indices()); }

  template <std::size_t... I>
  static type_descriptor build(std::index_sequence<I...>) {
    type_descriptor type = describe_as<variant>(type_kind::variant);
    type.alternatives = {ref_to<Ts>()...};
    type.operations.emplace = [](void* object, std::size_t alternative) {
      auto& self = *static_cast<variant*>(object);
      if (self.index() == alternative) return;
      ((alternative == I ? static_cast<void>(self.template emplace<I>()) : void()), ...);
    };
    type.operations.active = [](const void* object) { return static_cast<const variant*>(object)->index(); };
    const std::array<variant, sizeof...(Ts)> states{variant(std::in_place_index<I>)...};
    const auto* first = reinterpret_cast<const std::byte*>(&states[0]);
    type.payload_offset =
        static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&std::get<0>(states[0])) - first);
#ifdef __GLIBCXX__  // elsewhere the tag may be wider than a byte
    constexpr std::size_t widest = std::max({sizeof(Ts)...});
    if (type.trivial && sizeof...(Ts) > 1 && sizeof...(Ts) < 255) {
      for (std::size_t at = type.payload_offset + widest; at < sizeof(variant) && !type.tag_offset; ++at) {
        const bool tells =
            ((reinterpret_cast<const std::byte*>(&states[I])[at] == static_cast<std::byte>(I)) && ...);
        if (tells) type.tag_offset = at;
      }
    }
#endif
    return type;
  }
};

template <class T>
struct builder<arena_ptr<T>> {
  static type_descriptor build() {
    static_assert(std::is_trivially_copyable_v<T>, "only types without owners live in the arena");
    type_descriptor type = describe_as<arena_ptr<T>>(type_kind::pointer);
    type.item = ref_to<T>();
    return type;
  }
};

template <class T>
struct builder<array_view<T>> {
  static type_descriptor build() {
    static_assert(std::is_trivially_copyable_v<T>,
                  "only types without owners live in the arena: use std::vector");
    type_descriptor type = describe_as<array_view<T>>(type_kind::array);
    type.item = ref_to<T>();
    type.operations.items = [](const void* object) {
      const auto& self = *static_cast<const array_view<T>*>(object);
      return std::pair(reinterpret_cast<const std::byte*>(self.data()), self.size());
    };
    return type;
  }
};

template <class V>
struct builder<map_view<V>> {
  static type_descriptor build() {
    static_assert(std::is_trivially_copyable_v<V>,
                  "only types without owners live in the arena: use std::map");
    type_descriptor type = describe_as<map_view<V>>(type_kind::map);
    type.item = ref_to<V>();
    const map_entry<V> entry{};
    type.value_offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&entry.value) -
                                                 reinterpret_cast<const std::byte*>(&entry));
    type.operations.items = [](const void* object) {
      const auto& self = *static_cast<const map_view<V>*>(object);
      return std::pair(reinterpret_cast<const std::byte*>(self.data()), self.size());
    };
    type.operations.construct = [](void* first, std::size_t count) {
      std::uninitialized_value_construct_n(static_cast<map_entry<V>*>(first), count);
    };
    return type;
  }
};

template <class T>
struct builder<std::vector<T>> {
  static_assert(!std::is_same_v<T, bool>, "std::vector<bool> holds no bool: use array_view<bool>");
  static type_descriptor build() {
    if constexpr (std::is_same_v<T, std::byte>) {
      return describe_as<std::vector<T>>(type_kind::owned_bytes);
    } else {
      type_descriptor type = describe_as<std::vector<T>>(type_kind::vector);
      type.item = ref_to<T>();
      type.operations.resize = [](void* object, std::size_t size) {
        auto& self = *static_cast<std::vector<T>*>(object);
        self.resize(size);
        return reinterpret_cast<std::byte*>(self.data());
      };
      type.operations.items = [](const void* object) {
        const auto& self = *static_cast<const std::vector<T>*>(object);
        return std::pair(reinterpret_cast<const std::byte*>(self.data()), self.size());
      };
      return type;
    }
  }
};

// A map as what it is on the wire: entries in their order, equal keys included. Much cheaper than a tree or a
// hash table, whose entries are an allocation each.
template <class V>
struct builder<std::vector<std::pair<std::string, V>>> {
  using entry = std::pair<std::string, V>;
  using entries = std::vector<entry>;
  static type_descriptor build() {
    type_descriptor type = describe_as<entries>(type_kind::owned_map);
    type.item = ref_to<V>();
    const entry one{};
    type.value_offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&one.second) -
                                                 reinterpret_cast<const std::byte*>(&one));
    type.entry_size = sizeof(entry);
    type.operations.resize = [](void* object, std::size_t size) {
      auto& self = *static_cast<entries*>(object);
      self.resize(size);
      return reinterpret_cast<std::byte*>(self.data());
    };
    type.operations.count = [](const void* object) { return static_cast<const entries*>(object)->size(); };
    type.operations.for_each = [](const void* object, void* context, type_operations::visitor visit) {
      for (const auto& [key, mapped] : *static_cast<const entries*>(object)) {
        visit(context, key, reinterpret_cast<const std::byte*>(&mapped));
      }
    };
    return type;
  }
};

template <class Map>
struct owned_map_builder {
  using value = typename Map::mapped_type;
  static_assert(std::is_same_v<typename Map::key_type, std::string>);
  static type_descriptor build() {
    type_descriptor type = describe_as<Map>(type_kind::owned_map);
    type.item = ref_to<value>();
    type.operations.clear = [](void* object) { static_cast<Map*>(object)->clear(); };
    type.operations.insert = [](void* object, std::string_view key) {
      // The last of equal keys wins, and starts afresh.
      auto [at, added] = static_cast<Map*>(object)->emplace(
          std::piecewise_construct, std::forward_as_tuple(key), std::forward_as_tuple());
      if (!added) at->second = value{};
      return reinterpret_cast<std::byte*>(&at->second);
    };
    type.operations.revisit = [](void* object, std::string_view key, std::uint64_t& seen) {
      std::uint64_t place = 1;
      for (auto& [known, mapped] : *static_cast<Map*>(object)) {
        if (known == key) {
          if ((seen & place) != 0) break;
          seen |= place;
          return reinterpret_cast<std::byte*>(&mapped);
        }
        place <<= 1U;
      }
      return static_cast<std::byte*>(nullptr);
    };
    type.operations.count = [](const void* object) { return static_cast<const Map*>(object)->size(); };
    type.operations.for_each = [](const void* object, void* context, type_operations::visitor visit) {
      for (const auto& [key, mapped] : *static_cast<const Map*>(object)) {
        visit(context, key, reinterpret_cast<const std::byte*>(&mapped));
      }
    };
    return type;
  }
};
template <class V>
struct builder<std::map<std::string, V>> : owned_map_builder<std::map<std::string, V>> {};
template <class V>
struct builder<std::map<std::string, V, std::less<>>>
    : owned_map_builder<std::map<std::string, V, std::less<>>> {};
template <class V>
struct builder<std::unordered_map<std::string, V>> : owned_map_builder<std::unordered_map<std::string, V>> {};

}  // namespace internal

// See type_descriptor.h.
template <class T>
[[nodiscard]] type_descriptor record_of(std::string_view name, std::initializer_list<member<T>> fields,
                                        members described) {
  type_descriptor type = internal::describe_as<T>(type_kind::record);
  type.name = name;
  type.complete = described == members::all;
  for (const member<T>& one : fields) type.fields.push_back(one.field);
  return type;
}

// Builds the descriptor at the first call.
template <class T>
[[nodiscard]] const type_descriptor& descriptor_of() {
  static const type_descriptor built = internal::builder<T>::build();
  return built;
}

}  // namespace millrace::avro
