#include "straight_line.h"

#include <algorithm>
#include <new>

#include <millrace/avro/limits.h>

#include "run/utf8.h"
#include "run/uuid_text.h"
#include "run/wire_read.h"

namespace millrace::bench::straight_line {
namespace {

using avro::array_view;
using avro::map_entry;
using avro::map_view;

// Everything is inlined into one function, so that `p` and the limits stay in registers.
#define INLINE [[gnu::always_inline]] inline

[[gnu::noinline]] avro::varint read_rest(const std::uint8_t* p, const std::uint8_t* end) noexcept {
  return avro::read_long_varint(p, end, false);
}

template <bool Validate>
struct reader {
  const std::uint8_t* p;
  const std::uint8_t* begin;
  const std::uint8_t* end;
  avro::arena& memory;
  std::int64_t output_left;

  [[nodiscard]] INLINE std::uint64_t left() const { return static_cast<std::uint64_t>(end - p); }

  [[nodiscard]] INLINE bool varint(std::uint64_t& value) {
    if (p == end) [[unlikely]]
      return false;
    value = *p;
    if (value < 0x80) {
      ++p;
      return true;
    }
    if (end - p >= 2 && p[1] < 0x80) {
      value = (value & 0x7FU) | (static_cast<std::uint64_t>(p[1]) << 7U);
      p += 2;
      return true;
    }
    const avro::varint rest = read_rest(p, end);
    if (rest.next == nullptr) [[unlikely]]
      return false;
    value = rest.value;
    p = rest.next;
    return true;
  }
  [[nodiscard]] INLINE bool int32(std::int32_t& out) {
    std::uint64_t raw = 0;
    const std::uint8_t* const from = p;
    if (!varint(raw) || raw > UINT32_MAX || p - from > 5) [[unlikely]]
      return false;
    out = static_cast<std::int32_t>(avro::zigzag(raw));
    return true;
  }
  [[nodiscard]] INLINE bool int64(std::int64_t& out) {
    std::uint64_t raw = 0;
    if (!varint(raw)) [[unlikely]]
      return false;
    out = avro::zigzag(raw);
    return true;
  }
  template <class Duration>
  [[nodiscard]] INLINE bool instant(std::chrono::sys_time<Duration>& out) {
    std::int64_t count = 0;
    if (!int64(count)) [[unlikely]]
      return false;
    out = std::chrono::sys_time<Duration>(Duration(count));
    return true;
  }
  [[nodiscard]] INLINE bool length(std::uint64_t& size) {
    std::uint64_t raw = 0;
    if (!varint(raw) || (raw & 1U) != 0) [[unlikely]]
      return false;
    size = raw >> 1U;
    return size <= left();
  }
  [[nodiscard]] INLINE bool text(std::string_view& out) {
    std::uint64_t size = 0;
    if (!length(size)) [[unlikely]]
      return false;
    if (Validate && !avro::is_utf8(p, size, begin, end)) [[unlikely]]
      return false;
    out = std::string_view(reinterpret_cast<const char*>(p), size);
    p += size;
    return true;
  }
  [[nodiscard]] INLINE bool index(std::uint64_t count, std::uint64_t& out) {
    std::uint64_t raw = 0;
    if (!varint(raw) || (raw & 1U) != 0 || (raw >> 1U) >= count) [[unlikely]]
      return false;
    out = raw >> 1U;
    return true;
  }
  template <class E>
  [[nodiscard]] INLINE bool symbol(std::uint64_t count, E& out) {
    std::uint64_t at = 0;
    if (!index(count, at)) [[unlikely]]
      return false;
    out = static_cast<E>(at);
    return true;
  }
  [[nodiscard]] INLINE bool boolean(bool& out) {
    if (p == end || *p > 1) [[unlikely]]
      return false;
    out = *p++ != 0;
    return true;
  }
  template <class T>
  [[nodiscard]] INLINE bool raw(T& out) {
    if (left() < sizeof out) [[unlikely]]
      return false;
    std::memcpy(&out, p, sizeof out);
    p += sizeof out;
    return true;
  }

  // ["null", T]; `read` fills the value.
  template <class T, class Read>
  [[nodiscard]] INLINE bool optional(std::optional<T>& out, Read read) {
    std::uint64_t branch = 0;
    if (!index(2, branch)) [[unlikely]]
      return false;
    if (branch == 0) {
      out.reset();
      return true;
    }
    return read(out.emplace());
  }
  [[nodiscard]] INLINE bool optional_text(std::optional<std::string_view>& out) {
    return optional(out, [this](std::string_view& value) { return text(value); });
  }

  // Blocks of items; `read` fills one item, which is not constructed yet.
  template <class T, class Read>
  [[nodiscard]] INLINE bool items(const T*& first, std::size_t& size, std::uint64_t wire_bytes_min,
                                  Read read) {
    T* made = nullptr;
    std::size_t done = 0;
    for (;;) {
      std::uint64_t raw = 0;
      if (!varint(raw)) [[unlikely]]
        return false;
      if (raw == 0) break;
      std::uint64_t count = raw >> 1U;
      if ((raw & 1U) != 0) {
        ++count;
        std::uint64_t block_bytes = 0;
        if (!varint(block_bytes) || (block_bytes & 1U) != 0) [[unlikely]]
          return false;
      }
      if (count > left() || count * wire_bytes_min > left()) [[unlikely]]
        return false;
      const std::uint64_t bytes = (done + count) * sizeof(T);
      output_left -= static_cast<std::int64_t>(bytes);
      if (output_left < 0) [[unlikely]]
        return false;
      auto* grown = static_cast<T*>(memory.allocate(bytes, alignof(T)));
      if (grown == nullptr) [[unlikely]]
        return false;
      if (done > 0) std::memcpy(static_cast<void*>(grown), made, done * sizeof(T));
      made = grown;
      for (const std::size_t all = done + count; done < all; ++done) {
        if (!read(made[done])) [[unlikely]]
          return false;
      }
    }
    first = made;
    size = done;
    return true;
  }
  template <class T, class Read>
  [[nodiscard]] INLINE bool array(array_view<T>& out, std::uint64_t wire_bytes_min, Read read) {
    const T* first = nullptr;
    std::size_t size = 0;
    if (!items<T>(first, size, wire_bytes_min, read)) [[unlikely]]
      return false;
    out = array_view<T>(first, size);
    return true;
  }
  template <class V, class Read>
  [[nodiscard]] INLINE bool map(map_view<V>& out, std::uint64_t wire_bytes_min, Read read) {
    const map_entry<V>* first = nullptr;
    std::size_t size = 0;
    const auto entry = [&](map_entry<V>& one) { return text(one.key) && read(one.value); };
    if (!items<map_entry<V>>(first, size, wire_bytes_min + 1, entry)) [[unlikely]]
      return false;
    out = map_view<V>(first, size);
    return true;
  }
  [[nodiscard]] INLINE bool texts(array_view<std::string_view>& out) {
    return array(out, 1, [this](std::string_view& one) { return text(one); });
  }

  // A variant's alternative of this type, in memory that is not constructed.
  template <class T, class Variant, class Read>
  [[nodiscard]] INLINE static bool alternative(Variant& out, Read read) {
    T value{};
    if (!read(value)) [[unlikely]]
      return false;
    new (&out) Variant(value);
    return true;
  }

  [[nodiscard]] INLINE bool page(tracking::Page& out) {
    return text(out.url) && optional_text(out.title) && optional_text(out.referrer) &&
           map(out.query, 1, [this](std::string_view& value) { return text(value); });
  }
  [[nodiscard]] INLINE bool size(std::optional<tracking::Size>& out) {
    return optional(out, [this](tracking::Size& value) { return int32(value.width) && int32(value.height); });
  }
  [[nodiscard]] INLINE bool device(tracking::Device& out) {
    return text(out.user_agent) && raw(out.ip) && size(out.screen) && size(out.viewport) &&
           texts(out.languages);
  }
  [[nodiscard]] INLINE bool geo(tracking::Geo& out) {
    return text(out.country) && optional_text(out.city) && raw(out.lat) && raw(out.lon) &&
           optional(out.accuracy, [this](float& value) { return raw(value); });
  }
  template <class Variant>
  [[nodiscard]] INLINE bool attribute(Variant& out) {
    std::uint64_t branch = 0;
    if (!index(5, branch)) [[unlikely]]
      return false;
    switch (branch) {
      case 0:
        new (&out) Variant();
        return true;
      case 1:
        return alternative<bool>(out, [this](bool& value) { return boolean(value); });
      case 2:
        return alternative<std::int64_t>(out, [this](std::int64_t& value) { return int64(value); });
      case 3:
        return alternative<double>(out, [this](double& value) { return raw(value); });
      default:
        return alternative<std::string_view>(out, [this](std::string_view& value) { return text(value); });
    }
  }
  template <class Variant>
  [[nodiscard]] INLINE bool custom(Variant& out) {
    std::uint64_t branch = 0;
    if (!index(7, branch)) [[unlikely]]
      return false;
    switch (branch) {
      case 0:
        new (&out) Variant();
        return true;
      case 1:
        return alternative<bool>(out, [this](bool& value) { return boolean(value); });
      case 2:
        return alternative<std::int32_t>(out, [this](std::int32_t& value) { return int32(value); });
      case 3:
        return alternative<std::int64_t>(out, [this](std::int64_t& value) { return int64(value); });
      case 4:
        return alternative<double>(out, [this](double& value) { return raw(value); });
      case 5:
        return alternative<std::string_view>(out, [this](std::string_view& value) { return text(value); });
      default:
        return alternative<array_view<std::string_view>>(
            out, [this](array_view<std::string_view>& value) { return texts(value); });
    }
  }
  [[nodiscard]] INLINE bool product(tracking::Product& out) {
    std::uint64_t size = 0;
    new (&out.name) std::optional<std::string_view>();
    if (!text(out.sku) || !optional_text(out.name) || !length(size)) [[unlikely]]
      return false;
    out.price = decimal_view{bytes_view(reinterpret_cast<const std::byte*>(p), size), 2};
    p += size;
    return int32(out.quantity) && texts(out.categories) &&
           map(out.attributes, 1, [this](auto& value) { return attribute(value); });
  }
  [[nodiscard]] INLINE bool campaign(tracking::Campaign& out) {
    return text(out.source) && optional_text(out.medium) && optional_text(out.name) &&
           optional(out.landing, [this](tracking::Page& value) { return page(value); });
  }

  [[nodiscard]] INLINE bool navigation(tracking::Navigation& out) {
    std::uint64_t size = 0;
    if (!length(size) || size != avro::uuid_text_bytes || !avro::parse_uuid(p, out.event_id.bytes.data()))
        [[unlikely]]
      return false;
    p += size;
    return instant(out.event_time) && instant(out.received_time) && int32(out.partner_id) &&
           text(out.visitor_id) && symbol(6, out.kind) && page(out.page) && device(out.device) &&
           optional(out.geo, [this](tracking::Geo& value) { return geo(value); }) &&
           map(out.consents, 1, [this](tracking::Consent& value) { return symbol(3, value); }) &&
           array(out.products, 6, [this](tracking::Product& value) { return product(value); }) &&
           optional(out.campaign, [this](tracking::Campaign& value) { return campaign(value); }) &&
           map(out.custom, 1, [this](auto& value) { return custom(value); }) && text(out.session.id) &&
           int32(out.session.sequence) && boolean(out.session.is_new) && instant(out.session.started) &&
           texts(out.tags);
  }
};

#undef INLINE

template <bool Validate>
[[nodiscard]] bool decode_with(bytes_view datum, avro::arena& memory, tracking::Navigation& out) {
  constexpr avro::limits limit;
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(datum.data());
  reader<Validate> from{
      begin, begin, begin + datum.size(), memory,
      static_cast<std::int64_t>(limit.output_bytes_base + limit.output_bytes_per_byte * datum.size())};
  return from.navigation(out) && from.p == from.end;
}

}  // namespace

bool decode(bytes_view datum, avro::arena& memory, tracking::Navigation& out) {
  return decode_with<true>(datum, memory, out);
}

bool decode_unchecked(bytes_view datum, avro::arena& memory, tracking::Navigation& out) {
  return decode_with<false>(datum, memory, out);
}

}  // namespace millrace::bench::straight_line
